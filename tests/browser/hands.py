"""What only a person at a keyboard or in front of a page that lives would notice."""

from playwright.sync_api import expect

from browser import WIDE, Window
from town import PASSWORD, until


def keyboard(browser):
    """In, past the navigation, to the one form that matters and through it, without a mouse."""
    window = Window(browser, WIDE)
    page, press = window.page, window.page.keyboard.press
    window.goto("/sign-in?next=/accounts")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("ada")
    press("Tab")
    page.keyboard.type(PASSWORD)
    press("Enter")
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    press("Enter")
    expect(page.locator("main")).to_be_focused()
    summary = page.locator("summary", has_text="Add an account")
    for _ in range(8):
        press("Tab")
        if summary.evaluate("one => one === document.activeElement"):
            break
    expect(summary).to_be_focused()
    if summary.locator("..").get_attribute("open") is None:
        press("Enter")
    for words in ("Keyboard & Sons", "Otto Keys", "otto@keys.example"):
        press("Tab")
        page.keyboard.type(words)
    press("Enter")
    expect(page.get_by_role("heading", name="Keyboard & Sons")).to_be_visible()
    return window.close()


def living(browser, company):
    """The overview follows what happens: no reload, and the script's own clock is turned."""
    window = Window(browser, WIDE).sign_in()
    page = window.page
    page.clock.install()
    window.goto("/")
    page.evaluate("window.same = true")
    expect(page.locator("main")).not_to_contain_text("Order live")
    company.order("Order live")

    def shown():
        page.clock.fast_forward(11_000)
        return page.get_by_role("row").filter(has_text="Order live").filter(has_text="posted").count()

    until("the order on the overview", shown)
    assert page.evaluate("window.same === true"), "the page was loaded anew"
    return window.close()


def forms(browser, account):
    """A form that is not ours, or not this session's, changes nothing."""
    window = Window(browser, WIDE).sign_in()
    page = window.page
    window.goto("/accounts")
    page.locator("summary", has_text="Add an account").click()
    page.get_by_label("What it is called").fill("Nobody's")
    page.get_by_label("who is told").fill("Nobody")
    page.get_by_label("mail address").fill("nobody@nowhere.example")
    page.locator("form[action='/accounts'] [name=form_token]").evaluate("one => one.value = one.value.replace(/.$/, 'x') + 'x'")
    window.refused.add(page.url)
    page.get_by_role("button", name="Add the account").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("did not come from here")
    window.goto("/accounts?search=Nobody")
    expect(page.locator("main")).to_contain_text("No account is like that")
    window.goto(account)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return window.close()

"""The walk of the whole thing by its pages alone, from the sign-in to the catch-up after a grant was revoked.

It is walked twice: with script in a wide window, and without script on a phone.
"""

import re
import time

from playwright.sync_api import expect

from browser import Window
from town import AT, SANDBOX, lever, reload_until, until


class Walk:
    """One customer and their operator, in one kind of browser."""

    def __init__(self, browser, company, **kind):
        self.browser, self.company, self.kind = browser, company, kind
        self.operator = Window(browser, **kind)
        self.page = self.operator.page
        self.account, self.owners_page = "", ""
        self.began = time.monotonic()

    def walk(self):
        """All of it, in its order."""
        for provider in ("quickbooks", "hubspot"):
            lever(provider=provider, interactive=True)
        self.operator.sessions.clear()
        self.operator.sign_in()
        self.tells("signed in")
        self.adds_an_account()
        self.tells("account added")
        self.connects()
        self.tells("both providers connected")
        self.order_crosses("Order 1001")
        self.tells("an order crossed")
        self.links_the_owners_page()
        self.grant_is_revoked()
        self.tells("the grant is revoked, and a renewal by hand found out")
        self.company.order("Order 1002")
        self.sees_it_waiting("Order 1002")
        self.tells("a second order waits")
        owner = Window(self.browser, **self.kind)
        self.owner_sees_what_is_wrong(owner)
        self.owner_repairs_it_by_mail(owner)
        self.tells("the owner's mail came, and its link repaired it")
        self.sees_posted("Order 1002")
        self.tells("the second order crossed by itself")
        self.owner_sees_the_catch_up(owner)
        self.tells("the owner's page shows the catch-up")
        self.mail("is connected again", self.company.email)
        self.all_is_calm()
        for provider in ("quickbooks", "hubspot"):
            lever(provider=provider, interactive=False)
        return self.operator.close() + owner.close()

    def tells(self, what):
        """What was seen, and when."""
        print(f"        {time.monotonic() - self.began:5.1f} s  {what}", flush=True)

    def adds_an_account(self):
        """The first page that changes something."""
        page = self.page
        page.get_by_role("link", name="Accounts", exact=True).first.click()
        form = page.locator("details", has_text="Add an account")
        if form.get_attribute("open") is None:
            form.locator("summary").click()
        form.get_by_label("What it is called").fill(self.company.name)
        form.get_by_label("who is told").fill(self.company.owner)
        form.get_by_label("mail address").fill(self.company.email)
        form.get_by_role("button", name="Add the account").click()
        expect(page.get_by_role("status")).to_contain_text("Added. Now connect both of its providers.")
        expect(page.get_by_role("heading", name=self.company.name)).to_be_visible()
        self.account = page.url

    def connects(self):
        """QuickBooks by a link that is handed on, HubSpot from the page itself: both consents are pages where one chooses."""
        page = self.page
        page.goto(self.account)
        self.opened("Connect QuickBooks…").get_by_role("button", name="Make a link for the owner").click()
        said = page.get_by_role("status")
        expect(said).to_contain_text(self.company.email)
        page.goto(re.search(r"\S+/connect/\S+", said.inner_text()).group())
        self.agrees(page, "QuickBooks")
        expect(page.locator("main")).to_contain_text("One step is left: HubSpot")
        page.goto(self.account)
        self.opened("Connect HubSpot…").get_by_role("button", name="go there now").click()
        self.agrees(page, "HubSpot")
        page.goto(self.account)
        expect(page.get_by_text("works", exact=True).or_(page.get_by_text("connected", exact=True))).to_have_count(2)

    def agrees(self, page, provider):
        """On the provider's page: which company."""
        expect(page.get_by_role("heading", name=f"Connect to {provider}")).to_be_visible()
        page.get_by_role("link", name=self.company.name if provider == "QuickBooks" else self.company.domain).click()
        expect(page.get_by_role("heading", name=f"{provider} is connected")).to_be_visible()

    def opened(self, summary):
        """What is folded away behind these words, unfolded."""
        details = self.page.locator("details", has=self.page.locator("summary", has_text=summary))
        details.locator("summary").click()
        return details

    def order_crosses(self, name):
        """From HubSpot into the books, by itself."""
        self.company.order(name)
        self.sees_posted(name)

    def row(self, name, status):
        """An order of this customer in the list."""
        rows = self.page.get_by_role("row").filter(has_text=self.company.name).filter(has_text=name)
        return rows.filter(has=self.page.locator(".badge", has_text=status))

    def sees_posted(self, name):
        """On the page of orders, with its document."""
        self.operator.goto("/orders")
        reload_until(self.page, f"{name} posted", lambda: self.row(name, "posted").count())
        self.row(name, "posted").get_by_role("link").click()
        expect(self.page.locator("main")).to_contain_text("in QuickBooks")

    def sees_it_waiting(self, name):
        """The order that came while nothing can be posted."""
        self.operator.goto("/orders")
        reload_until(self.page, f"{name} queued", lambda: self.row(name, "queued").count())

    def links_the_owners_page(self):
        """The operator makes the link that an owner gets."""
        self.page.goto(self.account)
        self.opened("The owner’s own page").get_by_role("button", name="Make a link to it").click()
        said = self.page.get_by_role("status")
        expect(said).to_contain_text("it opens the owner's page")
        self.owners_page = re.search(r"\S+/owner/\S+", said.inner_text()).group()

    def grant_is_revoked(self):
        """Inside QuickBooks, where nobody tells us; a renewal by hand finds out."""
        lever(revoke={"provider": "quickbooks", "company_id": self.company.realm})
        self.page.goto(self.account)
        self.page.get_by_role("link", name="QuickBooks", exact=True).click()
        renew = self.opened("Renew now…")
        renew.get_by_label("Do not wait out").check()
        renew.get_by_role("button", name="Renew").click()
        expect(self.page.get_by_role("status")).to_contain_text("only its owner can repair it")
        expect(self.page.locator("h1 .badge")).to_contain_text("lapsed")
        self.operator.goto("/")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("waits for its owner")

    def owner_sees_what_is_wrong(self, owner):
        """Behind the link, without a sign-in."""
        owner.page.goto(self.owners_page)
        expect(owner.page.get_by_role("heading", level=1)).to_contain_text("QuickBooks needs you")
        expect(owner.page.get_by_role("link", name="Reconnect QuickBooks")).to_be_visible()
        expect(owner.page.locator("main")).to_contain_text("1 order waits")

    def mail(self, subject, address):
        """The newest mail of this subject to this address, as the mailbox lists it."""
        window = Window(self.browser, **self.kind)
        window.page.goto(f"{SANDBOX}/mailbox")
        row = window.page.get_by_role("row").filter(has_text=address)
        found = row.get_by_role("link", name=re.compile(subject)).first
        # Less than the pause of an outbox that nobody has woken.
        reload_until(window.page, f"a mail to {address}: {subject}", found.count, patience=15)
        href = found.get_attribute("href")
        assert not window.close()
        return href

    def owner_repairs_it_by_mail(self, owner):
        """The mail alone: one button in it, one consent."""
        owner.page.goto(f"{SANDBOX}{self.mail('QuickBooks', self.company.email)}/html")
        with owner.context.expect_page() as opened:
            owner.page.get_by_role("link", name=re.compile("^Reconnect QuickBooks")).click()
        page = opened.value
        if page.url.startswith(f"{AT}/owner/"):
            page.get_by_role("link", name="Reconnect QuickBooks").click()
        self.agrees(page, "QuickBooks")
        expect(page.locator("main")).to_contain_text("The order that waited is on its way now")
        page.close()

    def owner_sees_the_catch_up(self, owner):
        """What came in and what is in the books."""
        owner.page.goto(self.owners_page)
        expect(owner.page.get_by_role("heading", level=1)).to_have_text("Everything works")
        expect(owner.page.locator("main")).to_contain_text("2 orders came in, of which 2 are in QuickBooks")

    def all_is_calm(self):
        """Nothing needs anybody any more."""
        self.operator.goto("/")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("lit")
        self.page.goto(self.account)
        until("both connected", lambda: self.page.locator(".cards .badge.good").count() == 2)

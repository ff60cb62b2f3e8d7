"""Every page there is, brought into the states that a person can meet, and looked at."""

import re

from playwright.sync_api import expect

from browser import WIDE, Window
from look import Looker
from town import AT, SANDBOX, cli, lever, reload_until

PLACES = ("/", "/accounts", "/connections", "/orders", "/alerts", "/outages", "/ledger", "/audit", "/settings")


def name_of(path):
    """What a place is called among the pictures."""
    return path.strip("/").split("?")[0].replace("/", "-") or "overview"


class Album:
    """Looks at pages one by one; each is a check of its own."""

    def __init__(self, checks, browser):
        self.checks, self.browser = checks, browser

    def window(self):
        """Somebody who is not signed in."""
        return Window(self.browser, WIDE)

    def look(self, window, name, path=None, status=None):
        """One page; without a path the one that is open."""

        def check():
            if status is not None:
                window.goto_refused(path, status)
            elif path is not None:
                window.goto(path)
            return Looker(window).look(name)

        self.checks.run(f"page: {name}", check)

    def before_anything(self):
        """Nobody has done anything yet."""
        stranger = self.window()
        self.look(stranger, "sign-in", "/sign-in")
        self.look(stranger, "overview-not-signed-in", "/")
        window = self.window().sign_in()
        for path in PLACES[:-1]:
            self.look(window, f"empty-{name_of(path)}", path)
        return stranger.close() + window.close()

    def messages(self, company, owners_page):
        """What links, consents and forms lead to when they do not end well, and when they do."""
        window = self.window()
        page = window.page
        self.look(window, "message-no-such-page", "/nothing/here", 404)
        self.look(window, "message-link-invalid", "/connect/nonsense", 404)
        self.look(window, "message-owners-link-invalid", "/owner/nonsense", 404)
        self.look(window, "message-forged", "/oauth/quickbooks/callback?state=a&code=b", 400)
        self.look(window, "owner-works", owners_page)
        cli("account", "add", "Gull & Daughters", "--owner-name", "Gwen Gull", "--owner-email", "gwen@gull.example")
        link = cli("connection", "link", "--account", "Gull & Daughters", "--provider", "quickbooks").split()[-1]
        link = re.search(r"http\S+", link).group()
        lever(provider="quickbooks", interactive=True)
        self.look(window, "sandbox-consent", link)
        page.get_by_role("link", name="No, do not connect").click()
        self.look(window, "message-denied")
        window.refused.add(page.url)
        page.reload()
        self.look(window, "message-replayed")
        self.comes_to(window, link, company.name, 409)
        self.look(window, "message-company-taken")
        lever(add_company={"realm": "4620816365000000003", "name": "Gull & Daughters"})
        window.goto(link)
        page.get_by_role("link", name="Gull & Daughters").click()
        self.look(window, "message-one-step-left")
        link = cli("connection", "link", "--account", company.name, "--provider", "quickbooks")
        link = re.search(r"http\S+", link).group()
        lever(add_company={"realm": "4620816365000000004", "name": "Harbor Books (copy of 2025)"})
        self.comes_to(window, link, "copy of 2025", 409)
        self.look(window, "message-wrong-company")
        window.goto(link)
        page.get_by_role("link", name=re.compile(f"^{company.name} ?{company.realm}")).click()
        self.look(window, "message-connected")
        lever(provider="quickbooks", interactive=False)
        page_link = re.search(r"http\S+", cli("account", "page-link", "Gull & Daughters")).group()
        cli("account", "revoke-links", "Gull & Daughters")
        self.look(window, "message-link-revoked", page_link.removeprefix(AT), 410)
        return window.close()

    def comes_to(self, window, link, choice, status):
        """A consent whose answer is refused."""
        window.goto(link)
        with window.page.expect_response(re.compile("/oauth/.*/callback")) as answer:
            # The browser complains of the refusal before anybody can know its address.
            kept, window.complaints = window.complaints, []
            window.page.get_by_role("link", name=re.compile(choice)).click()
        assert answer.value.status == status, answer.value.status
        expect(window.page.get_by_role("heading", level=1)).to_be_visible()
        window.refused.add(window.page.url)
        window.complaints = kept + [one for one in window.complaints if window.page.url not in one]

    def in_need(self, company, second, other):
        """Everything that can be wrong at once is wrong, and stands on every page."""
        window = self.window().sign_in()
        page = window.page
        company.order("Order 1003", total="99.99")
        window.goto("/orders?status=parked")
        reload_until(page, "a parked order", page.get_by_role("row").filter(has_text="Order 1003").count)
        self.look(window, "orders-parked")
        page.get_by_role("link", name="Order 1003").click()
        self.look(window, "order-parked")
        window.goto("/orders?status=posted")
        page.locator("tbody a").first.click()
        self.look(window, "order-posted")
        self.breaks(window, other)
        lever(provider="quickbooks", outage="status_503", outage_scope="api")
        # One company's trouble is not the provider's: two must see it.
        for one in (company, second):
            one.order("Order 1004")
            one.order("Order 1005")
        window.goto("/outages")
        reload_until(page, "an outage", page.locator("td .badge", has_text="open").count)
        window.goto("/orders?status=queued")
        page.locator("tbody a").first.click()
        self.look(window, "order-queued")
        for path in PLACES:
            self.look(window, name_of(path), path)
        window.goto("/accounts")
        for one in (company, other):
            window.goto("/accounts")
            page.get_by_role("link", name=one.name).click()
            self.look(window, f"account-{'works' if one is company else 'needs-its-owner'}")
        lever(provider="hubspot", outage="status_503", outage_scope="oauth")
        renewed_in_vain(company)
        for status in ("connected", "failing", "lapsed", "disconnected"):
            window.goto(f"/connections?status={status}")
            page.locator("tbody a").first.click()
            self.look(window, f"connection-{status}")
        viewer = self.window().sign_in("vera")
        for name, path in (("overview", "/"), ("accounts", "/accounts"), ("connection", page.url.removeprefix(AT))):
            self.look(viewer, f"viewer-{name}", path)
        for kind in ("Connection lapsed", "Provider outage"):
            window.goto("/alerts")
            page.locator("tbody a", has_text=kind).first.click()
            self.look(window, f"alert-{kind.split()[-1]}")
        for summary in page.locator("summary").all():
            summary.click()
        self.look(window, "alert-asks-once-more")
        self.look(window, "orders-none-like-that", "/orders?search=nothing")
        self.look(window, "api", "/api/v1")
        self.look(window, "sandbox", SANDBOX)
        self.look(window, "sandbox-mailbox", f"{SANDBOX}/mailbox")
        page.locator("table a").first.click()
        self.look(window, "sandbox-mail")
        wrong = self.window()
        wrong.refused.add(f"{AT}/sign-in")
        wrong.goto("/sign-in")
        wrong.page.get_by_label("Name").fill("ada")
        wrong.page.get_by_label("Password").fill("not the words")
        wrong.page.get_by_role("button", name="Sign in").click()
        expect(wrong.page.get_by_role("alert")).to_be_visible()
        self.look(wrong, "sign-in-refused")
        for one in (company, other):
            owners_page = re.search(r"http\S+", cli("account", "page-link", one.name)).group()
            self.look(wrong, f"owner-{'orders-parked' if one is company else 'is-needed'}", owners_page)
        for provider in ("quickbooks", "hubspot"):
            lever(provider=provider, outage="none")
        return window.close() + viewer.close() + wrong.close()

    def breaks(self, window, other):
        """Another customer: one connection lapses, one is ended."""
        cli("account", "add", other.name, "--owner-name", other.owner, "--owner-email", other.email)
        visitor = self.window()
        for provider, company in (("quickbooks", other.realm), ("hubspot", other.hub)):
            lever(choose={"provider": provider, "company_id": company})
            link = cli("connection", "link", "--account", other.name, "--provider", provider)
            visitor.goto(re.search(r"http\S+", link).group())
            expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("is connected")
        lever(revoke={"provider": "hubspot", "company_id": other.hub})
        renewed_in_vain(other)
        window.goto(f"/connections?search={other.realm}")
        page = window.page
        page.locator("tbody a").first.click()
        page.locator("summary", has_text="Disconnect…").click()
        page.get_by_role("button", name="Disconnect", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("has its grant back")
        visitor.close()

    def mails(self, files):
        """Every kind of mail, as `alert preview` writes it."""
        window = self.window()
        for file in files:
            self.look(window, f"mail-{file.stem}", file.as_uri())
        window.close()


def renewed_in_vain(company):
    """A renewal by hand that cannot go well."""
    try:
        cli("connection", "renew", company.hub, "--now")
    except AssertionError:
        return
    raise AssertionError(f"the portal of {company.name} was renewed")

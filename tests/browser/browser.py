"""Somebody with a browser: a window of some size, by day or by night, with script or without.

Whatever the browser complains of, and whatever it asks of a host that is not in town, is written down and must be accounted for.
"""

import os
from typing import ClassVar
from urllib.parse import urlsplit

from playwright.sync_api import expect

from town import AT, PASSWORD, PATIENCE, SANDBOX

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
IN_TOWN = {urlsplit(AT).netloc, urlsplit(SANDBOX).netloc, ""}
expect.set_options(timeout=PATIENCE * 1000)


def launch(playwright):
    """The one browser program that all share."""
    return playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=FLAGS)


class Window:
    """One browser context, which shares no cookie with another, but for the session of whoever comes back."""

    sessions: ClassVar[dict] = {}
    opened: ClassVar[list] = []

    def __init__(self, browser, size, scheme="light", script=True, **more):
        self.context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=script, **more)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.complaints = []
        self.refused = set()
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self.complaints.append(f"script failed: {error.error}"))
        self.context.on("request", self._request)
        self.page = self.context.new_page()
        self.opened.append(self)

    def _console(self, message):
        # A page that is refused on purpose is a failed load, too.
        if message.type == "error" and message.location.get("url") not in self.refused:
            self.complaints.append(f"console: {message.text} at {message.location.get('url')}")

    def _request(self, request):
        if urlsplit(request.url).netloc not in IN_TOWN:
            self.complaints.append(f"asked another host: {request.url}")

    def goto(self, path):
        """Opens a page of the daemon, or a whole address."""
        url = path if "://" in path else AT + path
        return self.page.goto(url)

    def goto_refused(self, path, status):
        """Opens a page that says no, with this status."""
        self.refused.add(AT + path)
        reply = self.page.goto(AT + path)
        assert reply.status == status, f"{path}: {reply.status} instead of {status}"

    def sign_in(self, name="ada"):
        """Signs an operator in, by the form; later windows keep the session."""
        if name in self.sessions:
            self.context.add_cookies(self.sessions[name])
            return self
        self.goto("/sign-in")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        self.sessions[name] = [one for one in self.context.cookies() if one["name"] == "lamplighter_session"]
        return self

    def close(self):
        """What is left unaccounted for."""
        self.context.close()
        self.opened.remove(self)
        return self.complaints

    @classmethod
    def last_words(cls):
        """Where every window stood that a failure left open, and what it complained of."""
        left, cls.opened[:] = list(cls.opened), []
        return [f"a window at {one.page.url}: {one.close_quietly()}" for one in left]

    def close_quietly(self):
        """Closes one that was left open."""
        self.context.close()
        return "; ".join(self.complaints) or "no complaint"

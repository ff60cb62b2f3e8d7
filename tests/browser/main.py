"""What .ci/browser runs, once the town stands. Words on the command line choose among the parts."""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser import PHONE, WIDE, Window, launch
from checks import Checks
from hands import forms, keyboard, living
from pages import Album
from town import MAILS, Company
from walk import Walk


def main(parts):
    """All of it, or the parts that are named; the walk is what the others stand on."""
    checks = Checks(Window.last_words)

    # The mails need nothing but their files: the other core looks at them meanwhile.
    mails = None if parts else subprocess.Popen([sys.executable, __file__, "mails"], stdout=subprocess.PIPE, text=True)

    def wanted(part):
        return part in parts or not parts and part != "mails"

    with sync_playwright() as playwright:
        browser = launch(playwright)
        album = Album(checks, browser)
        if wanted("empty"):
            checks.run("the pages before anything complain of nothing", album.before_anything)
        harbor = Company("Harbor Books", "4620816365212402417", "62515", "Ada Harbor")
        quay = Company("Quay Supplies", "4620816365000000002", "62516", "Bela Quay")
        with_script = Walk(browser, harbor, size=WIDE)
        if wanted("walk") or wanted("pages") or wanted("hands"):
            checks.run("the walk, with script, on a wide screen", with_script.walk)
        if wanted("walk") or wanted("pages"):
            without = Walk(browser, quay, size=PHONE, scheme="dark", script=False)
            checks.run("the walk, without script, on a phone", without.walk)
        if wanted("hands"):
            checks.run("the main form by keyboard alone", lambda: keyboard(browser))
            checks.run("the overview follows what happens", lambda: living(browser, harbor))
            checks.run("a form that is not ours changes nothing", lambda: forms(browser, with_script.account))
        if wanted("pages"):
            speicher = Company(
                "Überseehafen Antiquariat & Söhne, Zweigstelle Speicherstadt", "9130357856340299999", "62517", "Zoë Ångström-Öberg"
            )
            speicher.email = "zoe.angstroem-oeberg@ueberseehafen-antiquariat-und-soehne.example"
            checks.run("the pages of links and consents", lambda: album.messages(harbor, with_script.owners_page))
            checks.run("the pages when everything is wrong", lambda: album.in_need(harbor, quay, speicher))
        if wanted("mails"):
            album.mails(sorted(Path(MAILS).glob("*.html")))
        browser.close()
    if mails:
        checks.take(mails.communicate()[0])
    return checks.end()


# The parts: empty, walk, hands, pages, mails.
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

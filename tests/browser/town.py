"""The town that .ci/browser has started: the daemon, the simulated providers with their levers, the mailbox, the command line.

It waits for levels with a deadline and knows no page.
"""

import json
import os
import subprocess
import time
import urllib.request

AT = os.environ["AT"]
SANDBOX = os.environ["SANDBOX"]
MAILS = os.environ["MAILS"]
SHOTS = os.environ.get("SHOTS", "")
PASSWORD = "four random words here"
PATIENCE = float(os.environ.get("PATIENCE", "30"))


class Company:
    """One customer: a QuickBooks company and a HubSpot portal."""

    def __init__(self, name, realm, hub, owner):
        self.name, self.realm, self.hub, self.owner = name, realm, hub, owner
        self.domain = name.lower().replace(" ", "") + ".example"
        self.email = f"{owner.split()[0].lower()}@{self.domain}"
        lever(add_company={"realm": realm, "name": name})
        lever(add_portal={"hub_id": hub, "domain": self.domain})

    def order(self, name, **more):
        """Somebody buys something."""
        line = {"name": "Field guide to harbour lamps", "sku": "LAMP-1", "quantity": "2", "price": "18.50"}
        contact = {"email": "mara@post.example", "first": "Mara", "last": "Lindqvist"}
        lever(place_order={"hub_id": self.hub, "order": {"name": name, "lines": [line], "contact": contact, **more}})


def lever(**command):
    """Throws a lever of the sandbox; it says what is wrong when it does not move."""
    request = urllib.request.Request(f"{SANDBOX}/control", data=json.dumps(command).encode())
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)["now"]


def cli(*arguments):
    """Runs `lamplighter` and gives what it prints."""
    done = subprocess.run([os.environ["LAMPLIGHTER"], *arguments], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise AssertionError(f"lamplighter {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout


def until(what, look, patience=PATIENCE):
    """Waits until `look` gives something, and gives that."""
    deadline = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(0.1)


def reload_until(page, what, look, patience=PATIENCE):
    """Opens the page again until `look` gives something, as a person without script would."""

    def once():
        found = look()
        if not found:
            page.reload()
        return found

    return until(what, once, patience)

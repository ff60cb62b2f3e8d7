"""Runs the checks one after the other, tells of each, and counts."""

import time
import traceback

from playwright.sync_api import Error


class Checks:
    """What passed and what did not."""

    def __init__(self, last_words):
        self.passed, self.failed, self.last_words = 0, 0, last_words

    def run(self, name, check):
        """One check: it raises, or gives a list of what is wrong."""
        began = time.monotonic()
        try:
            wrong = check() or []
        except (AssertionError, Error) as error:
            where = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in where if "/tests/browser/" in frame.filename][-1]
            wrong = [f"{ours.filename.rsplit('/', 1)[-1]}:{ours.lineno}: {ours.line}", *str(error).splitlines()[:12], *self.last_words()]
        took = time.monotonic() - began
        if wrong:
            self.failed += 1
            print(f"FAILED  {name} ({took:.1f} s)", flush=True)
            for line in wrong:
                print(f"        {line}", flush=True)
        else:
            self.passed += 1
            print(f"ok      {name} ({took:.1f} s)", flush=True)
        return not wrong

    def take(self, said):
        """What another process checked, by what it said."""
        *lines, last = said.splitlines() or ["0 passed, 1 failed"]
        print("\n".join(lines))
        passed, failed = (int(part.split()[0]) for part in last.split(", "))
        self.passed, self.failed = self.passed + passed, self.failed + failed

    def end(self):
        """The last line."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0

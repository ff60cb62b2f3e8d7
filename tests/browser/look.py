"""Looks at a page as a person with other eyes would: by day and by night, wide and on a phone, everything unfolded.

Serious and critical findings of axe count, a page that scrolls sideways, and text that is cut off. With SHOTS a picture is kept.
"""

import json
import os
from importlib.resources import files

from browser import PHONE, WIDE
from town import SHOTS

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
GRAVE = {"serious", "critical"}
LOOKS = [("light", "wide", WIDE), ("dark", "phone", PHONE), ("light", "phone", PHONE), ("dark", "wide", WIDE)]
# By then every width and every light was seen once with all rules: only colours can still differ.
WHOLE = 2
# Elements of a page that is the same all the way down, such as that of the API: its top is enough after the first look.
LARGE = 4000
TOP = "{include: [['header'], ['main > section:first-of-type']]}"
# A small phone, where WCAG still wants one column; a large one; a tablet, upright and across.
WIDTHS = (320, 390, 600, 768, 1024)

UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
RUN = """axe.run(%s, {resultTypes: ['violations']%s}).then(found => JSON.stringify(found.violations.map(
  one => [one.impact, one.id, one.help, one.nodes.map(node => node.target.join(' ') + ' ' + node.html.slice(0, 160))])))"""
COLOURS = ", runOnly: ['color-contrast', 'link-in-text-block']"
SIDEWAYS = """(() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide <= 0) return '';
  const far = [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1).pop();
  return `${wide} px, for ${far === undefined ? 'something' : far.outerHTML.slice(0, 160)}`;
})()"""
# A field of one line holds more than it shows and moves with the caret: that is not cut off.
CUT = """[...document.querySelectorAll('body *:not(input)')].filter(one => {
  const style = getComputedStyle(one);
  return one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1 && /hidden|clip/.test(style.overflowX) && style.clipPath === 'none';
}).map(one => one.outerHTML.slice(0, 160))"""


class Looker:
    """Looks through one window, whose policy for scripts stays in force: axe comes in by the debugger's door."""

    def __init__(self, window):
        self.window, self.page = window, window.page
        self.debugger = window.context.new_cdp_session(window.page)

    def look(self, name):
        """What is wrong with the page that is open."""
        self._keep(name)
        self.page.evaluate(UNFOLD)
        wrong = {}
        self._tell("Runtime.evaluate", expression=AXE)
        large = self.page.locator("*").count() > LARGE
        for n, (scheme, shape, size) in enumerate(LOOKS):
            self._turn(scheme, size)
            run = RUN % (TOP if large and n else "document", "" if n < WHOLE else COLOURS)
            found = self._tell("Runtime.evaluate", expression=run, awaitPromise=True)["result"]["value"]
            for impact, rule, words, nodes in json.loads(found):
                if impact in GRAVE or os.environ.get("ALL"):
                    for node in nodes[:4]:
                        wrong.setdefault(f"{impact} {rule}: {words}: {node}", []).append(f"{scheme} {shape}")
            for node in self.page.evaluate(CUT)[:4]:
                wrong.setdefault(f"cut off: {node}", []).append(f"{scheme} {shape}")
        for width in WIDTHS:
            self._turn("light", {"width": width, "height": 844})
            wide = self.page.evaluate(SIDEWAYS)
            if wide:
                wrong.setdefault("scrolls sideways", []).append(f"at {width} px by {wide}")
        heard = list(self.window.complaints)
        self.window.complaints.clear()
        return [f"{what} ({', '.join(where)})" for what, where in wrong.items()] + heard

    def _turn(self, scheme, size):
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        self.page.set_viewport_size(size)

    def _tell(self, method, **what):
        reply = self.debugger.send(method, what)
        assert "exceptionDetails" not in reply, reply
        return reply

    def _keep(self, name):
        if not SHOTS:
            return
        os.makedirs(SHOTS, exist_ok=True)
        for scheme, shape, size in LOOKS:
            self._turn(scheme, size)
            self.page.screenshot(path=f"{SHOTS}/{name}.{scheme}.{shape}.png", full_page=True)
        if self.page.locator("details:not([open])").count():
            self.page.evaluate(UNFOLD)
            for scheme, shape, size in LOOKS[:WHOLE]:
                self._turn(scheme, size)
                self.page.screenshot(path=f"{SHOTS}/{name}-unfolded.{scheme}.{shape}.png", full_page=True)

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
LOOKS = [(scheme, name, size) for scheme in ("light", "dark") for name, size in (("wide", WIDE), ("phone", PHONE))]
# A small phone, where WCAG still wants one column; a large one; a tablet, upright and across.
WIDTHS = (320, 390, 600, 768, 1024)

UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
RUN = """axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations.map(
  one => [one.impact, one.id, one.help, one.nodes.map(node => node.target.join(' ') + ' ' + node.html.slice(0, 160))])))"""
SIDEWAYS = """(() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide <= 0) return '';
  const far = [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1).pop();
  return `${wide} px, by ${far === undefined ? 'something' : far.outerHTML.slice(0, 160)}`;
})()"""
CUT = """[...document.querySelectorAll('body *')].filter(one => {
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
        wrong = []
        self._tell("Runtime.evaluate", expression=AXE)
        for scheme, shape, size in LOOKS:
            self._turn(scheme, size)
            found = self._tell("Runtime.evaluate", expression=RUN, awaitPromise=True)["result"]["value"]
            for impact, rule, words, nodes in json.loads(found):
                if impact in GRAVE or os.environ.get("ALL"):
                    wrong += [f"{scheme}, {shape}: {impact} {rule}: {words}: {node}" for node in nodes[:4]]
            wrong += [f"{scheme}, {shape}: cut off: {node}" for node in self.page.evaluate(CUT)[:4]]
        for width in WIDTHS:
            self._turn("light", {"width": width, "height": 844})
            wide = self.page.evaluate(SIDEWAYS)
            if wide:
                wrong.append(f"{width} px: scrolls sideways: {wide}")
        wrong += self.window.complaints
        self.window.complaints.clear()
        return list(dict.fromkeys(wrong))

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
            for scheme, shape, size in (LOOKS[0], LOOKS[3]):
                self._turn(scheme, size)
                self.page.screenshot(path=f"{SHOTS}/{name}-unfolded.{scheme}.{shape}.png", full_page=True)

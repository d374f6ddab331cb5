"""How every view looks, measured: axe, narrow windows, large text, targets for a thumb, the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Phone
from tests.browser.gallery import furnish, views
from tests.support.api import Api
from tests.support.served import serving

TOO_WIDE = """() => {
  const wide = document.documentElement.scrollWidth > innerWidth
    ? [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .slice(0, 3).map((one) => one.outerHTML.slice(0, 90)) : [];
  return wide; }"""
TOO_SMALL = """() => [...document.querySelectorAll("button, a, input, select, summary, textarea")].filter((one) => {
  const at = (one.closest("label") ?? one).getBoundingClientRect();
  return at.width > 0 && (at.height < 43.5 || at.width < 43.5);
}).map((one) => `${one.outerHTML.slice(0, 60)} ${Math.round(one.getBoundingClientRect().height)}`)"""
CONTROLS = """() => {
  const all = document.querySelectorAll("button, a[href], input, select, textarea, summary, main [tabindex='0']");
  window.controls = [...all].filter((one) => one.checkVisibility() && one.getClientRects().length);
  document.body.tabIndex = -1; // Tab goes on from here
  document.body.focus();
  document.body.removeAttribute("tabindex");
  scrollTo(0, 0);
  return window.controls.map((one) => (one.type === "radio" ? `radio ${one.name}` : one.outerHTML.slice(0, 80))); }"""
FOCUSED = """() => {
  const one = document.activeElement, at = one.getBoundingClientRect(), stop = document.getElementById("stop");
  const seen = one === stop || at.top < stop.getBoundingClientRect().top - 1, ring = getComputedStyle(one).outlineStyle;
  return [window.controls.indexOf(one), seen && ring !== "none"]; }"""
COLOURS = ["color-contrast", "link-in-text-block"]
THEMES: dict[str, dict[str, Any]] = {"dark": {"runOnly": {"type": "rule", "values": COLOURS}}, "light": {}}
"""Of axe's rules. It is one page with other colours: those that ask for them are all that can differ."""
STOP_IN_VIEW = """() => { const at = document.getElementById("stop").getBoundingClientRect();
  const middle = document.elementFromPoint(at.left + at.width / 2, at.top + at.height / 2);
  return at.height >= 96 && at.top >= 0 && at.bottom <= innerHeight + 0.5 && at.left >= 0
    && at.right <= innerWidth + 0.5 && document.getElementById("stop").contains(middle); }"""


@pytest.fixture
def base(tmp_path: Path) -> Iterator[tuple[Api, str]]:
    api = Api(tmp_path)
    furnish(api)
    with serving(api, tmp_path) as port:
        yield api, f"http://127.0.0.1:{port}"
    api.close()


@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_view(base: tuple[Api, str], phone: Phone, language: str) -> None:
    api, url = base
    found: dict[str, Any] = {}
    for name, person in views(api, url, lambda at: phone(at, language, reduced_motion="reduce"), language):
        page = person.page
        for theme, options in THEMES.items():
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            for one in broken(page, options):
                note(found, f"{name} {theme} {one['id']}", [node["html"][:100] for node in one["nodes"]])
        note(found, f"{name}: small targets", page.evaluate(TOO_SMALL))
        if language == "nb":  # the controls are the same
            note(found, f"{name}: out of the keyboard's reach", not_walked(page))
        for width, percent in ((320, 100), (360, 200), (320, 200)):
            page.set_viewport_size({"width": width, "height": 740})
            page.evaluate("(percent) => { document.documentElement.style.fontSize = `${percent}%`; }", percent)
            note(found, f"{name}: too wide at {width}, {percent} %", page.evaluate(TOO_WIDE))
            note(found, f"{name}: STOP at {width}, {percent} %", not page.evaluate(STOP_IN_VIEW))
        page.evaluate("document.documentElement.style.fontSize = ''")
        page.set_viewport_size({"width": 360, "height": 740})
    assert not found, "\n".join(f"{what}: {why}" for what, why in found.items())


def broken(page: Any, options: dict[str, Any]) -> Any:
    """What axe finds; its script is put into a page once."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    run = "(options) => axe.run({ resultTypes: ['violations'], ...options }).then((found) => found.violations)"
    return page.evaluate(run, options)


def not_walked(page: Any) -> set[str]:
    """The controls that Tab does not come to, or where it is not seen to have come. STOPP is the first."""
    controls = page.evaluate(CONTROLS)
    reached: set[str] = set()
    page.keyboard.press("Tab")
    index, seen = page.evaluate(FOCUSED)
    assert index == 0, controls[index]
    for _ in range(3 * len(controls)):  # a date is three stops
        if seen:
            reached.add(controls[index])
        page.keyboard.press("Tab")
        index, seen = page.evaluate(FOCUSED)
        if index <= 0:  # once around
            break
    return set(controls) - reached


def note(found: dict[str, Any], what: str, wrong: object) -> None:
    if wrong:
        found[what] = wrong

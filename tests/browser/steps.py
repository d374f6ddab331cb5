"""What a person does on the page, in either language; every step waits until the page shows that it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import api
from api.roles import Role
from tests.support.api import Api

LANG: Final = {
    name: json.loads((Path(api.__file__).parent / "web" / "lang" / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("nb", "en")
}


class Person:
    """Somebody at a page; ``words`` are those of its language."""

    def __init__(self, page: Any, language: str = "nb") -> None:
        self.page, self.words = page, LANG[language]

    def sees(self, key: str, **values: object) -> Any:
        """Waits for the words of a key, and gives the first place that shows them."""
        words = self.words[key]
        for name, value in values.items():
            words = words.replace(f"{{{name}}}", str(value))
        found = self.page.get_by_text(words).filter(visible=True).first
        found.wait_for()
        return found

    def presses(self, key: str, **values: object) -> None:
        """Presses the button or link that is called so."""
        words = self.words[key]
        for name, value in values.items():
            words = words.replace(f"{{{name}}}", str(value))
        self.page.get_by_role("button", name=words).or_(self.page.get_by_role("link", name=words)).first.click()

    def figure(self, name: str) -> str:
        """A figure as it is shown."""
        return str(self.page.locator(f'[data-figure="{name}"]').inner_text())

    def shows(self, name: str, text: str) -> None:
        """Waits until a figure is this."""
        self.page.locator(f'[data-figure="{name}"]', has_text=text).wait_for()

    def part(self, *parts: str) -> None:
        """Waits until the ring shows one of these parts."""
        self.page.locator(", ".join(f'.ring[data-part="{part}"]' for part in parts)).wait_for()

    def answers(self, *yes: str) -> None:
        """Answers each question before the first session; those named with yes."""
        self.page.locator("#view:not(.is-stale)").wait_for()  # what the first state brings moves what stands below it
        self.presses("today.begin")
        self.page.locator(".question").first.wait_for()
        for name in [key.removeprefix("question.") for key in self.words if key.startswith("question.")]:
            self.page.locator(f'input[name="{name}"][value="{"yes" if name in yes else "no"}"]').check()
        self.page.get_by_role("button", name=self.words["next"]).click()

    def gets_ready(self) -> None:
        """From the plan of today to the electrode check."""
        self.answers()
        self.presses("button.none")
        self.presses("prepare.ready")
        self.sees("check.how")

    def starts(self) -> None:
        """From the plan of today into the first contraction."""
        self.gets_ready()
        self.presses("check.do")
        self.sees("check.good")
        self.presses("start")
        self.part("ramp_up", "hold")

    def raises_to(self, ma: str) -> None:
        """Taps plus while a contraction is held, until the set-point is this; at most 20 times. A tap that comes as the
        contraction ends is refused, which the page tells: it is given again in the next one."""
        plus = self.page.get_by_role("button", name=self.words["plus"])
        for _ in range(20):
            if self.figure("set-A") == ma:
                return
            self.page.locator(f'[aria-label="{self.words["plus"]}"][aria-disabled="false"]').wait_for()
            before = self.figure("set-A")
            self.page.evaluate("document.querySelector('.toast')?.click()")  # what was told before is read
            plus.click()
            self.page.wait_for_function(
                """(before) => document.querySelector("[data-figure='set-A']").innerText !== before
                || document.querySelector(".toast")""",
                arg=before,
            )
        assert self.figure("set-A") == ma

    def stops(self) -> None:
        """STOPP: the finger goes down."""
        self.page.locator("#stop").dispatch_event("pointerdown")


def hide(page: Any, hidden: bool) -> None:
    """As if another app or the lock screen were in front of the page, or no longer."""
    page.evaluate(
        """(hidden) => { Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange")); }""",
        hidden,
    )


def sensed(page: Any) -> None:
    """Waits until a training with a sensor is on the page and hears the stream: what the muscle did before is lost."""
    page.locator("canvas").wait_for()
    page.evaluate(
        """() => new Promise((heard) => { const later = new EventSource("/api/v1/emg/live");
        later.addEventListener("emg", () => { later.close(); heard(); }); })"""
    )


def pair(api: Api, base: str, open_: Callable[[str], Any], role: Role, language: str) -> Person:
    person = Person(open_(f"{base}/#pair={api.service.pairing.open(role).token}"), language)
    person.page.locator("nav").wait_for()
    return person


def to(person: Person, view: str) -> None:
    person.page.evaluate("(view) => { location.hash = `#/${view}`; }", view)
    person.page.locator(f'nav a[href="#/{view}"][aria-current]').wait_for()


THERE = {
    "technique": "figure svg",
    "muscle": "fieldset",
    "effect": "[data-verdict]",
    "perfect": "form",
    "diary": ".days",
    "report": ".points svg",
    "dose": "table",
    "output": "table",
    "kept": "h1",
    "remind": "form",
    "write": "form",
}
"""What shows that a view is there, whole."""


def later(person: Person, *views: str) -> Iterator[str]:
    """Views that are not in the navigation, one by one."""
    for view in views:
        name = view.partition("/")[0]
        person.page.evaluate("(view) => { location.hash = `#/${view}`; }", view)
        person.page.locator(f"#view .card {THERE[name]}").first.wait_for()
        if name == "report":
            person.sees("proof.count", n=14, of=15)
        if name == "dose":
            person.sees("proof.not_proved")
        yield name

"""A real browser, most of the time on the real server: `pelvistim serve` with guard and simulated board, each test with
its own.

The browser is Debian's (or the one that ``$CHROMIUM`` names), never one that the test tool brings: chromium without a
window, which takes a third less of processor, where it is there, else chromium whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from controller.launch import Control
from safety.link import runtime_root
from tests.support.proved import unproved

ROOT: Final = Path(__file__).parent.parent.parent
WAIT_MS: Final = 60_000
"""Long: what must come comes late on a busy machine, and what must not come is never waited for."""
FIRST: Final = 5
"""Of real-time priorities, for a server and its guard."""
PLAN: Final[dict[str, Any]] = {
    "revision": 1,
    "programme": "stress-50hz",
    "caps_ma": {"A": 15.0},
    "electrode": {"kind": "vaginal probe", "area_mm2": 1000, "placement": {"depth_mm": 40, "turn_degrees": 0}},
    "minutes": 20,
    "sessions_per_day": 3,
    "sessions_per_week": 5,
    "weeks": 12,
    "patient_may": ["pause", "end_early"],
    "prescriber": "K. Larsen",
}


FAILED = pytest.StashKey[bool]()
"""Whether a test failed: then it tells what its phones showed."""


def chromium() -> str | None:
    """The browser's path."""
    named = os.environ.get("CHROMIUM")
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return named or next(filter(None, map(shutil.which, names)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    needs = pytest.mark.needs("chromium", apt="chromium", available=lambda: chromium() is not None)
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(needs)
            if "served" in getattr(item, "fixturenames", ()):  # the others have a made-up engine, and no time to keep
                item.add_marker(pytest.mark.alone)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@dataclass
class Served:
    """One server; ``links``: per role a link that pairs one phone."""

    process: subprocess.Popen[str]
    base: str
    links: dict[str, str]
    proves: bool = True
    """Whether all its sessions that were told whole must be proved at its end; not where a test spoils what is kept."""
    _cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, role: str, method: str, path: str, body: object = None) -> Any:
        """One request to the API as a phone of this role, that is paired for it when it is first asked."""
        if role not in self._cookies:
            link = self.links.pop(role) if role == "clinician" else self.link(role)
            token = link.partition("#pair=")[2]
            answer = self._request("POST", "/pair", {"token": token}, None)
            self._cookies[role] = answer.headers["set-cookie"].partition(";")[0]
        text = self._request(method, path, body, self._cookies[role]).read()
        return json.loads(text) if text else None

    def states(self) -> Iterator[dict[str, Any]]:
        """The live stream, as a phone that only looks on has it."""
        self.ask("viewer", "GET", "/me")
        for line in self._request("GET", "/live", None, self._cookies["viewer"]):
            if line.startswith(b'data: {"mode"'):
                yield json.loads(line.removeprefix(b"data: "))

    def _request(self, method: str, path: str, body: object, cookie: str | None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Cookie": cookie} if cookie else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/api/v1{path}", data, headers, method=method)
        return urllib.request.urlopen(request, timeout=WAIT_MS / 1000)

    def link(self, role: str) -> str:
        """A link for one phone of this role: the one printed at the start, then new ones from a clinician."""
        if role in self.links and role != "clinician":  # that one is kept for the requests
            return self.links.pop(role)
        return str(self.ask("clinician", "POST", "/pairing", {"role": role})["links"][0])

    def board(self, op: str, **fields: object) -> dict[str, Any]:
        """One operation on the simulated board: what a hand or a broken wire does."""
        control = Control(next(runtime_root().glob("app-*/sim.sock")))
        try:
            return control.ask(op, patience_s=5, **fields)
        finally:
            control.close()

    def mode(self) -> str:
        """The guard's mode."""
        return str(self.ask("viewer", "GET", "/state")["mode"])


@contextlib.contextmanager
def serving_in(state: Path, *options: str) -> Iterator[Served]:
    """A server that keeps everything in this folder. Every session is proved when it has ended."""
    command = [sys.executable, "-m", "controller.cli", "serve", "--port", "0", "--state", str(state), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with contextlib.suppress(OSError):  # where it may be, it goes before the browser: all of this runs in real time
        os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(FIRST))
    try:
        assert process.stdout is not None
        links: dict[str, str] = {}
        for line in process.stdout:
            if found := re.match(r"(\w+), once", line):
                role = found[1]
            elif "#pair=" in line:
                links[role] = line.strip()
                if role == "clinician":
                    break
        assert len(links) == 3
        served = Served(process, links["viewer"].partition("/#")[0], links)
        yield served
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(WAIT_MS / 1000)
        if process.stdout is not None:
            process.stdout.close()
    if served.proves:
        assert unproved(state / "app", state / "guard") == []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving_in(tmp_path) as made:
        yield made


@pytest.fixture
def planned(served: Served) -> Served:
    """A server on which something is prescribed."""
    served.ask("clinician", "PUT", "/prescription", PLAN)
    return served


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[[], Any]]:
    """Starts a browser."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        yield lambda: playwright.chromium.launch(executable_path=chromium(), args=arguments)


@pytest.fixture(scope="session")
def browser(launch: Callable[[], Any]) -> Iterator[Any]:
    made = launch()
    yield made
    made.close()


Phone = Callable[..., Any]


@pytest.fixture
def phone(browser: Any, request: pytest.FixtureRequest) -> Iterator[Phone]:
    """Makes phones: ``phone(url)``. What a page complains of, or asks of another host, fails the test."""
    complaints: list[str] = []
    here = "127.0.0.1"
    contexts: list[Any] = []

    def make(url: str, language: str = "nb", script: str = "", **options: Any) -> Any:
        options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "service_workers": "block"} | options
        context = browser.new_context(locale={"nb": "nb-NO", "en": "en-GB"}[language], **options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complain(said.type, said.text))
        page.on("request", lambda asked: urlsplit(asked.url).hostname in (None, here) or complaints.append(asked.url))
        page.goto(url)
        return page

    def complain(kind: str, text: str) -> None:
        if kind == "error" and ("no words for" in text or "Content Security Policy" in text):
            complaints.append(text)

    yield make
    for number, context in enumerate(contexts):
        for page in context.pages if request.node.stash.get(FAILED, False) else ():
            print(f"phone {number} showed:", page.inner_text("body", timeout=5_000), sep="\n")
        if (
            folder := os.environ.get("BROWSER_SHOTS")
        ) and context.pages:  # what each phone showed last, to find out why a test failed
            Path(folder, f"{request.node.name[:60].replace('/', '_')}-{number}.png").write_bytes(
                context.pages[0].screenshot()
            )
        context.close()
    assert not complaints

"""The page's files: what is vendored is what was taken, the words are complete in both languages, nothing is fetched
from elsewhere, and all of it is light.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import get_args

import brotli
import pytest
from starlette.testclient import TestClient

from api import page, problems
from api.routes_training import NORMS
from api.training_models import ExerciseIn
from controller import figures, programme, strict_toml
from controller.blocks import ADVERSE
from controller.causes import CAUSES, FINDINGS
from controller.emg.stream import BAD
from controller.prescription import CONTRAINDICATIONS
from controller.proof import ABOUT
from controller.training import course as course_
from controller.training.effect import Verdict
from controller.training.measures import MEASURES
from controller.training.shapes import READY, check_parts, glazer_parts
from safety.interlock import Mode
from tests.support.api import HOST, LAN, Api

WEB = page.WEB
OURS = sorted(path for path in WEB.iterdir() if path.is_file())
WEIGHT_MAX_BYTES = 120_000
LANGUAGES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((WEB / "lang").glob("*.json"))}
FRIGHTENS = {
    "nb": r"farlig|dødmann|advarsel|feil gjort|resept|alarm|ulykke",
    "en": r"danger|dead.?man|warning|you failed|alarm|accident",
}
WORDS = set(LANGUAGES["nb"])
SCRIPTS = "".join(path.read_text("utf-8") for path in OURS if path.suffix == ".js")


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-169")
def test_every_language_has_the_same_words_with_the_same_blanks() -> None:
    assert {"nb", "en"} <= set(LANGUAGES)
    nb = LANGUAGES["nb"]
    for language, words in LANGUAGES.items():
        assert list(words) == list(nb), language
        for key in nb:
            assert words[key].strip(), (language, key)
            assert set(re.findall(r"\{\w+\}", words[key])) == set(re.findall(r"\{\w+\}", nb[key])), (language, key)


def test_no_word_stands_there_twice() -> None:
    for path in (WEB / "lang").glob("*.json"):
        pairs = json.loads(path.read_text("utf-8"), object_pairs_hook=list)
        assert len(pairs) == len(dict(pairs)), path.name


def test_every_language_can_be_chosen_and_has_its_own_stop() -> None:
    """What stands in the page before its words have come is there in every language, and one of them is shown."""
    offered = (WEB / "text.js").read_text("utf-8").partition("LANGUAGES = {")[2].partition("};")[0]
    assert set(re.findall(r"^  (\w+): ", offered, re.MULTILINE)) == set(LANGUAGES)
    html, css = (WEB / "index.html").read_text("utf-8"), (WEB / "page.css").read_text("utf-8")
    counts = {language: html.count(f'<span lang="{language}">') for language in LANGUAGES}
    assert set(counts.values()) == {counts["nb"]}, counts
    for language in LANGUAGES:
        assert f'html[lang="{language}"] :is(#stop, #stopped, .loading) [lang]:not([lang="{language}"])' in css


def of(prefix: str) -> set[str]:
    return {key.removeprefix(prefix) for key in LANGUAGES["nb"] if key.startswith(prefix)} - {"other"}


def test_every_code_has_words() -> None:
    assert of("cause.") == set(CAUSES)
    assert of("finding.") == set(FINDINGS)
    assert of("refusal.") >= set(problems.CODES)
    assert of("question.") == set(CONTRAINDICATIONS)
    assert of("adverse.") == set(ADVERSE)
    assert of("proof.") >= set(ABOUT.values())
    assert of("mode.") == {mode.value for mode in Mode}
    readers = "".join(Path(one.__file__).read_text("utf-8") for one in (strict_toml, programme, figures))
    problem = (
        r'"((?:field|phases|nothing|session|continuous|gap|period|contraction|rest)_[a-z]+|[a-z_]+_high|max_over_\w+)"'
    )
    assert of("problem.") >= set(re.findall(problem, readers)) - {"continuous_s", "rest_ms"}


def test_every_code_of_a_training_has_words() -> None:
    """Some have those of another: the scripts say whose."""
    shared = dict(re.findall(r'(\w+): "([a-z]+(?:\.\w+)?)"', SCRIPTS))
    course = Path(course_.__file__).read_text("utf-8")
    assert of("guided.") >= {*READY, "own", "technique", "alternating", "glazer", *(f"{name}_text" for name in READY)}
    assert of("task.") >= {part.task for part in (*glazer_parts(), *check_parts()) if part.what == "squeeze"}
    assert of("task.") >= set(get_args(ExerciseIn.model_fields["kind"].annotation)) | {"rest", "between"}
    assert of("warn.") >= set(re.findall(r'found\.append\("(\w+)"\)', course)) | {"sensor", "norms_wide"}
    assert of("stage.") >= set(NORMS)
    assert of("effect.") >= {one.value for one in Verdict}
    assert all(one.code in of("effect.") or shared.get(one.code) in WORDS for one in MEASURES)
    assert all(shared.get(code) in WORDS for code in {*BAD, "silent", "output_enabled", "emg_absent", "emg_lost"})
    assert of("perfect.") >= {"pause_twice", "no_contraction"}


def test_every_word_that_the_scripts_name_is_there_and_none_is_left_over() -> None:
    named = set(re.findall(r'"([a-z]\w*(?:\.[\w ]+)*)"', SCRIPTS))
    direct = set(re.findall(r'\bt\("([\w. ]+)"', SCRIPTS))
    assert direct <= set(LANGUAGES["nb"])
    made = ("cause.", "finding.", "refusal.", "question.", "adverse.", "mode.", "figure.", "part.", "picture.", "kind.",
            "nav.", "role.", "theme.", "prepare.", "plan.", "after.", "guided.", "closed.", "block.",
            "contact.", "proof.", "report.", "column.", "deviation.", "output.", "kept.",
            "problem.", "look.", "editor.", "task.", "muscle.", "warn.", "stage.", "effect.", "result.", "perfect.",
            "teach.", "turns.", "remind.", "pgi.")  # fmt: skip
    left = {key for key in LANGUAGES["nb"] if key not in named and not key.startswith(made)}
    assert not left


@pytest.mark.req("SR-176")
def test_a_measured_current_is_called_so_wherever_the_page_shows_one() -> None:
    """When there is none to show: ``tests/stack/test_engine.py``."""
    shown = [line for line in SCRIPTS.splitlines() if re.search(r"\.measured_[mu]a", line)]
    assert len(shown) >= 2
    assert not [line for line in shown if 't("measured")' not in line and "name.measured" not in line]
    for words in LANGUAGES.values():
        assert len({words[key] for key in ("measured", "strength", "ceiling")}) == 3
        assert len({words[f"column.{name}"] for name in ("measured", "set")}) == 2


@pytest.mark.req("SR-170")
def test_what_is_shown_before_a_session_is_complete_for_probes_and_for_surface_electrodes() -> None:
    """That it is shown: ``tests/browser/test_session.py``."""
    prepare = (WEB / "before.js").read_text("utf-8").partition("const Preparing")[2].partition("// ---")[0]
    surface, probe = (set(re.findall(r'"(\w+)"', one)) for one in re.findall(r"\[([^\]]*reach[^\]]*)\]", prepare))
    assert {"own", "whole", "place", "off", "reach"} <= probe
    assert {"skin", "stick", "places", "off", "reach"} <= surface
    assert {"prepare.electrode", "prepare.never"} <= set(re.findall(r't\("([\w.]+)"', prepare))
    for language, asked in {
        "nb": (
            "kjører",
            "badekar",
            "sove",
            "kortbølge",
            "Lader, skjerm og nettverkskabel",
            "halsen, hodet eller brystet",
            "ren",
            "hel",
        ),
        "en": (
            "drive",
            "bath",
            "sleep",
            "shortwave",
            "charger, screen and network cable",
            "the neck, the head or the chest",
            "clean",
            "whole",
        ),
    }.items():
        shown = " ".join(text for key, text in LANGUAGES[language].items() if key.startswith("prepare."))
        assert not [one for one in asked if one not in shown]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_frightens_or_blames(language: str) -> None:
    words = FRIGHTENS[language]
    assert not {key for key, text in LANGUAGES[language].items() if re.search(words, text, re.IGNORECASE)}
    if language == "nb":
        emergency = {key for key, text in LANGUAGES["nb"].items() if "nødstopp" in text.lower()}
        assert all("røde knappen" in LANGUAGES["nb"][key] for key in emergency), "nødstopp is the red button alone"


def test_the_questions_of_the_page_are_those_of_the_device() -> None:
    before = (WEB / "before.js").read_text("utf-8")
    listed = re.findall(r'"(\w+)"', before.partition("QUESTIONS = [")[2].partition("]")[0])
    assert sorted(listed) == sorted(CONTRAINDICATIONS)


# --- files ------------------------------------------------------------------------------------------------------------


def test_what_is_vendored_is_what_was_taken() -> None:
    listed = json.loads((WEB / "vendor" / "vendor.json").read_text("utf-8"))
    told = {}
    for package in listed:
        assert {"name", "version", "licence", "from", "files"} <= set(package)
        assert f"LICENSE-{package['name']}" in package["files"]
        told |= package["files"]
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (WEB / "vendor").iterdir()}
    del there["vendor.json"]
    assert told == there


def test_the_page_is_light() -> None:
    """As a current browser has it from the device, over TLS: by brotli. A language more is not held against it."""
    more = {f"/web/lang/{path.name}" for path in (WEB / "lang").iterdir()} - {"/web/lang/nb.json", "/web/lang/en.json"}
    packed = sum(len(page.smallest(file.plain)) for path, file in page.files().items() if path not in more)
    assert packed <= WEIGHT_MAX_BYTES, packed


def test_nothing_is_fetched_from_another_host() -> None:
    for path in OURS:
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]", text), path.name


def test_stopp_comes_first_and_every_module_of_the_first_view_at_once_after_it() -> None:
    """Modules beside STOPP's script would hold it up on a slow phone; modules that wait for each other would cost a
    round trip each; those of a later view are fetched with it.
    """
    html = (WEB / "index.html").read_text("utf-8")
    first, more = set[str](), {"app.js"}
    while more:
        name = more.pop()
        first.add(name)
        more |= set(re.findall(r'from "\./(\w+\.js)"', (WEB / name).read_text("utf-8"))) - first
    at_once, _, waits = html.partition('<template id="later">')
    waits, _, body = waits.partition("</template>")
    assert re.findall("<script.*", at_once) == ['<script src="/web/stop.js"></script>']
    assert at_once.index("<script") < at_once.index("<link"), "STOPP comes before anything else"
    assert not re.search("<script|<link", body)
    assert set(re.findall(r'src="/web/(\w+\.js)"', waits)) == {"app.js"}
    assert set(re.findall(r'modulepreload" href="/web/(\w+\.js)"', waits)) == first - {"app.js"}
    later = {path.name for path in OURS if path.suffix == ".js"} - first - {"stop.js", page.WORKER}
    assert later <= set(re.findall(r'(?:from |import\(|import )"\./(\w+\.js)"', SCRIPTS)), "a module that nobody loads"


def test_no_script_and_no_style_stands_in_the_page() -> None:
    html = (WEB / "index.html").read_text("utf-8")
    assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]* src=)", html)


def test_a_theme_changes_colours_alone() -> None:
    css = (WEB / "page.css").read_text("utf-8")
    themes = re.findall(r":root(?:\[data-theme=[^\]]*\])? \{(.*?)\}", css, re.DOTALL)
    assert len(themes) == 3, "light, dark by the phone's wish, dark by the person's"
    light, wished, chosen = (dict(re.findall(r"([\w-]+): ([^;]+);", theme)) for theme in themes)
    assert wished == chosen
    assert set(chosen) <= set(light)
    colours = {name: value for name, value in chosen.items() if name != "color-scheme"}
    assert all(re.fullmatch(r"--[\w-]+", name) and value.startswith("#") for name, value in colours.items())
    assert css.count("data-theme") == 2


# --- as it is served --------------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: Path):
    api = Api(tmp_path)
    yield api.stranger(tls=True, peer=LAN)
    api.close()


def test_the_page_has_a_policy_of_its_own_and_the_api_keeps_its(client: TestClient) -> None:
    page_ = client.get(f"https://{HOST}/")
    policy = page_.headers["content-security-policy"]
    assert page_.status_code == 200
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page_.headers["cache-control"] == "no-cache"
    assert client.get("state").headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_file_that_is_known_is_not_sent_again(client: TestClient) -> None:
    for path in page.files():
        first = client.get(f"https://{HOST}{path}")
        assert first.status_code == 200, path
        again = client.get(f"https://{HOST}{path}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"https://{HOST}/web/vendor/LICENSE-htm").status_code == 404
    assert client.get(f"https://{HOST}/web/../app.py").status_code == 404


@pytest.mark.parametrize(("accepted", "coding"), [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None)])
def test_it_goes_compressed_to_whoever_takes_that(client: TestClient, accepted: str, coding: str | None) -> None:
    with client.stream("GET", f"https://{HOST}/web/app.js", headers={"Accept-Encoding": accepted}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[coding]
    assert unpack(sent) == (WEB / "app.js").read_bytes()

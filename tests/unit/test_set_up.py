"""deploy/set-up.sh: what it refuses before it changes anything, what it does in which order, and what it repairs.

It runs here with a stand-in for python3 that only writes down what it is asked, so nothing is installed and no network
is used; `make test` itself is the test with the real ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# Waits until files are there, half a minute at most.
COMES = r"""
comes() {
  local tries file
  for file; do
    for ((tries = 0; tries < 600; tries++)); do [ ! -e "$file" ] || continue 2; sleep 0.05; done
    return 1
  done
}
"""

# Answers the questions of set-up.sh from the environment; "makes" a virtualenv by copying itself.
FAKE_PYTHON = (
    rf"""#!/bin/bash{COMES}"""
    r"""
version=${FAKE_VERSION:-3.11.2} asked=$*
if [ "$FAKE_ONLY_AS" != "" ] && [[ "$0" != *"$FAKE_ONLY_AS" && "$0" != *.venv/bin/python ]]; then version=3.10.12; fi
case "$*" in
  *"sys.exit(sys.version_info < (3, 11))"*) minor=${version#3.}; [ "${minor%%.*}" -ge 11 ] ;;
  *'"%d.%d.%d"'*) echo "$version" ;;
  *'"%d.%d"'*) echo "${version%.*}" ;;
  *ensurepip*) [ "$FAKE_ENSUREPIP" = yes ] || [ -e "$FAKE_LOG.apt-installed" ] ;;
  "-I -m venv .venv")
    echo "venv" >>"$FAKE_LOG"
    [ "$FAKE_FAIL" != venv ] || { mkdir .venv; exit 1; }
    mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *" -m pip "*)
    what=
    case "$asked" in *.venv/part-*)
      cp ".venv/${asked##*/}" "$FAKE_LOG.${asked##*/}"
      for lock in requirements.lock requirements-dev.lock; do
        cmp -s ".venv/${asked##*/}" "$lock" && what=" with $lock"
      done
      [ "$FAKE_FAIL" != half ] || [ "${asked##*-}" = 0 ] || exit 1
      [ "$FAKE_TOGETHER" != yes ] || comes "$FAKE_LOG.part-0" "$FAKE_LOG.part-1" || exit 1 ;;
    esac
    echo "pip ${asked#*--disable-pip-version-check }$what" >>"$FAKE_LOG"
    [ ! -e .venv/set-up-stamp ] || echo "a stamp while pip runs" >>"$FAKE_LOG"
    [ "$FAKE_FAIL" != killed ] || kill -9 0
    [ "$FAKE_FAIL" != network ] || { echo "NewConnectionError: no route" >&2; exit 1; } ;;
  *" -m compileall "*) echo "compile" >>"$FAKE_LOG" ;;
  *) echo "unexpected: $*" >>"$FAKE_LOG"; exit 9 ;;
esac
"""
)

IS_UBUNTU = Path("/etc/os-release").is_file() and "ID=ubuntu" in Path("/etc/os-release").read_text().splitlines()
FAKE_APT = (
    rf"""#!/bin/bash{COMES}"""
    r"""
[ ! -e /proc/$$/fd/9 ] || echo "apt holds the lock of set-up" >>"$FAKE_LOG"
[ "$FAKE_TOGETHER" != yes ] || comes "$FAKE_LOG.part-0" || exit 100
case "$*" in *"install --simulate $FAKE_UNFIT") exit 100 ;; *--simulate*) exit ;; esac
echo "apt $*" >>"$FAKE_LOG"
[ "$FAKE_FAIL" != apt ] || exit 100
case "$*" in *install*) touch "$FAKE_LOG.apt-installed" ;; esac
"""
)

FAKE_DPKG_QUERY = r"""#!/bin/bash
[ "$1" != --search ] || { [ "$FAKE_FROM_APT" = yes ]; exit; }
case " $FAKE_INSTALLED " in *" ${*: -1} "*) echo -n installed ;; *) exit 1 ;; esac
"""

USER_ID = "#!/bin/sh\necho 1000\n"
ROOT_ID = "#!/bin/sh\necho 0\n"

LOCK = "pip install --no-deps --require-hashes --only-binary :all: --no-compile --requirement .venv/part-"
PROJECT = ["pip install --no-index --no-deps --no-build-isolation --editable .", "pip check"]
RUN_STEPS = [f"{LOCK}0 with requirements.lock", "compile", *PROJECT]
TEST_STEPS = [f"{LOCK}0 with requirements-dev.lock", *PROJECT]


@dataclass
class Place:
    """A copy of what set-up.sh reads, with stand-ins first on the PATH."""

    tree: Path
    bin: Path
    log: Path

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def set_up(self, what: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.unlink(missing_ok=True)
        base = {"PATH": f"{self.bin}:/usr/bin:/bin", "FAKE_LOG": str(self.log), "FAKE_ENSUREPIP": "yes"}
        base |= {"DISTRIBUTION_PYTHON": str(self.bin / "distribution/python3"), "OMP_NUM_THREADS": "1"}  # of nproc
        return subprocess.run(
            [self.tree / "deploy/set-up.sh", what],
            env=base | environment,
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
            check=False,
            start_new_session=True,
        )

    def done(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An ordinary user's clone, in a folder with a space in its name; Python 3.11 with all it needs."""
    place = Place(tmp_path / "a clone", tmp_path / "bin", tmp_path / "log")
    place.bin.mkdir()
    shutil.copytree(ROOT / "deploy", place.tree / "deploy")
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, place.tree)
    place.program("id", USER_ID)
    place.program("apt-get", FAKE_APT)
    place.program("dpkg-query", FAKE_DPKG_QUERY)
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        place.program(name, FAKE_PYTHON)
    return place


@pytest.fixture
def root_place(place: Place) -> Place:
    """The same for root."""
    place.program("id", ROOT_ID)
    return place


@pytest.mark.parametrize(("what", "steps"), [("run", RUN_STEPS), ("test", TEST_STEPS)])
def test_it_installs_the_lock_then_the_project_and_the_second_time_nothing(
    place: Place, what: str, steps: list[str]
) -> None:
    first = place.set_up(what)
    assert first.returncode == 0, first.stderr
    assert place.done() == ["venv", *steps]
    second = place.set_up(what)
    assert (second.returncode, second.stdout, place.done()) == (0, "", [])


@pytest.mark.parametrize("processors", [2, 4, 64])
def test_each_processor_installs_a_part_of_the_lock(place: Place, processors: int) -> None:
    assert place.set_up("test", OMP_NUM_THREADS=str(processors), FAKE_TOGETHER="yes").returncode == 0
    parts = range(min(processors, 4))
    assert sorted(place.done()) == sorted(["venv", *(f"{LOCK}{part}" for part in parts), *PROJECT])
    given = [Path(f"{place.log}.part-{part}").read_text() for part in parts]
    assert all(given)
    assert entries("".join(given)) == entries((place.tree / "requirements-dev.lock").read_text())
    assert not list((place.tree / ".venv").glob("part-*"))


def entries(lock: str) -> list[list[str]]:
    """Each package of a lock file: its line and those of its hashes."""
    lines = [line for line in lock.splitlines() if not line.lstrip().startswith("#")]
    begins = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    return sorted(lines[begin:end] for begin, end in zip(begins, [*begins[1:], None], strict=True))


def test_what_may_be_taken_away_is_installed_by_one_alone(place: Place) -> None:
    assert place.set_up("run", OMP_NUM_THREADS="4").returncode == 0
    assert place.set_up("test", OMP_NUM_THREADS="4").returncode == 0
    assert place.done() == TEST_STEPS


def test_a_list_that_cannot_be_written_stops_the_set_up(place: Place) -> None:
    place.program("awk", "#!/bin/sh\necho none >.venv/part-0\nexit 2\n")
    result = place.set_up("run")
    assert result.returncode == 1
    assert "installing the packages failed" in result.stderr
    assert not (place.tree / ".venv/set-up-stamp").exists()


def test_a_part_that_fails_stops_the_set_up(place: Place) -> None:
    result = place.set_up("test", FAKE_FAIL="half", OMP_NUM_THREADS="2")
    assert result.returncode == 1
    assert "installing the packages failed" in result.stderr
    assert not (place.tree / ".venv/set-up-stamp").exists()
    assert not set(PROJECT) & set(place.done())


def test_what_test_needs_contains_what_run_needs(place: Place) -> None:
    assert place.set_up("test").returncode == 0
    assert place.set_up("run").returncode == 0
    assert place.done() == []


def test_run_then_test_adds_the_test_tools(place: Place) -> None:
    assert place.set_up("run").returncode == 0
    assert place.set_up("test").returncode == 0
    assert place.done() == TEST_STEPS


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock", "requirements-dev.lock", "deploy/set-up.sh"])
def test_a_changed_file_means_an_update_and_run_keeps_the_test_tools(place: Place, name: str) -> None:
    assert place.set_up("test").returncode == 0
    with (place.tree / name).open("a") as file:
        file.write("\n# changed\n")
    assert place.set_up("run").returncode == 0
    assert place.done() == TEST_STEPS


def test_run_does_not_care_about_the_test_tools(place: Place) -> None:
    assert place.set_up("run").returncode == 0
    (place.tree / "requirements-dev.lock").write_text("changed\n")
    assert place.set_up("run").returncode == 0
    assert place.done() == []


@pytest.mark.parametrize("failure", ["killed", "network"])
@pytest.mark.parametrize("before", [False, True], ids=["first time", "at an update"])
def test_a_set_up_that_did_not_end_is_started_again_from_nothing(place: Place, failure: str, before: bool) -> None:
    if before:
        assert place.set_up("run").returncode == 0
    assert place.set_up("test", FAKE_FAIL=failure).returncode == {"killed": -9, "network": 1}[failure]
    assert not (place.tree / ".venv/set-up-stamp").exists()
    (place.tree / ".venv/left-over").touch()
    assert place.set_up("test").returncode == 0
    assert place.done() == ["venv", *TEST_STEPS]
    assert not (place.tree / ".venv/left-over").exists()


def test_a_moved_tree_is_set_up_anew(place: Place) -> None:
    assert place.set_up("run").returncode == 0
    place.tree = place.tree.rename(place.tree.with_name("moved"))
    assert place.set_up("run").returncode == 0
    assert place.done() == ["venv", *RUN_STEPS]


def test_another_python_behind_the_virtualenv_means_a_set_up_anew(place: Place) -> None:
    assert place.set_up("run").returncode == 0
    assert place.set_up("run", FAKE_VERSION="3.13.5").returncode == 0
    assert place.done() == ["venv", *RUN_STEPS]


def test_no_network_is_said_in_words(place: Place) -> None:
    result = place.set_up("run", FAKE_FAIL="network")
    assert result.returncode == 1
    assert "could not be fetched. Is this machine online?" in result.stderr


def test_a_user_without_venv_is_told_the_one_line_and_nothing_changes(place: Place) -> None:
    before = sorted(place.tree.rglob("*"))
    result = place.set_up("run", FAKE_ENSUREPIP="no", FAKE_FROM_APT="yes")
    assert result.returncode == 1
    assert [line.strip() for line in result.stderr.splitlines() if "apt-get" in line] == [
        "sudo apt-get install -y python3-venv"
    ]
    assert "Nothing was changed" in result.stderr
    assert sorted(place.tree.rglob("*")) == before
    assert place.done() == []


def test_an_interpreter_that_apt_did_not_bring_is_not_completed_by_apt(place: Place) -> None:
    result = place.set_up("run", FAKE_ENSUREPIP="no")
    assert result.returncode == 1
    assert "Nothing was changed" in result.stderr
    assert "apt-get" not in result.stderr


def test_a_virtualenv_that_cannot_be_made_leaves_nothing_behind(place: Place) -> None:
    assert place.set_up("run", FAKE_FAIL="venv").returncode == 1
    assert not (place.tree / ".venv").exists()


def test_an_old_python_is_refused_by_its_version_and_nothing_changes(root_place: Place) -> None:
    before = sorted(root_place.tree.rglob("*"))
    result = root_place.set_up("run", FAKE_VERSION="3.10.12")
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed. python3 here is 3.10.12" in result.stderr
    assert sorted(root_place.tree.rglob("*")) == before
    assert root_place.done() == []


def test_a_newer_python_beside_an_old_python3_is_taken(place: Place) -> None:
    result = place.set_up("run", FAKE_ONLY_AS="/python3.12")
    assert result.returncode == 0, result.stderr
    assert "with python3.12 (3.11.2)" in result.stdout


def test_the_python_of_the_distribution_comes_first_where_it_can_do_all(place: Place) -> None:
    (place.bin / "distribution").mkdir()
    own = place.bin / "distribution/python3"
    place.program("distribution/python3", FAKE_PYTHON)
    assert f"with {own} (" in place.set_up("run").stdout
    shutil.rmtree(place.tree / ".venv")
    assert "with python3.13 (" in place.set_up("run", PYTHON="python3.13").stdout
    shutil.rmtree(place.tree / ".venv")
    place.program("distribution/python3", FAKE_PYTHON.replace("*ensurepip*)", "*ensurepip*) exit 1 ;; *never*)"))
    assert "with python3 (" in place.set_up("run").stdout


def test_a_named_python_is_taken_or_refused_and_no_other(place: Place) -> None:
    assert "with python3.13 (" in place.set_up("run", PYTHON="python3.13").stdout
    refused = place.set_up("run", PYTHON="python3.13", FAKE_ONLY_AS="/python3.12")
    assert refused.returncode == 1
    assert "PYTHON=python3.13" in refused.stderr


def test_root_gets_what_is_missing_from_apt(root_place: Place) -> None:
    wanted = [name for name in apt_packages("deploy/apt-test.txt") if "chromium" not in name or not IS_UBUNTU]
    packages = [name.split("|")[0] for name in wanted]
    assert root_place.set_up("test", FAKE_INSTALLED="other", FAKE_TOGETHER="yes", OMP_NUM_THREADS="2").returncode == 0
    update, install = (line for line in root_place.done() if line.startswith("apt "))
    rest = [line for line in root_place.done() if not line.startswith("apt ")]
    assert update.endswith(" update")
    assert install.endswith(f" install -y --no-install-recommends {' '.join(packages)}")
    assert sorted(rest) == sorted(["venv", f"{LOCK}0", f"{LOCK}1", *PROJECT])


def test_of_what_takes_each_others_place_apt_brings_what_fits(root_place: Place) -> None:
    (root_place.tree / "deploy/apt-test.txt").write_text("small | whole # either is enough\n")
    for unfit, brought in (("none", "small"), ("small", "whole")):
        assert root_place.set_up("test", FAKE_UNFIT=unfit).returncode == 0
        installed = [line for line in root_place.done() if " install " in line and line.startswith("apt ")]
        assert [line.split()[-1] for line in installed] == [brought]
    for one in ("small", "whole"):
        assert root_place.set_up("test", FAKE_INSTALLED=one).returncode == 0
        assert root_place.done() == []


def test_root_gets_venv_from_apt_where_python_lacks_it(root_place: Place) -> None:
    assert root_place.set_up("run", FAKE_ENSUREPIP="no", FAKE_FROM_APT="yes").returncode == 0
    assert root_place.done()[1].endswith(" install -y --no-install-recommends python3-venv")
    assert root_place.done()[2:] == ["venv", *RUN_STEPS]


def test_apt_is_left_alone_where_nothing_is_missing(root_place: Place) -> None:
    installed = " ".join(apt_packages("deploy/apt-test.txt")).replace("|", " ")
    assert root_place.set_up("test", FAKE_INSTALLED=installed).returncode == 0
    assert root_place.done() == ["venv", *TEST_STEPS]


def test_run_installs_no_test_tool(root_place: Place) -> None:
    assert root_place.set_up("run", FAKE_INSTALLED="").returncode == 0
    assert root_place.done() == ["venv", *RUN_STEPS]


def test_an_ordinary_user_is_never_given_to_apt(place: Place) -> None:
    assert place.set_up("test", FAKE_INSTALLED="").returncode == 0
    assert place.done() == ["venv", *TEST_STEPS]


def test_apt_that_fails_stops_the_set_up(root_place: Place) -> None:
    result = root_place.set_up("test", FAKE_INSTALLED="", FAKE_FAIL="apt")
    assert result.returncode == 1
    assert "apt-get update failed" in result.stderr
    again = root_place.set_up("test", FAKE_INSTALLED="", FAKE_FAIL="apt")
    assert again.returncode == 1, "whatever else is whole"
    assert [line.split()[-1] for line in root_place.done()] == ["update"]


def test_apt_that_fails_before_python_can_make_virtualenvs_leaves_nothing_behind(root_place: Place) -> None:
    result = root_place.set_up("test", FAKE_ENSUREPIP="no", FAKE_FROM_APT="yes", FAKE_FAIL="apt")
    assert result.returncode == 1
    assert "apt-get update failed" in result.stderr
    assert not (root_place.tree / ".venv").exists()


def test_root_whose_python_cannot_make_virtualenvs_is_told_before_anything_changes(root_place: Place) -> None:
    result = root_place.set_up("test", FAKE_ENSUREPIP="no")
    assert result.returncode == 1
    assert "Nothing was changed" in result.stderr
    assert root_place.done() == []


@pytest.mark.parametrize("arguments", [[], ["everything"]])
def test_usage(arguments: list[str]) -> None:
    result = subprocess.run(
        [ROOT / "deploy/set-up.sh", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (1, "set-up: usage: deploy/set-up.sh run|test\n")


@pytest.mark.needs("shellcheck", apt="shellcheck")
@pytest.mark.parametrize("script", ["deploy/set-up.sh", "deploy/lock.sh", ".ci/run"])
def test_the_shell_scripts_are_clean_and_executable(script: str) -> None:
    result = subprocess.run(["shellcheck", ROOT / script], capture_output=True, text=True, timeout=60, check=False)
    assert result.stdout == ""
    assert result.returncode == 0
    assert os.access(ROOT / script, os.X_OK)


def apt_packages(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]

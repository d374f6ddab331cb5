"""What ``make try-install`` tries, as root in a booted Debian bookworm with a simulated daemon in pigpiod's place.

Each step is a function; a failed one is told and the next goes on. Python of the system alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

SERVICES = ("pelvistim-firewall", "pelvistim-pigpiod", "pelvistim-guard", "pelvistim-app")
STATE = Path("/var/lib/pelvistim")
LIB = Path("/usr/lib/pelvistim")
PELVISTIM = "/usr/local/bin/pelvistim"
READINGS = Path("/result/readings.toml")
WITHIN_S = 60


def run(*words: str, user: str | None = None, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """A command, as root or as somebody else, in English."""
    who = ["setpriv", f"--reuid={user}", "--regid=pelvistim", "--clear-groups"] if user else []
    environment = {**os.environ, "LANG": "C.UTF-8", **more}
    return subprocess.run([*who, *words], capture_output=True, text=True, input=stdin, env=environment, check=False)


def said(done: subprocess.CompletedProcess[str]) -> str:
    return f"exit {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"


def make(target: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run("make", "--no-print-directory", "-C", "/src", target, **more)


def guard_says() -> str:
    return run("systemctl", "show", "--property=StatusText", "--value", "pelvistim-guard").stdout.strip()


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    most = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < most, what()
        time.sleep(0.2)


def reaches(user: str) -> bool:
    code = "import socket; socket.create_connection(('127.0.0.1', 8888), 2)"
    return run("python3", "-c", code, user=user).returncode == 0


def board(op: str, **fields: object) -> dict[str, object]:
    """One operation of the simulated board."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.connect("/run/simulated-board.sock")
        control.send(json.dumps({"op": op, **fields}).encode())
        told: dict[str, object] = json.loads(control.recv(1 << 16))
        assert told["ok"], told
        return told


def kept() -> dict[str, str]:
    """Every file that is kept and does not change by itself, with its hash."""
    names = ("guard/ledger.json", "guard/calibration.json", "app/tls/authority.pem")
    return {one: hashlib.sha256((STATE / one).read_bytes()).hexdigest() for one in names if (STATE / one).exists()}


def pid(service: str) -> int:
    return int(run("systemctl", "show", "--property=MainPID", "--value", service).stdout)


def rests(*says: str) -> None:
    """The guard serves, and says one of these. Where the kernel lets it and the simulated board have no turn of their
    own, either may be late, and be stopped for it: that is as good, for what is tried here."""
    wanted = says or ("idle", "person")
    late = () if may_have_its_turn() else ("check_late", "daemon_slow", "dead_man_fired", "not_what_was_approved")
    until(
        lambda: guard_says() in (*wanted, *late),
        lambda: guard_says() + status("pelvistim-guard"),
    )


def may_have_its_turn() -> bool:
    """Whether systemd may raise limits here (CAP_SYS_RESOURCE): in a container within a container it may not."""
    bounding = next(line for line in Path("/proc/1/status").read_text().splitlines() if line.startswith("CapBnd"))
    return bool(int(bounding.split()[1], 16) >> 24 & 1)


def is_active(service: str) -> bool:
    return run("systemctl", "is-active", service).stdout.strip() == "active"


def came_back(service: str, before: int) -> bool:
    return pid(service) not in (0, before)


def hand_over(words: list[str]) -> list[str]:
    """A command, a hand at the simulated board doing what it asks for; what it said."""
    process = subprocess.Popen(
        [PELVISTIM, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(line)
        if "Take the load off output" in line:
            board("load", channel=line.split("output ")[1][0], ohm=None)
        elif "Connect the load to" in line:
            board("load", channel=line.split("load to ")[1][0], ohm=500)
        elif "Press the red button" in line:
            board("fault", name="estop-press", args=[])
        elif "Turn the red button" in line:
            board("fault", name="estop-release", args=[])
        if line.endswith("Done?\n"):
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.wait() == 0, "".join(told)
    return told


# --- the steps --------------------------------------------------------------------------------------------------------


def refused_on_trixie_and_on_a_pi_5() -> None:
    Path("/result/trixie").write_text("VERSION_CODENAME=trixie\n", encoding="ascii")
    Path("/result/pi5").write_text("Raspberry Pi 5 Model B Rev 1.0\0", encoding="ascii")
    for more, word in (({"RELEASE_FILE": "/result/trixie"}, "bookworm"), ({"MODEL_FILE": "/result/pi5"}, "Pi 0 to 4")):
        done = make("install", **more)
        assert done.returncode != 0, said(done)
        assert word in done.stderr, said(done)
        assert not LIB.exists()


def installs() -> None:
    done = make("install")
    assert done.returncode == 0, said(done)
    for service in SERVICES:
        assert run("systemctl", "is-enabled", service).stdout.strip() == "enabled", service
        until(partial(is_active, service), partial(status, service))
    assert os.readlink(LIB / "current").endswith("/1")


def status(service: str) -> str:
    return run("journalctl", "-u", service, "-n", "40", "--no-pager").stdout[-3000:]


def folders_are_of_two_users() -> None:
    owners = {name: (STATE / name).owner() for name in ("guard", "app")}
    assert owners == {"guard": "pelvistim-guard", "app": "pelvistim-app"}
    assert all((STATE / name).stat().st_mode & 0o077 == 0 for name in owners)
    assert run("cat", "/var/lib/pelvistim/guard/ledger.json", user="pelvistim-app").returncode != 0


def only_the_guard_reaches_the_daemon() -> None:
    found = {user: reaches(user) for user in ("pelvistim-guard", "pelvistim-app", "nobody", "root")}
    assert found == {"pelvistim-guard": True, "pelvistim-app": False, "nobody": False, "root": False}


def guard_does_not_start_where_others_reach_the_daemon() -> None:
    run("systemctl", "stop", "pelvistim-guard")
    assert run("nft", "delete", "table", "inet", "pelvistim").returncode == 0
    try:
        assert run("systemctl", "start", "pelvistim-guard").returncode != 0
        assert "another user than the guard's" in status("pelvistim-guard")
    finally:
        run("systemctl", "restart", "pelvistim-firewall")
        run("systemctl", "restart", "pelvistim-guard")
    until(lambda: guard_says() != "", lambda: status("pelvistim-guard"))


def without_calibration_nobody_gets_current() -> None:
    until(lambda: guard_says() == "self_test_calibration", guard_says)


def calibrates() -> None:
    """By the terminal's own way, a hand at the simulated board doing what is asked."""
    run("systemctl", "stop", "pelvistim-guard")
    volts = "\n".join(f"{percent} = {percent * 0.25}" for percent in (10, 25, 50, 75, 90))
    text = f"[volt.A]\n{volts}\n[volt.B]\n{volts}\n[open_volt]\nA = 60.0\nB = 60.0\n"
    READINGS.write_text(text, encoding="ascii")
    READINGS.chmod(0o644)
    try:
        told = hand_over(
            ["calibrate", "--board", "pigpio", "--load", "500", "--meter", "none", "--readings", str(READINGS)]
        )
    finally:
        run("systemctl", "start", "pelvistim-guard")
    assert (STATE / "guard/calibration.json").owner() == "pelvistim-guard"
    rests("idle")
    print("".join(f"      {line}" for line in told if line.startswith("ok")), end="")


def doctor_looks_at_the_board_in_the_guards_place() -> None:
    """Root becomes the guard's user, as the port is closed to root."""
    run("systemctl", "stop", "pelvistim-guard")
    try:
        told = json.loads(run(PELVISTIM, "doctor", "--json").stdout)
    finally:
        run("systemctl", "start", "pelvistim-guard")
    found = {one["check"]: one["state"] for one in told["findings"]}
    assert [found[name] for name in ("mask", "spi", "wiring", "self_test")] == ["good"] * 4, told


def doctor_finds_all_well() -> None:
    told = json.loads(run(PELVISTIM, "doctor", "--json").stdout)
    found = {one["check"]: one for one in told["findings"]}
    expected = {"rights", "port", "listeners", "calibration", "guard"}
    if may_have_its_turn():
        expected.add("real_time")
    else:
        assert found.pop("real_time")["code"] == "real_time_denied"
        print("      real time could not be tried: this container may not raise limits")
    wrong = {name for name, one in found.items() if one["state"] == "bad"}
    assert not wrong, [found[name] for name in wrong]
    for name in expected:
        assert found[name]["state"] == "good", found[name]
    assert found["daemon"]["code"] == "daemon_has_guard", found["daemon"]


def app_serves_and_stops() -> None:
    context = ssl._create_unverified_context()
    until(lambda: answers(context), lambda: status("pelvistim-app"))
    request = urllib.request.Request("https://127.0.0.1:8443/api/v1/stop", method="POST", data=b"")
    with urllib.request.urlopen(request, context=context, timeout=5) as answer:
        assert json.load(answer)["confirmed"] is True
    done = run(PELVISTIM, "stop", user="nobody")
    assert "output confirmed off" in done.stdout, said(done)
    done = run(PELVISTIM, "pair", "viewer")
    assert done.returncode == 0, said(done)
    assert "or the code" in done.stdout, said(done)


def answers(context: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen("https://127.0.0.1:8443/", context=context, timeout=5) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def a_process_that_dies_is_back_and_everything_was_halted() -> None:
    for service, ends in (("pelvistim-guard", ("pelvistim-guard",)), ("pelvistim-pigpiod", SERVICES[1:3])):
        before = {one: pid(one) for one in ends}
        assert all(before.values()), status(service)
        os.kill(before[service], 9)
        for one in ends:  # a guard does not outlive its daemon
            until(partial(came_back, one, before[one]), partial(status, one))
        rests()
        assert "halted, lines low" in status(service), status(service)


def units_are_right_and_hardened() -> None:
    units = [f"/etc/systemd/system/{service}.service" for service in SERVICES]
    done = run("systemd-analyze", "verify", *units)
    assert (done.returncode, done.stderr) == (0, ""), said(done)
    for service in SERVICES:
        score = run("systemd-analyze", "security", "--no-pager", service).stdout.strip().splitlines()[-1]
        print(f"      {score.strip()}")


def refused_during_a_session() -> None:
    """The guard is said to be in one: a wrapper stands before systemctl."""
    fake = Path("/result/fake/systemctl")
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(
        '#!/bin/sh\ncase "$*" in *StatusText*) echo running ;; *) exec /usr/bin/systemctl "$@" ;; esac\n',
        encoding="ascii",
    )
    fake.chmod(0o755)
    before = pid("pelvistim-guard")
    for target in ("install", "uninstall"):
        done = make(target, PATH=f"{fake.parent}:{os.environ['PATH']}")
        assert done.returncode != 0, said(done)
        assert "a session is under way" in done.stderr, said(done)
    assert pid("pelvistim-guard") == before
    assert os.readlink(LIB / "current").endswith("/1")


def an_upgrade_that_fails_leaves_the_old_one_running() -> None:
    before = pid("pelvistim-guard")
    done = make("install", PIP_FIND_LINKS="/nowhere")
    assert done.returncode != 0, said(done)
    assert pid("pelvistim-guard") == before
    assert [one.name for one in (LIB / "releases").iterdir()] == ["1"]


def upgrades_and_keeps() -> None:
    before = kept()
    done = make("install")
    assert done.returncode == 0, said(done)
    assert os.readlink(LIB / "current").endswith("/2")
    assert kept() == before
    rests()


def uninstalls_and_keeps() -> None:
    before = kept()
    done = make("uninstall")
    assert done.returncode == 0, said(done)
    assert kept() == before
    assert not LIB.exists()
    assert not Path(PELVISTIM).exists()
    for service in SERVICES:
        assert run("systemctl", "is-active", service).stdout.strip() != "active"
        assert not Path(f"/etc/systemd/system/{service}.service").exists()
    assert "pelvistim" not in run("nft", "list", "ruleset").stdout
    assert run("pgrep", "-u", "pelvistim-guard,pelvistim-app").returncode == 1


STEPS: tuple[Callable[[], None], ...] = (
    refused_on_trixie_and_on_a_pi_5,
    installs,
    folders_are_of_two_users,
    only_the_guard_reaches_the_daemon,
    guard_does_not_start_where_others_reach_the_daemon,
    without_calibration_nobody_gets_current,
    calibrates,
    doctor_looks_at_the_board_in_the_guards_place,
    doctor_finds_all_well,
    app_serves_and_stops,
    a_process_that_dies_is_back_and_everything_was_halted,
    units_are_right_and_hardened,
    refused_during_a_session,
    an_upgrade_that_fails_leaves_the_old_one_running,
    upgrades_and_keeps,
    uninstalls_and_keeps,
)


def main() -> int:
    failed = 0
    for step in STEPS:
        began = time.monotonic()
        try:
            step()
            word = "ok   "
        except Exception as error:
            failed, word = failed + 1, "FAIL "
            print(f"      {type(error).__name__}: {error}")
        print(f"{word} {step.__name__.replace('_', ' ')} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{len(STEPS) - failed} passed, {failed} failed")
    Path("/result/code").write_text(str(int(failed > 0)), encoding="ascii")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

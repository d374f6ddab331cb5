"""What the installer refuses, what its units say, and that the daemon's port is closed to all but the guard's user.

``make try-install`` tries the whole of it in a booted Debian (``tests/install/``).
"""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from controller.guarded import installed
from hw.board import load_board
from safety import peer
from safety.errors import InputRefused, LinkError

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
GUARD_UID, APP_UID, OTHER_UID = 4711, 4712, 4713


def test_the_daemons_flags_are_those_of_the_board() -> None:
    unit = (DEPLOY / "systemd" / "pelvistim-pigpiod.service").read_text(encoding="utf-8")
    board = load_board()
    mask = sum(line.mask for line in board.lines.values())
    assert f"ExecStart=/usr/bin/pigpiod -g -l -n 127.0.0.1 -f -x 0x{mask:x} -s {board.sample_us}\n" in unit


@pytest.mark.needs("systemd-analyze", apt="systemd")
def test_the_units_are_verified() -> None:
    """That a program is not there yet is all that may be said of them where nothing is installed."""
    done = subprocess.run(["systemd-analyze", "verify", *UNITS], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if not re.search(r"Command /\S+ is not executable", line)]
    assert (len(UNITS), said) == (4, [])


@pytest.mark.needs("shellcheck", apt="shellcheck")
def test_the_scripts_of_the_installer_are_checked() -> None:
    scripts = [*DEPLOY.glob("*.sh"), ROOT / "tests" / "install" / "pigpiod"]
    done = subprocess.run(["shellcheck", "-x", *scripts], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("model", "codename", "word"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "bookworm", "Use a Raspberry Pi 0 to 4"),
        ("Raspberry Pi 4 Model B Rev 1.4", "trixie", "Install Raspberry Pi OS 12"),
        ("Raspberry Pi 4 Model B Rev 1.4", "bullseye", "made for Raspberry Pi OS 12"),
    ],
)
def test_where_the_daemon_cannot_run_the_installer_says_so_and_changes_nothing(
    model: str, codename: str, word: str, tmp_path: Path
) -> None:
    (tmp_path / "model").write_text(f"{model}\0", encoding="ascii")
    (tmp_path / "release").write_text(f"VERSION_CODENAME={codename}\n", encoding="ascii")
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n", encoding="ascii")
    (tmp_path / "id").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MODEL_FILE": str(tmp_path / "model"),
        "RELEASE_FILE": str(tmp_path / "release"),
    }
    done = subprocess.run(
        [DEPLOY / "install.sh"], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert word in done.stderr
    assert "Nothing was changed." in done.stderr


PINMUX = "Pinmux settings per pin\nFormat: pin (name): mux_owner gpio_owner hog?\n"
FREE = PINMUX + "".join(f"pin {pin} (gpio{pin}): (MUX UNCLAIMED) (GPIO UNCLAIMED)\n" for pin in range(58))
STRICT = PINMUX + "".join(f"pin {pin} (gpio{pin}): UNCLAIMED\n" for pin in range(58))
USED = {
    "serial console": (FREE, 14, "fe201000.serial (GPIO UNCLAIMED) function alt0 group gpio14"),
    "one-wire": (FREE, 4, "onewire@0 pinctrl-bcm2711:4 function gpio_in group gpio4"),
    "another program": (FREE, 26, "(MUX UNCLAIMED) pinctrl-bcm2711:26"),
    "the kernel's SPI": (FREE, 9, "fe204000.spi (GPIO UNCLAIMED) function alt0 group gpio9"),
    "a strict kernel": (STRICT, 18, "device fe203000.i2s function alt0 group gpio18"),
}


def pins(text: str, pin: int, owner: str) -> str:
    """The kernel's table with another owner of a pin."""
    line = next(one for one in text.splitlines() if one.startswith(f"pin {pin} "))
    return text.replace(line + "\n", f"pin {pin} (gpio{pin}): {owner}\n")


def refused_pins(folder: Path, table: str | None) -> subprocess.CompletedProcess[str]:
    """What the installer's look at the pins says to this table of the kernel; None: it has none."""
    text = (DEPLOY / "install.sh").read_text(encoding="utf-8")
    if table is not None:
        (folder / "pinctrl").mkdir(exist_ok=True)
        (folder / "pinctrl" / "pinmux-pins").write_text(table, encoding="ascii")
    functions = text[: text.index("# --- What it puts in place")].replace('$(dirname -- "$0")', str(DEPLOY))
    shell = f'PINS_FILES="{folder}/*/pinmux-pins"\n{functions}\nrefuse_pins'
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)


@pytest.mark.req("SR-178")
@pytest.mark.parametrize("who", USED)
def test_a_system_on_which_another_uses_a_pin_of_the_board_is_refused(who: str, tmp_path: Path) -> None:
    text, pin, owner = USED[who]
    done = refused_pins(tmp_path, pins(text, pin, owner))
    assert done.returncode == 1
    assert f"pin {pin} (gpio{pin}): {owner}" in done.stderr
    assert done.stderr.count("(gpio") == 1, "that one alone"
    assert "Nothing was changed." in done.stderr


@pytest.mark.req("SR-178")
def test_a_system_whose_pins_are_free_is_not_refused_nor_one_that_uses_others(tmp_path: Path) -> None:
    """GPIO 2 and 3 are the I2C bus of the sensor for muscle activity, and the kernel's own."""
    i2c = pins(FREE, 2, "fe804000.i2c (GPIO UNCLAIMED) function alt0 group gpio2")
    for table in (FREE, STRICT, i2c):
        done = refused_pins(tmp_path, table)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    unknown = refused_pins(tmp_path / "none", None)
    assert (unknown.returncode, "note: the kernel does not tell" in unknown.stdout) == (0, True)
    text = (DEPLOY / "install.sh").read_text(encoding="utf-8")
    assert re.search(r'"Raspberry Pi"\*\) refuse_pins', text), "and it is asked before anything is changed"
    assert text.index("refuse_pins ;;") < text.index("\n}\n", text.index("refuse_machine() {"))


@pytest.mark.req("SR-172")
@pytest.mark.parametrize("script", ["install", "uninstall"])
def test_a_session_is_never_interrupted(script: str) -> None:
    shell = f"""
    . "{DEPLOY}/common.sh"
    systemd_runs() {{ true; }}
    has_units() {{ true; }}
    systemctl() {{ case $1 in is-active) [ "$guard_is" != down ] ;; *) echo "$guard_is" ;; esac; }}
    for guard_is in electrode_check armed running paused idle person self_test self_test_calibration down; do
      (refuse_session {script}) 2>/dev/null && echo "$guard_is"
    done; true
    """
    done = subprocess.run(["bash", "-euc", shell], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["idle", "person", "self_test", "self_test_calibration", "down"]
    text = (DEPLOY / f"{script}.sh").read_text(encoding="utf-8")
    steps = text[text.index("\nrequire_root") :]
    assert steps.index("refuse_session") < min(steps.index(word) for word in ("systemctl", "rm -"))


IN_A_NETWORK_OF_ITS_OWN = """
import fcntl, os, socket, struct, subprocess, sys

probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 0x49))  # SIOCSIFFLAGS: up, running, loopback
listener = socket.create_server(("127.0.0.1", 8888))
subprocess.run(["nft", "-f", "-"], input=sys.argv[1], text=True, check=True)
subprocess.run(["nft", "-f", "-"], input=sys.argv[1], text=True, check=True)  # again, as at an upgrade
for uid in map(int, sys.argv[2:]):
    child = os.fork()
    if child == 0:
        os.setuid(uid)
        try:
            socket.socket().connect(("127.0.0.1", 8888))
            os._exit(0)
        except ConnectionRefusedError:
            os._exit(1)
    print(uid, ("reaches", "is turned away")[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])], flush=True)
"""


@pytest.mark.req("SR-145")
@pytest.mark.needs("nft", apt="nftables")
@pytest.mark.needs("root", available=lambda: os.geteuid() == 0, how="run the tests as root")
def test_only_the_guards_user_reaches_the_daemons_port() -> None:
    rules = (DEPLOY / "pelvistim.nft").read_text(encoding="utf-8").replace('"pelvistim-guard"', str(GUARD_UID))
    users = [str(uid) for uid in (GUARD_UID, APP_UID, 0)]
    command = ["unshare", "--net", sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN]
    done = subprocess.run([*command, rules, *users], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        f"{GUARD_UID} reaches",
        f"{APP_UID} is turned away",
        "0 is turned away",
    ], done.stderr


def test_an_app_that_reaches_the_daemon_itself_does_not_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as daemon:
        with pytest.raises(InputRefused, match="port_open"):
            installed(tmp_path, daemon.getsockname())
        address = daemon.getsockname()
    found = installed(tmp_path, address)
    assert (found.folder, found.simulated) == (tmp_path, False)
    with pytest.raises(LinkError):
        found.connect()


class Connection:
    """A connection whose other end the kernel says is somebody's."""

    def __init__(self, uid: int) -> None:
        self._uid = uid

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
        return struct.pack("3i", 1, self._uid, 1)[:size]


@pytest.mark.req("SR-175")
def test_the_guards_link_takes_root_its_own_user_and_the_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: GUARD_UID)
    users = (0, GUARD_UID, APP_UID, OTHER_UID)
    together = [peer.allowed(Connection(uid), None) for uid in users]  # type: ignore[arg-type]
    apart = [peer.allowed(Connection(uid), APP_UID) for uid in users]  # type: ignore[arg-type]
    assert (together, apart) == ([True, True, False, False], [True, True, True, False])

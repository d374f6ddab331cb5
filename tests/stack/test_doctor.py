"""The doctor on the simulated board, a fault at a time, and on machines whose files are made up."""

from __future__ import annotations

import json
import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.cli import main
from hw.board import load_board
from workshop import host, lines
from workshop.findings import LANGUAGES, State, is_bad, line, problem, table
from workshop.rig import Rig, simulated

FAULTS: list[tuple[str, list[object], set[str]]] = [
    ("phase-line", ["B_NEG", "low"], {"self_test_failed"}),  # behind the pin: only what it does shows it
    ("adc-dead", [], {"spi_dead", "self_test_failed"}),
    ("adc-factor", [1.05], {"spi_reference", "self_test_failed"}),
    ("estop-press", [], {"estop_pressed", "self_test_failed"}),
    ("estop-cut", ["2"], {"estop_contacts", "self_test_failed"}),
    ("battery-low", [], {"power_low", "self_test_failed"}),
    ("rail-stuck", [], {"wiring_rail", "self_test_failed"}),
    ("drop-out-defeated", [], {"self_test_failed"}),
    ("current-trip", [], {"trip_latched", "self_test_failed"}),  # nothing but a reset mends it: the last
]


def test_each_fault_of_the_board_is_told() -> None:
    with simulated(None) as (clock, where, control), closing(Rig(load_board(), where, clock, None)) as rig:

        def bad() -> set[str | None]:
            return {one.code for one in lines.look(rig) if one.state is State.BAD}

        assert bad() == set()
        for name, args, codes in FAULTS:
            assert control.ask("fault", name=name, args=args)["problems"] == []
            assert bad() == codes, (name, args)
            control.ask("fault", name="clear", args=[])
            rig.wait(rig.clock.now() + 50_000)  # a rail that was up falls


def test_the_daemon_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another mask and a shorted pin, the words in both languages, the exit code, and JSON."""
    board = sum(one.mask for one in load_board().lines.values())
    with (
        simulated(None, ["--mask", hex(board | 1), "--pin-short", "PEAK_RESET:high"]) as (clock, where, _),
        closing(Rig(load_board(), where, clock, None)) as rig,
    ):
        found = list(lines.look(rig))
    assert [one.code for one in found if one.state is State.BAD] == [
        "mask_foreign",
        "wiring_line",
        "self_test_failed",
    ]
    faults = tmp_path / "faults.toml"
    faults.write_text('[[fault]]\nat_start = true\nname = "estop-press"\n', encoding="utf-8")
    assert main(["doctor", "--board", "sim", "--faults", str(faults), "--lang", "nb"]) == 2
    assert "FEIL  Nødstopp: Den røde knappen er trykket inn" in capsys.readouterr().out
    assert main(["doctor", "--board", "sim", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["bad"]
    assert {one["check"] for one in told["findings"]} >= {"mask", "spi", "wiring", "self_test"}


PINS = "sys/kernel/debug/pinctrl/3f200000.gpio-pinctrl-bcm2835/pinmux-pins"
FREE = "".join(f"pin {pin} (gpio{pin}): (MUX UNCLAIMED) (GPIO UNCLAIMED)\n" for pin in range(54))
PI = {
    PINS: FREE.replace("pin 2 (gpio2): (MUX UNCLAIMED)", "pin 2 (gpio2): 3f804000.i2c"),
    "proc/device-tree/model": "Raspberry Pi 3 Model B Rev 1.2\0",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n',
    "proc/cmdline": "console=tty1 root=PARTUUID=1",
    "run/systemd/timesync/synchronized": "",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    "sys/class/thermal/thermal_zone0/temp": "48312\n",
    "dev/watchdog": "",
}
UNIT = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "StatusText": "idle",
    "MainPID": "0",
    "LimitRTPRIO": "50",
    "LimitMEMLOCK": "infinity",
    "RuntimeWatchdogUSec": "15s",
}
NOW = datetime(2026, 12, 1, tzinfo=UTC)
CHANGES: list[tuple[dict[str, str], dict[str, str], str | None]] = [
    ({"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"}, {}, "model_pi5"),
    ({"etc/os-release": "VERSION_CODENAME=trixie\n"}, {}, "system_trixie"),
    ({"etc/os-release": "VERSION_CODENAME=bullseye\n"}, {}, "system_other"),
    ({"proc/cmdline": "console=serial0,115200"}, {}, "serial_console"),
    ({PINS: FREE.replace("pin 9 (gpio9): (MUX UNCLAIMED)", "pin 9 (gpio9): 3f204000.spi")}, {}, "pins_used"),
    ({PINS: FREE.replace("(MUX UNCLAIMED) (GPIO UNCLAIMED)", "UNCLAIMED")}, {}, None),
    ({PINS: "pin 4 (gpio4): GPIO pinctrl-bcm2835:4\n"}, {}, "pins_used"),
    ({PINS: ""}, {}, "pins_unknown"),
    ({"sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n"}, {}, "voltage_low"),
    ({"sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n"}, {}, "voltage_was_low"),
    ({"sys/class/thermal/thermal_zone0/temp": "80100\n"}, {}, "temperature_hot"),
    ({"sys/class/thermal/thermal_zone0/temp": "71000\n"}, {}, "temperature_warm"),
    ({"var/log/journal/machine": ""}, {}, "logs_on_card"),
    ({}, {"LimitRTPRIO": "0"}, "real_time_denied"),
    ({}, {"LimitMEMLOCK": "8388608"}, "real_time_denied"),
    ({}, {"RuntimeWatchdogUSec": "0"}, "watchdog_off"),
    ({}, {"ActiveState": "failed"}, "guard_down"),
]


def made_up(root: Path, files: dict[str, str], unit: dict[str, str], now: datetime = NOW) -> host.Host:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return host.Host(root, root / "var/lib/pelvistim", now, unit)


def codes(machine: host.Host) -> set[str | None]:
    return {one.code for one in host.look(machine)}


@pytest.mark.req("SR-178")
def test_what_is_wrong_with_a_machine_is_told(tmp_path: Path) -> None:
    well = {None, "rights_unknown", "certificate_none"}
    assert codes(made_up(tmp_path / "well", PI, UNIT)) == well
    for number, (files, unit, code) in enumerate(CHANGES):
        assert codes(made_up(tmp_path / str(number), PI | files, UNIT | unit)) == well | {code}
    assert codes(made_up(tmp_path / "early", PI, UNIT, datetime(1970, 1, 2, tzinfo=UTC))) == well | {"clock_wrong"}
    guard, app = (tmp_path / "well/var/lib/pelvistim" / name for name in ("guard", "app"))
    guard.mkdir(parents=True, mode=0o750)
    app.mkdir(mode=0o700)
    assert codes(made_up(tmp_path / "well", PI, UNIT)) == well - {"rights_unknown"} | {"rights_open"}
    guard.chmod(0o700)
    assert codes(made_up(tmp_path / "well", PI, UNIT)) == well - {"rights_unknown"} | {"rights_one_user"}
    laptop = {path: text for path, text in PI.items() if path == "etc/os-release"}
    assert not is_bad(host.look(made_up(tmp_path / "laptop", laptop, {})))


@pytest.mark.req("SR-169")
def test_the_table_is_whole_and_in_both_languages() -> None:
    for code, entry in table()["problem"].items():
        assert entry["check"] in table()["check"]
        for language in LANGUAGES:
            said = line(problem(code, "7"), language)
            assert f"[{code}]" in said
            assert entry[f"cure_{language}"].endswith((".", ")."))
    source = "".join(path.read_text(encoding="utf-8") for path in Path(host.__file__).parent.glob("*.py"))
    made = re.sub(r'one\("(\w+)"', r'"\1_off"', source)  # of a figure out of its tolerance
    assert [code for code in table()["problem"] if f'"{code}"' not in made] == []

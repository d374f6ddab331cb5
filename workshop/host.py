"""The doctor's look at the machine: what the files of a running Linux tell, and what they should.

``root`` is where those files are (another than ``/`` in tests). Nothing is changed, nothing is asked of the network.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from hw.board import load_board
from safety.system import PRIORITY
from workshop.findings import Finding, good, problem

STATE: Final = Path("/var/lib/pelvistim")
"""Where the installed services keep everything (deploy/)."""
GUARD_UNIT: Final = "pelvistim-guard.service"
FIRST_DAY: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""A clock before this software was made is wrong."""
DISK_FREE_MIN_MB: Final = 500
"""A session writes a few MB; a full card is the end of every record. ours."""
HOT_C, WARM_C = 80, 70
"""At 80 degrees the Pi slows its clock down (Raspberry Pi documentation, frequency management)."""
_UNDER_VOLTAGE, _THROTTLED = 1 << 0, 1 << 2
_HAPPENED: Final = 16
"""get_throttled: bit 0 under-voltage now, bit 2 throttled now, 16 higher the same since the start (same page)."""
CERTIFICATE_DAYS: Final = 14
"""``serve`` renews 30 days before the end; less than this means that it does not run. ours."""
UNLIMITED: Final = "infinity"
SPI0: Final = {8, 9, 10, 11}
"""The board's converter is on it, and the daemon drives it."""
UNCLAIMED: Final = ("(MUX UNCLAIMED) (GPIO UNCLAIMED)", "UNCLAIMED")
"""How the kernel tells that nobody holds a pin: in its pinctrl table, by its two kinds of controller."""


@dataclass(frozen=True)
class Host:
    """A machine: its files, where state is kept, the present time, and what ``systemctl show`` says of the guard."""

    root: Path
    state: Path
    now: datetime
    unit: dict[str, str]

    def text(self, path: str) -> str | None:
        """A file's text without the zero that ends those of the device tree; None if there is none."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip("\0\n ")
        except OSError:
            return None

    @property
    def is_pi(self) -> bool:
        return "Raspberry Pi" in (self.text("proc/device-tree/model") or "")


def this_host(state: Path | None) -> Host:
    """The machine that this runs on."""
    return Host(Path("/"), state or STATE, datetime.now(UTC), _unit())


def _unit() -> dict[str, str]:
    wanted = "LoadState,ActiveState,StatusText,MainPID,LimitRTPRIO,LimitMEMLOCK"
    try:
        told = subprocess.run(
            ["systemctl", "show", GUARD_UNIT, "-p", wanted], capture_output=True, text=True, timeout=10, check=True
        ).stdout
        watchdog = subprocess.run(
            ["systemctl", "show", "-p", "RuntimeWatchdogUSec"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(line.split("=", 1) for line in (told + watchdog).splitlines() if "=" in line)


def look(host: Host) -> Iterator[Finding]:
    """Everything about the machine, in the order of the table."""
    yield _model(host)
    yield _system(host)
    yield _serial(host)
    yield _pins(host)
    yield _clock(host)
    yield _disk(host)
    yield _logs(host)
    yield _voltage(host)
    yield _temperature(host)
    yield _rights(host)
    yield _real_time(host)
    yield _watchdog(host)
    yield _certificates(host)
    yield _guard(host)


def _model(host: Host) -> Finding:
    model = host.text("proc/device-tree/model")
    if not host.is_pi:
        return problem("model_not_pi", model or os.uname().machine)
    if any(name in str(model) for name in ("Raspberry Pi 5", "Compute Module 5", "Raspberry Pi 500")):
        return problem("model_pi5", model)
    return good("model", model)


def _system(host: Host) -> Finding:
    release = dict(line.split("=", 1) for line in (host.text("etc/os-release") or "").splitlines() if "=" in line)
    name = release.get("PRETTY_NAME", "?").strip('"')
    match release.get("VERSION_CODENAME"):
        case "bookworm":
            return good("system", name)
        case "trixie" if host.is_pi:
            return problem("system_trixie", name)
    return problem("system_other", name) if host.is_pi else good("system", name)


def _serial(host: Host) -> Finding:
    """GPIO 14 and 15 are PEAK_RESET and POWER_OK: a serial console would drive the one and read the other."""
    words = (host.text("proc/cmdline") or "").split()
    consoles = [word for word in words if word.startswith(("console=serial", "console=ttyS", "console=ttyAMA"))]
    return problem("serial_console", " ".join(consoles)) if consoles and host.is_pi else good("serial")


def _pins(host: Host) -> Finding:
    """Who holds pins of the board by the kernel's own table; the daemon goes past it and holds none."""
    if not host.is_pi:
        return good("pins")
    ours = {line.gpio for line in load_board().lines.values()} | SPI0
    told = ""
    for path in host.root.glob("sys/kernel/debug/pinctrl/*/pinmux-pins"):
        told += host.text(str(path.relative_to(host.root))) or ""
    found = re.findall(r"^pin (\d+) \(\S+\): (.*)", told, re.MULTILINE)
    if not found:
        return problem("pins_unknown")
    used = [f"GPIO {pin}: {who}" for pin, who in found if int(pin) in ours and not who.startswith(UNCLAIMED)]
    return problem("pins_used", "; ".join(used)) if used else good("pins")


def _clock(host: Host) -> Finding:
    shown = f"{host.now:%Y-%m-%d %H:%M} UTC"
    if host.now < FIRST_DAY:
        return problem("clock_wrong", shown)
    if host.is_pi and not (host.root / "run/systemd/timesync/synchronized").exists():
        return problem("clock_not_set", shown)
    return good("clock", shown)


def _disk(host: Host) -> Finding:
    there = host.state
    while not there.exists():
        there = there.parent
    free_mb = shutil.disk_usage(there).free // 1_000_000
    return problem("disk_full", f"{free_mb} MB") if free_mb < DISK_FREE_MIN_MB else good("disk", f"{free_mb} MB")


def _logs(host: Host) -> Finding:
    """Logs that are written all the time wear a card out."""
    return problem("logs_on_card") if host.is_pi and (host.root / "var/log/journal").is_dir() else good("logs")


def _voltage(host: Host) -> Finding:
    paths = sorted(host.root.glob("sys/devices/platform/soc/*firmware/get_throttled"))
    text = paths[0].read_text(encoding="ascii").strip() if paths else ""
    try:
        bits = int(text, 16)
    except ValueError:
        return problem("voltage_unknown")
    if bits & (_UNDER_VOLTAGE | _THROTTLED):
        return problem("voltage_low", f"0x{bits:x}")
    return problem("voltage_was_low", f"0x{bits:x}") if bits >> _HAPPENED & _UNDER_VOLTAGE else good("voltage")


def _temperature(host: Host) -> Finding:
    text = host.text("sys/class/thermal/thermal_zone0/temp")
    if text is None or not text.isdigit():
        return problem("temperature_unknown")
    celsius = int(text) // 1000
    shown = f"{celsius} °C"
    code = "temperature_hot" if celsius >= HOT_C else "temperature_warm" if celsius >= WARM_C else None
    return good("temperature", shown) if code is None else problem(code, shown)


def _rights(host: Host) -> Finding:
    """Guard's and app's folders belong to two users, and nobody else may look into them."""
    folders = [host.state / name for name in ("guard", "app")]
    try:
        stats = [os.stat(folder) for folder in folders]
    except OSError:
        return problem("rights_unknown")
    open_ = [str(one) for one, found in zip(folders, stats, strict=True) if stat.S_IMODE(found.st_mode) & 0o077]
    if open_:
        return problem("rights_open", ", ".join(open_))
    same = stats[0].st_uid == stats[1].st_uid
    return problem("rights_one_user") if same and host.unit.get("LoadState") == "loaded" else good("rights")


def _real_time(host: Host) -> Finding:
    unit = host.unit
    if unit.get("LoadState") != "loaded":
        return problem("real_time_unknown")
    shown = f"RTPRIO {unit['LimitRTPRIO']}, MEMLOCK {unit['LimitMEMLOCK']}"
    allowed = unit["LimitRTPRIO"] == UNLIMITED or int(unit["LimitRTPRIO"]) >= PRIORITY
    running = int(unit["MainPID"])
    if not allowed or unit["LimitMEMLOCK"] != UNLIMITED:
        return problem("real_time_denied", shown)
    if running and os.sched_getscheduler(running) != os.SCHED_FIFO:
        return problem("real_time_denied", f"{shown}, pid {running}")
    return good("real_time", shown)


def _watchdog(host: Host) -> Finding:
    if not (host.root / "dev/watchdog").exists():
        return problem("watchdog_absent")
    wait = host.unit.get("RuntimeWatchdogUSec", "0")
    return problem("watchdog_off") if wait in ("0", UNLIMITED) else good("watchdog", wait)


def _certificates(host: Host) -> Finding:
    path = host.state / "app" / "tls" / "device.pem"
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except PermissionError:
        return problem("certificate_unknown", path)
    except OSError:
        return problem("certificate_none")
    except ValueError:
        return problem("certificate_broken", path)
    shown = f"{ends:%Y-%m-%d}"
    if ends - host.now < timedelta(days=CERTIFICATE_DAYS):
        return problem("certificate_ends", shown)
    return good("certificate", shown)


def _guard(host: Host) -> Finding:
    unit = host.unit
    if unit.get("LoadState") != "loaded":
        return problem("guard_not_installed")
    if unit.get("ActiveState") != "active":
        return problem("guard_down", unit.get("ActiveState", "?"))
    return good("guard", unit.get("StatusText", ""))

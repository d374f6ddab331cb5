"""The device's name on the LAN, by multicast DNS: told while a pairing is open, silent otherwise."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Sequence

from zeroconf import ServiceInfo, Zeroconf

SERVICE = "_https._tcp.local."


class Announcer:
    """Tells ``host`` (as ``device.local``), its addresses and port while ``show(True)`` holds."""

    def __init__(self, host: str, addresses: Sequence[str], port: int, make: Callable[[], Zeroconf] = Zeroconf) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._open: Zeroconf | None = None
        self._info = ServiceInfo(
            SERVICE,
            f"{host.removesuffix('.local')}.{SERVICE}",
            port=port,
            server=f"{host}.",
            addresses=[ipaddress.ip_address(one).packed for one in addresses],
        )

    def show(self, wanted: bool) -> None:
        """Begins or ends telling; takes up to some seconds, so not for an event loop's thread."""
        with self._lock:
            if wanted and self._open is None:
                opened = self._make()
                try:
                    opened.register_service(self._info)
                except BaseException:
                    opened.close()
                    raise
                self._open = opened
            elif not wanted and self._open is not None:
                opened, self._open = self._open, None
                try:
                    opened.unregister_service(self._info)
                finally:
                    opened.close()

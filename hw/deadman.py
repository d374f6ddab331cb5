"""The dead-man: a script inside the daemon that ends output when the guard is killed, or no longer kicks.

It outlives whoever stored it. Each 5 ms it looks whether the guard's own connection still stands and when the kicks
last changed. It fires once: halt, lines low, and both again 5 ms later, since a send that was under way may land in
between; then it ends, which its status shows.
"""

from __future__ import annotations

import contextlib
import struct
from typing import Any, Final

from hw.board import PHASE_LINES, Board
from hw.wire import SCRIPT_RUNNING, Command, DaemonLost, NotAsApproved, asked, burst, exchange, open_handle

KICK_TIMEOUT_US: Final = 120_000
"""Six checks of 20 ms. It is kept to within one look: the script fires 115 to 125 ms after the last kick."""
LOOK_US: Final = 5_000
"""MILS 5 in the script. It sees a kick up to so much late, and that its time is over likewise: a real look comes some
us later than 5 ms after the one before."""
SCRIPTS: Final = 32
SCRIPT: Final = b"""
    LD v0 p0 T STA v1
TAG 1
    MILS 5
    NB p3 0 JM 8
    LDA p0 CMP v0 JZ 2
    STA v0 T STA v1 JMP 1
TAG 2
    T SUB v1 JM 7 SUB p1 JM 1
TAG 7
    LD p9 2 JMP 9
TAG 8
    LD p9 1
TAG 9
    WVHLT BC1 p2 MILS 5 WVHLT BC1 p2 HALT
"""
"""p0: kicks, p1: the longest time between two in us, p2: lines to make low, p3: notification handle of the guard's own
connection, p9: why it fired. v0: the kicks as last seen, v1: since when.

``NB`` on a handle whose connection has closed gives an error, which is below 0. Times are differences of 32-bit ticks,
so the wrap does not matter; a difference that is not positive makes no sense (or 36 minutes have passed) and fires.
``HALT`` can be told from a stop by p9."""
FIRED_FOR: Final = {0: None, 1: "connection_closed", 2: "not_kicked"}
_NOT_READY: Final = -62
_TRIES: Final = 1000
"""A script that was just stored or run is ready some us later on a real daemon; each look takes some 50 us."""
_DRAIN: Final = 1024
"""Kicks between two looks at what the daemon says on the own connection: one report a minute, but read by nobody they
would fill it, and then hold up the daemon's reports to everybody."""


class DeadMan:
    """The script, stored once for the guard's life, and the connection whose end fires it.

    ``client``: the loop's connection, set anew when a stop broke it. The script knows nothing of that one. Raises
    DaemonLost, NotAsApproved.
    """

    def __init__(self, client: Any, board: Board, host: str, port: int, timeout_s: float) -> None:
        self.client = client
        self._mask = board.mask(*PHASE_LINES, "OUTPUT_ENABLE")
        self._kicks = 0
        self.script_id = int(asked(client.store_script, SCRIPT))
        self._life, self._handle = open_handle(host, port, timeout_s)
        self._life.setblocking(False)

    def start(self) -> None:
        """Has it watch from now on: the next kick is due within ``KICK_TIMEOUT_US``."""
        params = struct.pack("<10I", self.next_kick(), KICK_TIMEOUT_US - LOOK_US, self._mask, self._handle, *[0] * 6)
        run = [(Command.SCRIPT_RUN, self.script_id, 0, params), (Command.SCRIPT_STATUS, self.script_id, 0, b"")]
        for _ in range(_TRIES):
            (started, _), data = asked(exchange, self.client, run)
            if started not in (0, _NOT_READY):
                break
            if data and int.from_bytes(data[0][:4], "little") == SCRIPT_RUNNING:
                return
        raise NotAsApproved(f"the dead-man script {self.script_id} does not run: {started}")

    def next_kick(self) -> int:
        """A count that the script has not seen, for the burst of a check. Raises DaemonLost."""
        self._kicks = self._kicks + 1 & 0xFFFF_FFFF
        if self._kicks % _DRAIN == 0:
            with contextlib.suppress(BlockingIOError):
                if not self._life.recv(1 << 16):
                    raise DaemonLost("the daemon closed the dead-man's connection")
        return self._kicks

    def stop(self) -> None:
        """Ends it within 5 ms, without firing."""
        asked(self.client.stop_script, self.script_id)

    def fired_for(self) -> str | None:
        """Why it fired since the last start (``FIRED_FOR``), None if it did not."""
        state, params = asked(self.client.script_status, self.script_id)
        if state < 0 or params[9] not in FIRED_FOR:
            raise NotAsApproved(f"the dead-man script is another's: {state}, {params}")
        return FIRED_FOR[params[9]]

    def cut(self) -> None:
        """Closes the own connection, which fires it if it runs (the self-test wants to see that)."""
        self._life.close()

    def close(self) -> None:
        """Deletes the script and lets go of the connection. ``stop`` it some time before, or this waits up to 5 ms."""
        asked(self.client.delete_script, self.script_id)
        self._life.close()


def clear_scripts(client: Any) -> None:
    """Deletes every script that anybody left: for the take-over. One that runs has 5 ms or more to come to its end.

    Raises DaemonLost.
    """
    asked(burst, client, [(Command.SCRIPT_DELETE, number, 0, b"") for number in range(SCRIPTS)])

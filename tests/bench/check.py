"""What one check costs: its readings as one burst, beside the same readings by single calls and gpiozero."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from hw.board import PHASE_LINES, load_board
from hw.clock import VirtualClock
from hw.deadman import DeadMan
from hw.notices import Notices
from hw.panel import Panel
from hw.senses import Senses
from hw.wire import connect
from tests.support.sim import Sim, disconnect

BOARD = load_board()
HOST = "127.0.0.1"
TRIES = 3_000
ROUNDS = 20_000
CHECK_US = 20_000


def check() -> bool:
    """In real time each way of reading; on the virtual clock a whole round."""
    print(f"\none check against the simulated board, {TRIES} tries in real time")
    with Sim.start(realtime=True) as sim:
        client = connect(HOST, sim.port, 5)
        man = DeadMan(client, BOARD, HOST, sim.port, 5)
        senses, panel = Senses(client, BOARD, man.script_id), Panel(HOST, sim.port, BOARD, 5)

        def one_by_one() -> None:
            client.write(BOARD["KEEPALIVE"].gpio, 0)
            client.update_script(man.script_id, [man.next_kick()])
            client.read_bank_1()
            for number in range(8):
                panel.raw(number)
            client.script_status(man.script_id)
            client.wave_tx_at()
            client.get_current_tick()

        _time("one burst", lambda: senses.check(0, man.next_kick(), False))
        _time("one call each, the ADC by gpiozero", one_by_one)
        thread = panel._factory.connection._notify
        panel.close()
        thread.join()
        disconnect(client)
    print(f"\none check and the 20 ms to it on the virtual clock, dead-man and notifications running, {ROUNDS} rounds")
    with Sim.start() as sim:
        client = connect(HOST, sim.port, 5)
        man = DeadMan(client, BOARD, HOST, sim.port, 5)
        senses = Senses(client, BOARD, man.script_id)
        clock = VirtualClock(sim.control_path, "bench")
        notices = Notices(HOST, sim.port, BOARD.mask(*PHASE_LINES, "OUTPUT_ENABLE"), 5, clock)
        clock.watch(notices.fd)
        man.start()
        began, busy, board = time.perf_counter(), _busy_s(), _busy_s(sim.process.pid)
        due = clock.now()
        for turn in range(ROUNDS):
            due += CHECK_US
            while clock.now() < due:
                if notices.fd in clock.wait(due):
                    notices.read()
            senses.check(turn & 1, man.next_kick(), True)
        wall, ours, its = time.perf_counter() - began, _busy_s() - busy, _busy_s(sim.process.pid) - board
        each = 1e6 / ROUNDS
        print(f"  {wall * each:.0f} us wall; processor: {ours * each:.0f} us here, {its * each:.0f} us in the board")
        notices.close()
        clock.close()
        disconnect(client)
    return True


def _time(name: str, call: Callable[[], object]) -> None:
    found = []
    for _ in range(TRIES):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1e6)
    found.sort()
    print(
        f"  {name}: median {statistics.median(found):.0f}, p99 {found[TRIES * 99 // 100]:.0f}, max {found[-1]:.0f} us"
    )


def _busy_s(pid: int | None = None) -> float:
    """Processor seconds so far of this process or another."""
    if pid is None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100

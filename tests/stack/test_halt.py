"""What the service manager runs when guard or daemon ended: nothing plays any more, and the lines are safe."""

from __future__ import annotations

import sys

import pigpio
import pytest

from hw import halt
from hw.board import load_board
from tests.support.sim import Sim, disconnect

BOARD = load_board()


def halted(monkeypatch: pytest.MonkeyPatch, port: int) -> int:
    monkeypatch.setattr(sys, "argv", ["hw.halt", "--pigpio", f"127.0.0.1:{port}"])
    return halt.main()


def test_what_a_dead_client_left_playing_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on = BOARD.mask("A_POS", "OUTPUT_ENABLE")
    with Sim.start() as sim:
        client = pigpio.pi("127.0.0.1", sim.port)
        for name in ("A_POS", "OUTPUT_ENABLE"):
            client.write(BOARD[name].gpio, 1)
        client.wave_add_generic([pigpio.pulse(BOARD["A_POS"].mask, 0, 100), pigpio.pulse(0, 0, 900)])
        client.wave_send_repeat(client.wave_create())
        assert (client.wave_tx_busy(), client.read_bank_1() & on) == (1, on)
        assert halted(monkeypatch, sim.port) == 0
        assert (client.wave_tx_busy(), client.read_bank_1() & on) == (0, 0)
        assert client.read_bank_1() & BOARD.mask("DAC_CS_N")
        sim.fault("daemon-garbage")
        assert halted(monkeypatch, sim.port) == 1
        sim.fault("clear", "daemon-garbage")
        disconnect(client)
    assert halted(monkeypatch, sim.port) == 1  # nobody is there
    said = capsys.readouterr()
    assert said.out == "halted, lines low\n"
    assert said.err.count("NOT halted") == 2

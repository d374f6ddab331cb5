"""A simulated board set up as the product leaves it, with the real clients connected, to test what is behind it."""

from __future__ import annotations

import gc

import pigpio
from gpiozero import MCP3208
from gpiozero.pins.pigpio import PiGPIOFactory

from hw.board import load_board
from tests.support.sim import Participant, Sim, disconnect

BOARD = load_board()
PINS = {name: line.gpio for name, line in BOARD.lines.items()}
MASK = {name: line.mask for name, line in BOARD.lines.items()}
RAIL, REFERENCE = BOARD.adc.rail, BOARD.adc.reference
STEP_V = 3.3 / 4096


class Rig:
    """A simulation with its outputs set up as the product leaves them, a client, a converter and a clock."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.clock: Participant = sim.participant("rig")
        self.pi = pigpio.pi("127.0.0.1", sim.port)
        self.factory = PiGPIOFactory("127.0.0.1", sim.port)
        for line in BOARD.outputs:
            self.pi.set_mode(line.gpio, pigpio.OUTPUT)
            self.pi.write(line.gpio, line.safe or 0)
        self.inputs = [MCP3208(channel, pin_factory=self.factory) for channel in range(8)]
        self.alive = 0

    def volt(self, channel: int) -> float:
        return float(self.inputs[channel].raw_value) * STEP_V

    def milliampere(self, channel: str) -> float:
        volt = self.volt(BOARD.adc.peak_a if channel == "A" else BOARD.adc.peak_b)
        return volt / (BOARD.adc.peak_full_scale_mv / 1000) * BOARD.full_scale_ua / 1000

    def electrode_volt(self, channel: str) -> float:
        return self.volt(BOARD.adc.electrode_a if channel == "A" else BOARD.adc.electrode_b) * 20

    @property
    def rail_volt(self) -> float:
        return self.volt(RAIL) * BOARD.adc.rail_divider

    def keep_alive(self, us: int = 0) -> None:
        """Lets time pass with KEEPALIVE toggling every 20 ms, beginning and ending with a toggle."""
        self._toggle()
        for step in range(0, us, 20_000):
            self.clock.sleep(min(20_000, us - step))
            self._toggle()

    def _toggle(self) -> None:
        self.alive ^= 1
        self.pi.write(PINS["KEEPALIVE"], self.alive)

    def enable(self) -> None:
        self.pi.write(PINS["OUTPUT_ENABLE"], 1)
        self.keep_alive()

    def reset_peaks(self) -> None:
        self.pi.write(PINS["PEAK_RESET"], 1)
        self.pi.write(PINS["PEAK_RESET"], 0)

    def frame(self, word: int, clocks: int = 16) -> list[pigpio.pulse]:
        """A DAC frame as a waveform, most significant bit first."""
        sdi, sck, cs_n = MASK["DAC_SDI"], MASK["DAC_SCK"], MASK["DAC_CS_N"]
        pulses = [pigpio.pulse(0, cs_n | sck, 1)]
        for bit in range(15, 15 - clocks, -1):
            high = bit >= 0 and word >> bit & 1
            pulses.append(pigpio.pulse(sdi if high else 0, sck | (0 if high else sdi), 1))
            pulses.append(pigpio.pulse(sck, 0, 1))
        return [*pulses, pigpio.pulse(cs_n, sck | sdi, 20)]

    def play(self, pulses: list[pigpio.pulse]) -> None:
        """Plays a waveform to its end, and a millisecond more."""
        self.pi.wave_clear()
        self.pi.wave_add_generic(pulses)
        length = self.pi.wave_get_micros()
        self.pi.wave_send_once(self.pi.wave_create())
        self.clock.sleep(length + 1_000)

    def pulse(self, word: int, positive: str, negative: str) -> None:
        """A frame and one pulse of 250 us, 100 us between its phases."""
        phases = [
            pigpio.pulse(MASK[positive], 0, 250),
            pigpio.pulse(0, MASK[positive], 100),
            pigpio.pulse(MASK[negative], 0, 250),
            pigpio.pulse(0, MASK[negative], 100),
        ]
        self.play([*self.frame(word), *phases])

    def close(self) -> None:
        for channel in self.inputs:
            channel.close()
        # gpiozero keeps shared buses by host, not port; one that is collected later strikes out the next test's.
        self.inputs.clear()
        gc.collect()
        thread = self.factory.connection._notify
        self.factory.close()
        thread.join()
        disconnect(self.pi)

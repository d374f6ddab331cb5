"""How long a change of the strength takes to come out: from the request at the engine to the first pulse with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from controller.port import Action
from tests.decoder import decode
from tests.support.treatment import Person

UP_UA = (2_000, 4_000, 6_000, 8_000, 10_000, 12_000)
DOWN_UA = (11_000, 9_000, 7_000, 5_000, 3_000, 1_000)


def to_the_electrode_us(person: Person, up_ua: Sequence[int] = UP_UA, down_ua: Sequence[int] = DOWN_UA) -> list[int]:
    """Of each raise while a contraction is held and each fall in hold or ramp, at different moments of a chunk.

    The session is ended. Read from the edges, on the virtual clock.
    """
    person.start()
    asked: list[tuple[int, int]] = []
    for ua in up_ua:
        person.until(lambda state: state.channels["A"].allowed_ua > state.channels["A"].set_point_ua)
        person.wait(len(asked) * 17_000 % 100_000)
        asked.append((person.now, ua))
        person.set(ua)
        person.until(lambda state, ua=ua: state.channels["A"].set_point_ua == ua)  # type: ignore[misc]
    for number, ua in enumerate(down_ua):
        part, left_us = (("hold", range(700_000, 5_000_000)), ("ramp_up", range(200_000, 600_000)))[number % 3 == 1]
        person.until(
            lambda state, part=part, left_us=left_us: (  # type: ignore[misc]
                state.session is not None and state.session.part == part and state.session.part_left_us in left_us
            )
        )
        asked.append((person.now, ua))
        person.set(ua, controls=False)
        person.wait(500_000 + len(asked) * 17_000 % 100_000)
    person.act(Action.END)
    person.finish()
    closed = [at for at, gpio, level in person.rig.edges() if gpio == 25 and level]
    pulses = decode(edge for edge in person.rig.edges() if edge[0] >= closed[-1]).by_channel["A"]
    took = []
    for at, ua in asked[: len(up_ua)]:
        code = ua * 4096 // 50_000
        took.append(next(pulse.start_us for pulse in pulses if pulse.start_us >= at and pulse.code == code) - at)
    for at, _ in asked[len(up_ua) :]:  # in hold codes stay, in a ramp up they rise
        falls = (after.start_us for before, after in pairwise(pulses) if after.code < before.code)
        took.append(next(fell for fell in falls if fell >= at) - at)
    return took

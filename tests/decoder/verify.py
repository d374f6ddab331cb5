"""Holds a decoded edge file against its programme file and the final set-point."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

from tests.decoder.edges import CODES, Decoded, Pulse, contractions
from tests.decoder.findings import Findings
from tests.decoder.plan import Due, Plan, read_plan
from tests.decoder.rise import Rise, check_steps

CLOSEST_STARTS_US = 6666
CLOSEST_CONTINUOUS_STARTS_US = 50_000
RAMPED_END_US = 500_000
_SAME_PULSE_US = 3333  # a pulse this near to one that is due is that one, misplaced; half the closest starts

Steps = Sequence[tuple[int, int]]


def verify(
    decoded: Decoded,
    programme_toml: bytes,
    intensity_ua: int | Mapping[str, int],
    *,
    whole: bool = True,
    until_us: int | None = None,
    steps: Steps | Mapping[str, Steps] | None = None,
    reached: bool | None = None,
    rise: bool = True,
) -> list[str]:
    """Everything in which the edges are not those of the programme, as ``kind: words``; empty = good.

    All session times count from the first pulse, in us.
    intensity_ua: the final set-point in uA, one for both channels or one for each.
    whole: every pulse of the programme (or up to until_us) must be there; False: a beginning of it is enough.
    until_us: the session was ended here by a ramp: from here on only falling codes, for at most 500 ms.
    steps: the set-points as (time_us, uA from then on), for both channels or for each; every code must then be exactly
        theirs. Without them the codes must be those of some set-point that rises by the rules.
    reached: the last plateau of each channel that plays must show the final set-point; left out: as ``whole`` says.
    rise: False = the steps given need not keep the rules of the rise, as in a test of compiled chunks.
    Raises ValueError if the programme cannot be read, or rise is False without steps.
    """
    if not rise and steps is None:
        raise ValueError("without the rules of the rise the steps must be given")
    plan = read_plan(programme_toml)
    findings = Findings()
    first_us = decoded.pulses[0].start_us if decoded.pulses else 0
    last_us = decoded.pulses[-1].start_us - first_us if decoded.pulses else 0
    for channel in "AB":
        net = decoded.net_charge[channel]
        if net != 0:
            findings.add("net charge", f"channel {channel}: {net} code x us, not 0")
        pulses = decoded.by_channel[channel]
        due = _due(plan, channel, pulses, first_us, until_us, last_us if not whole else None)
        matched = _match(channel, pulses, due, first_us, findings)
        _check_shape(channel, pulses, matched, first_us, findings)
        _check_rest_and_rate(channel, pulses, matched, findings)
        own_steps = steps.get(channel, ()) if isinstance(steps, Mapping) else steps
        final_ua = intensity_ua[channel] if isinstance(intensity_ua, Mapping) else intensity_ua
        if not plan.due(channel):
            continue
        if until_us is not None:
            _check_end(channel, pulses, matched, first_us, until_us, findings)
        must_reach = bool(due) and (whole if reached is None else reached)
        _check_codes(plan, channel, pulses, matched, first_us, final_ua, until_us, own_steps, must_reach, findings)
        if own_steps is not None and rise:
            found = check_steps(own_steps, plan.hold_windows(channel), final_ua)
            for kind, words in found:
                if kind != "not reached" or must_reach:
                    findings.add(kind, f"channel {channel}: {words}")
    return [*decoded.problems, *findings.texts()]


def _due(
    plan: Plan, channel: str, pulses: Sequence[Pulse], first_us: int, until_us: int | None, last_us: int | None
) -> list[Due]:
    """The pulses the file must hold: all, or those up to its last one, and after until_us as many as it does hold."""
    due = plan.due(channel)
    if last_us is not None:
        due = due[: bisect_right(due, last_us, key=lambda pulse: pulse.start_us)]
    if until_us is not None:
        starts_at_end = len(pulses) - bisect_left(pulses, first_us + until_us, key=lambda pulse: pulse.start_us)
        due = due[: bisect_left(due, until_us, key=lambda pulse: pulse.start_us) + starts_at_end]
    return due


def _match(
    channel: str, pulses: Sequence[Pulse], due: Sequence[Due], first_us: int, findings: Findings
) -> list[Due | None]:
    """Finds for each pulse the one that was due; reports missing, extra and misplaced ones."""
    if len(pulses) != len(due):
        findings.add("pulse count", f"channel {channel} has {len(pulses)} pulses, the programme has {len(due)}")
    starts = [pulse.start_us for pulse in pulses]
    due_starts = [first_us + pulse.start_us for pulse in due]
    if starts == due_starts:
        return list(due)
    runs, due_runs = contractions(starts), contractions(due_starts)
    if len(runs) != len(due_runs):
        runs, due_runs = [(0, len(starts))], [(0, len(due_starts))]
    matched: list[Due | None] = [None] * len(pulses)
    for (begin, end), (due_begin, due_end) in zip(runs, due_runs, strict=True):
        own, own_due = starts[begin:end], due_starts[due_begin:due_end]
        shift = own[0] - own_due[0] if own and own_due else 0
        pairs, cost = _align(own, own_due, 0)
        if shift:
            shifted_pairs, shifted_cost = _align(own, own_due, shift)
            if shifted_cost < cost:
                pairs = shifted_pairs
                words = f"channel {channel} begins one at {own[0]} us, the programme says {own_due[0]} us"
                findings.add("contraction start", f"{words}: error {shift:+d} us")
            else:
                shift = 0
        met: set[int] = set()
        for i, j in enumerate(pairs):
            if j is None:
                findings.add("extra pulse", f"channel {channel} at {own[i]} us, where none is due")
                continue
            met.add(j)
            matched[begin + i] = due[due_begin + j]
            error = own[i] - own_due[j] - shift
            if error:
                findings.add("off the grid", f"channel {channel} at {own[i]} us: error {error:+d} us")
        for j, at_us in enumerate(own_due):
            if j not in met:
                findings.add("missing pulse", f"channel {channel}: none at {at_us + shift} us, where one is due")
    return matched


def _align(starts: Sequence[int], due: Sequence[int], shift: int) -> tuple[list[int | None], int]:
    """Pairs starts with due times moved by shift: (for each start the index of its due time, how much is wrong)."""
    pairs: list[int | None] = []
    wrong = j = 0
    for start in starts:
        while j < len(due) and due[j] + shift < start - _SAME_PULSE_US:
            wrong += 1
            j += 1
        if j < len(due) and due[j] + shift <= start + _SAME_PULSE_US:
            wrong += due[j] + shift != start
            pairs.append(j)
            j += 1
        else:
            wrong += 1
            pairs.append(None)
    return pairs, wrong + len(due) - j


def _check_shape(
    channel: str, pulses: Sequence[Pulse], matched: Sequence[Due | None], first_us: int, findings: Findings
) -> None:
    for pulse, due in zip(pulses, matched, strict=True):
        if due is None:
            continue
        shape = due.contraction.shape
        for line, width_us in (("POS", pulse.pos_us), ("NEG", pulse.neg_us)):
            if width_us != shape.width_us:
                words = f"channel {channel} at {pulse.start_us} us: {line} {width_us} us, not {shape.width_us} us"
                findings.add("phase width", words)
        if pulse.gap_us != shape.gap_us:
            words = f"channel {channel} at {pulse.start_us} us: {pulse.gap_us} us, not {shape.gap_us} us"
            findings.add("interphase gap", words)


def _check_rest_and_rate(
    channel: str, pulses: Sequence[Pulse], matched: Sequence[Due | None], findings: Findings
) -> None:
    """From the starts alone, but for what the programme declares continuous."""
    starts = [pulse.start_us for pulse in pulses]
    continuous = [due is not None and due.contraction.shape.continuous for due in matched]
    for i in range(1, len(starts)):
        apart = starts[i] - starts[i - 1]
        allowed = CLOSEST_CONTINUOUS_STARTS_US if continuous[i] or continuous[i - 1] else CLOSEST_STARTS_US
        if apart < allowed:
            findings.add("rate", f"channel {channel} at {starts[i]} us: {apart} us after the start before, < {allowed}")
    runs = contractions(starts)
    for (begin, end), (next_begin, _) in pairwise(runs):
        length, rest = starts[end - 1] - starts[begin], starts[next_begin] - starts[end - 1]
        if rest < length and not all(continuous[begin:end]):
            words = f"channel {channel}: a contraction of {length} us from {starts[begin]} us is followed by {rest} us"
            findings.add("rest", words)


def _check_codes(
    plan: Plan,
    channel: str,
    pulses: Sequence[Pulse],
    matched: Sequence[Due | None],
    first_us: int,
    final_ua: int,
    until_us: int | None,
    steps: Steps | None,
    must_reach: bool,
    findings: Findings,
) -> None:
    ceilings = {id(c.shape): c.shape.codes(final_ua) for c in plan.contractions}
    rise = Rise(plan.hold_windows(channel), final_ua)
    failed_before = False
    plateau: tuple[int, int] | None = None
    step_times = [at_us for at_us, _ in steps or ()]
    for pulse, due in zip(pulses, matched, strict=True):
        if due is None:
            continue
        at_us, n, shape = pulse.start_us - first_us, due.n, due.contraction.shape
        code, ceiling = pulse.code, ceilings[id(shape)][n]
        above, below = shape.numerators[n], shape.denominators[n]
        ended = until_us is not None and at_us >= until_us
        if shape.held[n] and not ended:
            plateau = code, ceiling
        if code > ceiling:
            words = f"channel {channel} at {pulse.start_us} us: code {code}, {final_ua} uA allow {ceiling}"
            findings.add("over the set-point", words)
            continue
        if ended:
            continue
        if steps is not None:
            i = bisect_right(step_times, at_us)
            set_point = steps[i - 1][1] if i else 0
            exact = min(CODES - 1, set_point * above // below)
            if code != exact:
                words = f"channel {channel} at {pulse.start_us} us: code {code}, {set_point} uA give {exact}"
                findings.add("code", words)
            continue
        low_ua, high_ua = 0, final_ua
        if above:
            low_ua = -(-code * below // above)
            high_ua = ((code + 1) * below - 1) // above if code < CODES - 1 else final_ua
        kind = rise.pulse(at_us, low_ua, high_ua)
        if kind is not None:
            lowest, highest = rise.possible
            words = f"code {code} shows a set-point of {low_ua}-{high_ua} uA, {lowest}-{highest} uA stood before"
            findings.add(kind, f"channel {channel} at {pulse.start_us} us: {words}")
            if failed_before:  # twice running: no single wrong code, so go on from what is there
                rise.restart(at_us, low_ua, high_ua)
        failed_before = kind is not None and not failed_before
    if must_reach and final_ua and (plateau is None or plateau[0] != plateau[1]):
        shown = f"code {plateau[0]}, {final_ua} uA give {plateau[1]}" if plateau else "nothing"
        findings.add("not reached", f"the last plateau of channel {channel} shows {shown}")


def _check_end(
    channel: str,
    pulses: Sequence[Pulse],
    matched: Sequence[Due | None],
    first_us: int,
    until_us: int,
    findings: Findings,
) -> None:
    """A session ended by a ramp: from until_us on only falling codes, for at most 500 ms, and nothing new begun."""
    end_us = first_us + until_us
    begun = bisect_left(pulses, end_us, key=lambda pulse: pulse.start_us)
    tail = pulses[begun:]
    code = pulses[begun - 1].code if begun else 0
    for pulse, due in zip(tail, matched[begun:], strict=True):
        here = f"channel {channel} at {pulse.start_us} us"
        if pulse.code > code:
            findings.add("ramped end", f"{here}: the code rises from {code} to {pulse.code} after the end")
        if pulse.end_us > end_us + RAMPED_END_US:
            findings.add("ramped end", f"{here}: later than {RAMPED_END_US} us after the end")
        if due is not None and due.contraction.start_us >= until_us:
            findings.add("ramped end", f"{here}: a contraction that begins after the end")
        code = pulse.code
    long_tail = bool(tail) and tail[-1].start_us - tail[0].start_us >= RAMPED_END_US // 2
    if long_tail and tail[0].code and tail[-1].code >= tail[0].code:
        findings.add("ramped end", f"channel {channel}: the codes do not fall after {end_us} us")

"""How often one address may ask: a token bucket each. Pure; time in seconds is an argument."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

PER_SECOND: Final = 100.0
BURST: Final = 200.0
"""A page with heartbeat, polling and two streams asks for some 20 a second. ours."""
ADDRESSES_MAX: Final = 1_000


@dataclass
class _Bucket:
    left: float
    at_s: float


class Rates:
    """The buckets of the addresses that asked last."""

    def __init__(self, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._per_second, self._burst = per_second, burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, address: str, now_s: float) -> bool:
        """Whether this address may ask once more now."""
        bucket = self._buckets.pop(address, None) or _Bucket(self._burst, now_s)
        self._buckets[address] = bucket
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        bucket.left = min(self._burst, bucket.left + max(0.0, now_s - bucket.at_s) * self._per_second)
        bucket.at_s = now_s
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

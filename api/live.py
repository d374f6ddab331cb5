"""The live state as a stream. A reader that is slow misses states, never events; one that is too slow is let go."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from api.devices import Device
from api.service import Service
from controller.port import Event

EVERY_S: Final = 0.08
"""Less than 100 ms: what making and sending a state takes comes on top, and ten a second are promised."""
EVENTS_MAX: Final = 200
"""Events that may wait for a reader."""


async def messages(service: Service, device: Device) -> AsyncIterator[tuple[str, str]]:
    """``("state", JSON)`` at least every 100 ms, and ``("event", JSON)`` as they come.

    Ends when the phone is no longer paired, with the server, or when more than EVENTS_MAX events wait: the page then
    opens it anew.
    """
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    events: deque[Event] = deque(maxlen=EVENTS_MAX + 1)  # one that reads nothing at all is held no more for

    def take(event: Event) -> None:
        events.append(event)
        arrived.set()

    def hand_over(event: Event) -> None:
        loop.call_soon_threadsafe(take, event)

    end = service.engine.subscribe(hand_over)
    service.figures.streams += 1
    try:
        while service.devices.usable(device) and not service.ending() and len(events) <= EVENTS_MAX:
            arrived.clear()
            while events:
                event = events.popleft()
                yield "event", json.dumps({"code": event.code, "detail": event.detail, "session": event.session})
            yield "state", service.state_json()
            try:
                await asyncio.wait_for(arrived.wait(), EVERY_S)
            except TimeoutError:
                continue
    finally:
        service.figures.streams -= 1
        end()


async def as_sse(service: Service, device: Device) -> AsyncIterator[str]:
    """The same as server-sent events."""
    async for name, data in messages(service, device):
        yield f"event: {name}\ndata: {data}\n\n"

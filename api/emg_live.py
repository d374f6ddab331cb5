"""Live muscle activity as a stream. A reader that is slow misses blocks; the newest come first after that."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from api.devices import Device
from api.service import Service
from controller.training.room import Message

WAITING_MAX: Final = 40
"""Blocks that may wait for a reader, two seconds; of more the oldest are dropped. What happened to a training stays."""
LOOK_S: Final = 1.0
"""How often it is looked whether the phone is still paired while nothing comes."""


async def as_sse(service: Service, device: Device) -> AsyncIterator[str]:
    """``emg`` 21 times a second while it is read, and ``training`` as it comes, as server-sent events."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    waiting: deque[Message] = deque()

    def take(message: Message) -> None:
        if len(waiting) >= WAITING_MAX:
            oldest = next((one for one in waiting if one[0] == "emg"), waiting[0])
            waiting.remove(oldest)
        waiting.append(message)
        arrived.set()

    def hand_over(message: Message) -> None:
        with contextlib.suppress(RuntimeError):  # the server's loop has ended
            loop.call_soon_threadsafe(take, message)

    end = service.room.watch(hand_over)
    service.figures.streams += 1
    try:
        while service.devices.usable(device) and not service.ending():
            arrived.clear()
            while waiting:
                name, data = waiting.popleft()
                yield f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
            try:
                await asyncio.wait_for(arrived.wait(), LOOK_S)
            except TimeoutError:
                continue
    finally:
        service.figures.streams -= 1
        end()

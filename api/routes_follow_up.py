"""Between trainings: the clinician's message, reminders, and the monthly impression."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.auth import AClinician, APatient, TheService
from api.models import WHOLE, In, Out
from api.problems import documented
from api.routes_session import PATIENT
from api.service import Service
from controller import past
from controller.chain import Kind
from controller.journal import utc_now
from controller.training.follow_up import STEP_MAX, follow_up

router = APIRouter(prefix="/follow-up", tags=["training"])
KEPT = (*PATIENT, "journal_not_written")


class MessageIn(In):
    """A word from the clinician."""

    text: Annotated[str, Field(max_length=500, description="Empty: the one there was is taken away.")]


class ReminderIn(In):
    """When the page reminds, while it is open."""

    days: Annotated[
        list[Annotated[int, Field(ge=0, le=6), WHOLE]],
        Field(max_length=7, description="Days of the week, 0: Monday; none: no reminder."),
    ]
    time: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="On the person's own clock.")]


class ImpressionIn(In):
    """The patient global impression of improvement (PGI-I)."""

    step: Annotated[
        int, Field(ge=1, le=STEP_MAX, description="1: very much better, 4: no change, 7: very much worse."), WHOLE
    ]


class MessageOut(Out):
    """A word from the clinician, and when it was written."""

    text: str
    at: str


class ReminderOut(Out):
    """When the page reminds."""

    days: list[int] = Field(description="Days of the week, 0: Monday.")
    time: str = Field(description="On the person's own clock.")


class ImpressionOut(Out):
    """One answer."""

    day: str = Field(description="ISO date in UTC.")
    step: int = Field(description="1: very much better, 4: no change, 7: very much worse.")


class FollowUpOut(Out):
    """All of it."""

    message: MessageOut | None = Field(description="The newest; null: there is none.")
    reminder: ReminderOut | None = Field(description="Null: none is wanted.")
    impressions: list[ImpressionOut] = Field(description="In order.")
    trained: str | None = Field(description="ISO date of the last session or training, in UTC; null: none yet.")
    impression_due: bool = Field(description="A month of training, or since the last answer, has passed: it is asked.")


@router.get("", summary="Message, reminder, impressions", responses=documented(*PATIENT))
def read(service: TheService, device: APatient) -> FollowUpOut:
    """How it stands today."""
    del device
    return _told(service)


@router.put("/message", summary="Write to the patient", responses=documented(*KEPT))
async def write(service: TheService, device: AClinician, told: MessageIn) -> FollowUpOut:
    """One message, which the patient's first view shows until another is written or it is taken away."""
    await service.settle(service.note(Kind.MESSAGE, who=device.id, text=told.text))
    return await asyncio.to_thread(_told, service)


@router.put("/reminder", summary="Choose when to be reminded", responses=documented(*KEPT))
async def remind(service: TheService, device: APatient, told: ReminderIn) -> FollowUpOut:
    """The page reminds while it is open; the device itself sends nothing anywhere."""
    await service.settle(service.note(Kind.REMINDER, who=device.id, days=sorted(set(told.days)), time=told.time))
    return await asyncio.to_thread(_told, service)


@router.post("/impressions", status_code=201, summary="Tell the impression", responses=documented(*KEPT))
async def impress(service: TheService, device: APatient, told: ImpressionIn) -> FollowUpOut:
    """Asked once a month; the newest answer of a day counts."""
    await service.settle(service.note(Kind.IMPRESSION, who=device.id, step=told.step))
    return await asyncio.to_thread(_told, service)


def _told(service: Service) -> FollowUpOut:
    found = follow_up(past.for_follow_up(service.journal.path), date.fromisoformat(utc_now()[:10]))
    message, reminder = found.message, found.reminder
    return FollowUpOut(
        message=None if message is None else MessageOut(text=message.text, at=message.at),
        reminder=None if reminder is None else ReminderOut(days=list(reminder.days), time=reminder.time),
        impressions=[ImpressionOut(day=day, step=step) for day, step in found.impressions.items()],
        trained=found.trained,
        impression_due=found.due,
    )

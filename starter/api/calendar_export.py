"""A schedule as a calendar: one event per person and shift, for calendar programs to subscribe to.

Opened by the system's token like the rest of the API, or by a token in the address that opens this one
schedule, for reading, and nothing else: calendar programs send no headers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import icalendar
from fastapi import APIRouter, Query, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from domain.absences import Absences
from domain.names import require_known
from domain.on_call import on_call_at
from domain.policy.model import Policy
from domain.policy.rota import Schedule
from starter.api.authorisation import admit
from starter.api.bodies import NoQuery
from starter.api.oncall import calendar_subject, schedule_of
from starter.api.services import services_of

router = APIRouter(prefix="/api/v1/oncall", tags=["on call"])
BACK, AHEAD = timedelta(days=14), timedelta(days=90)
MOST_SHIFTS = 5_000
_scheme = HTTPBearer(auto_error=False)


class CalendarQuery(NoQuery):
    """Whose shifts, and by which right."""

    person: str | None = Field(None, description="Only this person's shifts")
    token: str | None = Field(None, description="Of `calendar_url`; instead of the bearer token")


@dataclass
class _Stretch:
    """One person's shift: on call without a break for one reason."""

    person: str
    why: str
    start: datetime
    until: datetime


@router.get(
    "/{schedule}.ics", summary="A schedule as an iCalendar feed", operation_id="oncall_calendar"
)
async def oncall_calendar(
    request: Request,
    schedule: str,
    query: Annotated[CalendarQuery, Query()],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_scheme)],
) -> Response:
    """Fourteen days back, ninety ahead."""
    services = services_of(request)
    is_signed = query.token is not None and services.signer.verify(
        calendar_subject(schedule), query.token
    )
    if not is_signed:
        admit(request, credentials.credentials if credentials else "")
    policy = services.policy()
    found = schedule_of(policy, schedule)
    if query.person is not None:
        require_known("person", query.person, policy.people, "person")
    now = datetime.now(UTC).replace(microsecond=0)
    data = await asyncio.to_thread(render, policy, schedule, found, now, query.person)
    headers = {
        "Cache-Control": "private, max-age=300",
        "Content-Disposition": 'inline; filename="on-call.ics"',
    }
    return Response(data, media_type="text/calendar; charset=utf-8", headers=headers)


def render(
    policy: Policy, name: str, schedule: Schedule, now: datetime, person: str | None = None
) -> bytes:
    """The iCalendar text.

    A shift has the same UID in every export as long as it begins at the same time, so that programs
    see a changed end or reason as a change of the same event.
    """
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Tocsin//on call//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    whose = f" ({person})" if person else ""
    calendar.add("x-wr-calname", f"On call: {name}{whose}")
    calendar.add("x-wr-timezone", schedule.timezone)
    calendar.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for stretch in stretches(schedule, now - BACK, now + AHEAD, Absences.of(policy)):
        if person is None or stretch.person == person:
            calendar.add_component(_event(policy, name, stretch, now))
    return bytes(calendar.to_ical())


def stretches(
    schedule: Schedule, start: datetime, end: datetime, absences: Absences
) -> Iterator[_Stretch]:
    """Each person's shifts that touch a time, whole: neither cut at its start nor at its end."""
    running: dict[tuple[str, str], _Stretch] = {}
    at = start
    for _ in range(MOST_SHIFTS):
        shift = on_call_at(schedule, at, absences)
        until = shift.until or end
        now_on = {(duty.person, duty.why): duty for duty in shift.on}
        yield from _ended(running, now_on)
        for key, duty in now_on.items():
            known = running.setdefault(key, _Stretch(duty.person, duty.why, shift.start, until))
            known.until = until
        at = until
        if at >= end:
            break
    yield from running.values()


def _ended(
    running: dict[tuple[str, str], _Stretch], now_on: Mapping[tuple[str, str], object]
) -> Iterator[_Stretch]:
    for key in [key for key in running if key not in now_on]:
        yield running.pop(key)


def _event(policy: Policy, name: str, stretch: _Stretch, now: datetime) -> icalendar.Event:
    event = icalendar.Event()
    person = policy.people.get(stretch.person)
    called = person.name if person and person.name else stretch.person
    begins = stretch.start.astimezone(UTC)
    identity = f"{name}/{stretch.person}/{begins.isoformat()}"
    event.add("uid", f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}@tocsin")
    event.add("dtstamp", now)
    event.add("dtstart", begins)
    event.add("dtend", stretch.until.astimezone(UTC))
    event.add("summary", f"{called} on call: {name}")
    event.add("description", stretch.why)
    event.add("transp", "TRANSPARENT")
    return event

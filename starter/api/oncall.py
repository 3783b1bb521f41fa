"""Who is on call: step by step for a service, shift by shift for a schedule, and what is wrong with it.

What changes it at run time is `roster.py`; the same as a calendar is `calendar_export.py`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from domain.absences import Absences
from domain.coverage import Finding, Kind, find_all, has_usable_contact
from domain.durations import format_duration
from domain.errors import Problem
from domain.names import nearest
from domain.on_call import Shift, resolve_targets, shifts
from domain.policy.model import Policy
from domain.policy.rota import Schedule
from domain.policy.slice import plan_for
from starter.api.bodies import NoQuery
from starter.api.names import check_service
from starter.api.problems import ProblemError, invalid
from starter.api.services import Services, services_of

router = APIRouter(prefix="/oncall", tags=["on call"])
MAX_DAYS = 366


class OnCallQuery(NoQuery):
    """Of which service, and when."""

    service: str
    at: str | None = Field(None, description="A time; left out: now. Without a zone it is UTC")


class GapsQuery(NoQuery):
    """How far ahead."""

    days: int = Field(14, ge=1, le=MAX_DAYS)


class ShiftsQuery(NoQuery):
    """From when to when."""

    start: str | None = Field(None, alias="from")
    end: str | None = Field(None, alias="to")
    days: int | None = Field(None, ge=1, le=MAX_DAYS, description="Instead of `to`")


@router.get("", summary="Who would be paged for a service", operation_id="oncall")
async def oncall(request: Request, query: Annotated[OnCallQuery, Query()]) -> dict[str, Any]:
    policy = services_of(request).policy()
    check_service(policy, query.service)
    at = instant_in(query.at, "/at") or datetime.now(UTC)
    return {"service": query.service, "at": wire(at), "steps": steps_of(policy, query.service, at)}


@router.get("/gaps", summary="What is wrong with who is on call", operation_id="oncall_gaps")
async def oncall_gaps(request: Request, query: Annotated[GapsQuery, Query()]) -> dict[str, Any]:
    """Holes, people whom nothing reaches, empty steps, double bookings, expired calendars."""
    policy = services_of(request).policy()
    start = datetime.now(UTC).replace(microsecond=0)
    end = start + timedelta(days=query.days)
    found = await asyncio.to_thread(find_all, policy, start, end)
    holes = [
        {"schedule": one.schedule, "from": wire(one.start), "to": wire(one.end)}
        for one in found
        if one.kind is Kind.GAP
    ]
    findings = [_finding(one) for one in found]
    return {"from": wire(start), "to": wire(end), "gaps": holes, "findings": findings}


@router.get("/{schedule}", summary="The shifts of a schedule", operation_id="oncall_shifts")
async def oncall_shifts(
    request: Request, schedule: str, query: Annotated[ShiftsQuery, Query()]
) -> dict[str, Any]:
    services = services_of(request)
    policy = services.policy()
    found = schedule_of(policy, schedule)
    start = instant_in(query.start, "/from") or datetime.now(UTC).replace(microsecond=0)
    end = instant_in(query.end, "/to") or start + timedelta(days=query.days or 14)
    if query.end is not None and query.days is not None:
        raise invalid("give either `to` or `days`", "/days")
    if not timedelta(0) < end - start <= timedelta(days=MAX_DAYS):
        raise invalid(f"`to` lies after `from`, by at most {MAX_DAYS} days", "/to")
    listed = await asyncio.to_thread(shifts, found, start, end, Absences.of(policy))
    return {
        "schedule": schedule,
        "timezone": found.timezone,
        "calendar_url": calendar_url(services, schedule),
        "shifts": [_shift(one) for one in listed],
    }


def calendar_url(services: Services, schedule: str) -> str:
    """The address by which a calendar program reads a schedule, and nothing else, without signing in."""
    base = services.settings.own_url().rstrip("/")
    token = services.signer.sign(calendar_subject(schedule))
    return f"{base}/api/v1/oncall/{quote(schedule, safe='')}.ics?token={token}"


def calendar_subject(schedule: str) -> str:
    """What a calendar's token is for. No id of an incident has a colon, so that none opens the other."""
    return f"calendar:{schedule}"


def _shift(one: Shift) -> dict[str, Any]:
    return {
        "person": one.person,
        "also": [{"person": duty.person, "why": duty.why} for duty in one.also],
        "from": wire(one.start),
        "to": wire(one.until),
        "why": one.why,
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "where": one.where,
        "schedule": one.schedule,
        "person": one.person,
        "from": wire(one.start),
        "to": wire(one.end),
        "detail": one.detail,
    }


def steps_of(policy: Policy, service: str, at: datetime) -> list[dict[str, Any]]:
    """Each step of the service's escalation plan, with whom it means at `at`."""
    steps = []
    for step in plan_for(policy, service).steps:
        people, reasons = resolve_targets(policy, step.targets, at)
        targets = [
            {
                "person": one.person,
                "schedule": one.schedule,
                "until": wire(one.until) if one.until else None,
                "why": one.why,
                "is_reachable": one.person in policy.people
                and has_usable_contact(policy.people[one.person]),
            }
            for one in people
        ]
        steps.append({"after": format_duration(step.after), "targets": targets, "skipped": reasons})
    return steps


def schedule_of(policy: Policy, name: str) -> Schedule:
    """The schedule in a path. Raises ProblemError: 404 with the near matches."""
    if name not in policy.schedules:
        near = nearest(name, policy.schedules)
        problem = Problem(where="/schedule", detail=f"unknown schedule {name!r}", near=near)
        raise ProblemError(404, "not_found", problem.detail, [problem])
    return policy.schedules[name]


def instant_in(text: str | None, pointer: str) -> datetime | None:
    """A time in a query. A `+` that a client left unquoted arrives as a blank."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(
            f"{text[:40]!r} is not a time such as 2026-01-05T09:00:00Z", pointer
        ) from None
    if not 1971 <= at.year <= 2998:
        raise invalid("lies outside the years 1971 to 2998", pointer)
    return at


def wire(at: datetime | None) -> str | None:
    """A time as the API writes it."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""Who is on call, and overrides of a schedule made at run time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.durations import format_duration
from domain.errors import CommandError, Problem
from domain.names import nearest
from domain.on_call import gaps, resolve_targets, shifts
from domain.policy.model import Policy
from domain.policy.rota import Override, Schedule
from domain.policy.slice import plan_for
from domain.shape import shape_problems
from domain.timeline import OPERATOR
from starter.api.bodies import Body, NoQuery, no_query
from starter.api.names import check_actor, check_service
from starter.api.problems import ProblemError, invalid
from starter.api.schemas import body_of
from starter.api.services import services_of

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


@router.get("", summary="Who would be paged for a service", operation_id="oncall")
async def oncall(request: Request, query: Annotated[OnCallQuery, Query()]) -> dict[str, Any]:
    policy = services_of(request).policy()
    check_service(policy, query.service)
    at = instant_in(query.at, "/at") or datetime.now(UTC)
    return {"service": query.service, "at": wire(at), "steps": steps_of(policy, query.service, at)}


@router.get("/gaps", summary="When nobody is on call", operation_id="oncall_gaps")
async def oncall_gaps(request: Request, query: Annotated[GapsQuery, Query()]) -> dict[str, Any]:
    schedules = services_of(request).policy().schedules
    start = datetime.now(UTC)
    end = start + timedelta(days=query.days)
    found = [
        {"schedule": name, "from": wire(begin), "to": wire(until)}
        for name, schedule in schedules.items()
        for begin, until in await asyncio.to_thread(gaps, schedule, start, end)
    ]
    return {"from": wire(start), "to": wire(end), "gaps": found}


@router.get("/{schedule}", summary="The shifts of a schedule", operation_id="oncall_shifts")
async def oncall_shifts(
    request: Request, schedule: str, query: Annotated[ShiftsQuery, Query()]
) -> dict[str, Any]:
    found = schedule_of(services_of(request).policy(), schedule)
    start = instant_in(query.start, "/from") or datetime.now(UTC)
    end = instant_in(query.end, "/to") or start + timedelta(days=14)
    if not timedelta(0) < end - start <= timedelta(days=MAX_DAYS):
        raise invalid(f"`to` lies after `from`, by at most {MAX_DAYS} days", "/to")
    listed = [
        {"person": one.person, "from": wire(one.start), "to": wire(one.until), "why": one.why}
        for one in await asyncio.to_thread(shifts, found, start, end)
    ]
    return {"schedule": schedule, "timezone": found.timezone, "shifts": listed}


@router.post(
    "/{schedule}/overrides",
    status_code=201,
    summary="Put somebody else on call for a while",
    operation_id="override",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(Override),
)
async def override(request: Request, schedule: str, body: Body) -> Response:
    services = services_of(request)
    policy = services.policy()
    zone = schedule_of(policy, schedule).timezone
    fields = {name: value for name, value in body.items() if name not in ("actor", "key")}
    check_actor(policy, str(body.get("actor") or OPERATOR))
    made = override_from(fields, zone)
    await asyncio.to_thread(services.policies.add_override, schedule, made)
    said = made.model_dump(mode="json", by_alias=True)
    return JSONResponse({"schedule": schedule, "override": said}, 201)


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


def override_from(fields: dict[str, Any], timezone: str) -> Override:
    """Read an override; a time with an offset becomes wall time of the schedule's zone.

    Raises:
        CommandError: naming every field that is wrong. Not retried.
    """
    local = dict(fields)
    for name in ("from", "to"):
        at = _aware(local.get(name))
        if at is not None:
            local[name] = at.astimezone(ZoneInfo(timezone)).replace(tzinfo=None).isoformat()
    try:
        return Override.model_validate(local)
    except ValidationError as error:
        raise CommandError("override", shape_problems("override", Override, error)) from None


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


def _aware(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo is not None and 1971 <= at.year <= 2998 else None

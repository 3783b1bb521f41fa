"""Changing who is on call for a while: overrides, swaps, temporary schedules, contacts switched off.

All of it is held by the workflow `Roster`. Names and times are judged there, by the policy in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.policy.model import Policy
from domain.policy.rota import Override, Schedule, Temporary
from domain.roster import ContactSwitch, Entry, RosterCopy, said_of
from domain.roster_changes import (
    ROSTER_CHANGES,
    AddOverride,
    AddTemporary,
    RemoveOverride,
    SetContact,
    Swap,
    parse_change,
)
from domain.timeline import OPERATOR
from domain.wall_clock import instant_of
from starter.api.authorisation import authorise
from starter.api.bodies import Body, Key, NoQuery, key_for, no_query
from starter.api.names import check_actor
from starter.api.oncall import schedule_of, wire
from starter.api.problems import ProblemError
from starter.api.schemas import body_of
from starter.api.services import services_of
from starter.temporal_link import GatewayUnavailableError, RefusedError

router = APIRouter(prefix="/oncall", tags=["on call"])
NOTHING_KEPT = "Temporal is away: nothing is known to be kept; send it again, one key counts once"


class EntriesQuery(NoQuery):
    """Which of them."""

    schedule: str | None = None
    past: bool = Field(False, description="Also what is over")


@router.get("/overrides", summary="What was changed for a while", operation_id="overrides")
async def overrides(request: Request, query: Annotated[EntriesQuery, Query()]) -> dict[str, Any]:
    """Overrides and temporary schedules of the policy and those made at run time, in their order."""
    services = services_of(request)
    policy, now = services.policy(), datetime.now(UTC)
    if query.schedule is not None:
        schedule_of(policy, query.schedule)
    roster = roster_of(request)
    names = [query.schedule] if query.schedule is not None else list(policy.schedules)
    found: list[dict[str, Any]] = []
    own = services.policies.base()
    for name in names:
        if name in own.schedules:
            found += _of_policy(name, own.schedules[name])
        found += [_shown(entry) for entry in roster.entries if entry.schedule == name]
    shown = [one for one in found if query.past or one["ends_at"] > now]
    shown.sort(key=lambda one: (one["starts_at"], one["id"] or ""))
    times = ("starts_at", "ends_at")
    return {
        "overrides": [one | {name: wire(one[name]) for name in times} for one in shown],
        "contacts": [switch.model_dump(mode="json") for switch in roster.contacts],
    }


@router.post(
    "/people/{person}/contacts",
    summary="Switch a person's contacts of one channel off, or on again",
    operation_id="set_contact",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(SetContact),
)
async def set_contact(request: Request, person: str, body: Body, key: Key) -> Response:
    return await _change(request, SetContact, {**body, "person": person}, key, 200)


@router.post(
    "/{schedule}/overrides",
    status_code=201,
    summary="Put somebody on call, or take somebody off, for a while",
    operation_id="override",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(AddOverride),
)
async def override(request: Request, schedule: str, body: Body, key: Key) -> Response:
    schedule_of(services_of(request).policy(), schedule)
    return await _change(request, AddOverride, {**body, "schedule": schedule}, key, 201)


@router.post(
    "/overrides/{override_id}/remove",
    summary="Take an override, a swap or a temporary schedule back",
    operation_id="remove_override",
    dependencies=[Depends(no_query)],
)
async def remove_override(request: Request, override_id: str, body: Body, key: Key) -> Response:
    try:
        return await _change(request, RemoveOverride, {**body, "id": override_id}, key, 200)
    except RefusedError as error:
        if error.kind != "UnknownNameError":
            raise
        raise ProblemError(404, "not_found", str(error), error.problems()) from None


@router.post(
    "/{schedule}/swaps",
    status_code=201,
    summary="Two people take each other's turns",
    operation_id="swap",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(Swap),
)
async def swap(request: Request, schedule: str, body: Body, key: Key) -> Response:
    schedule_of(services_of(request).policy(), schedule)
    return await _change(request, Swap, {**body, "schedule": schedule}, key, 201)


@router.post(
    "/{schedule}/temporary",
    status_code=201,
    summary="Replace everything in a schedule for a while by fixed shifts",
    operation_id="temporary",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(AddTemporary),
)
async def temporary(request: Request, schedule: str, body: Body, key: Key) -> Response:
    schedule_of(services_of(request).policy(), schedule)
    return await _change(request, AddTemporary, {**body, "schedule": schedule}, key, 201)


def roster_of(request: Request) -> RosterCopy:
    """The roster's copy; what cannot be read is told by /readyz, and shown as nothing here."""
    try:
        return services_of(request).policies.files.roster()
    except (OSError, ValueError):
        return RosterCopy()


async def _change(
    request: Request, kind: type, body: Mapping[str, Any], header: str | None, status: int
) -> Response:
    """Ask the roster for a change.

    Raises:
        IncidentError: the body is of the wrong shape; before anything is sent.
        GatewayUnavailableError: Temporal is away; nothing was kept.
    """
    services = services_of(request)
    fields = dict(body)
    key = key_for(fields, header)
    fields["actor"] = fields.get("actor") or OPERATOR
    change, actor, _ = parse_change(kind.name, fields)  # type: ignore[attr-defined]
    authorise(request, change.name, fields, actor)
    check_actor(services.policy(), actor)
    assert ROSTER_CHANGES[change.name] is kind
    try:
        answer = await services.gateway.change_roster(change.name, fields, key)
    except GatewayUnavailableError as error:
        raise GatewayUnavailableError(f"{NOTHING_KEPT} ({error})") from error
    if answer is None:
        return JSONResponse({"accepted": True}, 202)
    return JSONResponse(_answered(answer, services.policy()), status)


def _answered(answer: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """The roster's answer as the API gives it."""
    said: dict[str, Any] = {"copied": answer["copied"], "warnings": answer["warnings"]}
    added = [Entry.model_validate(entry) for entry in answer["added"]]
    removed = [Entry.model_validate(entry) for entry in answer["removed"]]
    if added:
        first = _shown(added[0])
        said = {"id": first["id"], "schedule": first["schedule"]} | said
        if first["schedule"] in policy.schedules:
            # Whose wall time the times below are.
            said["timezone"] = policy.schedules[first["schedule"]].timezone
        for name in ("override", "temporary"):
            if first[name] is not None and len(added) == 1:
                said[name] = first[name]
        if len(added) > 1:
            said["overrides"] = [{"id": one.id, **(_wall(one.override) or {})} for one in added]
    if removed:
        said["removed"] = [one.id for one in removed]
        said["schedule"] = removed[0].schedule
    if answer.get("contact") is not None:
        said["contact"] = ContactSwitch.model_validate(answer["contact"]).model_dump(mode="json")
    return said


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "schedule": entry.schedule,
        "what": entry.what(),
        "starts_at": entry.starts_at,
        "ends_at": entry.ends_at,
        "override": _wall(entry.override),
        "temporary": _wall(entry.temporary),
        "made_by": entry.actor,
        "swap": entry.swap,
    }


def _of_policy(name: str, schedule: Schedule) -> list[dict[str, Any]]:
    """What the policy's own files say; it has no id, for it is changed there."""
    zone = ZoneInfo(schedule.timezone)
    listed: list[Override | Temporary] = [*schedule.overrides, *schedule.temporary]
    return [
        {
            "id": None,
            "schedule": name,
            "what": said_of(one) if isinstance(one, Override) else "temporary schedule",
            "starts_at": instant_of(one.start, zone),
            "ends_at": instant_of(one.end, zone),
            "override": _wall(one) if isinstance(one, Override) else None,
            "temporary": _wall(one) if isinstance(one, Temporary) else None,
            "made_by": "policy",
            "swap": None,
        }
        for one in listed
    ]


def _wall(made: Override | Temporary | None) -> dict[str, Any] | None:
    return None if made is None else made.model_dump(mode="json", by_alias=True)

"""Maintenance windows over HTTP: begin one, see them, end one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import Problem, TransitionError
from domain.maintaining import ADD, AddMaintenance, parse_maintenance, span_of
from domain.maintenance import Window
from domain.names import nearest
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from domain.timeline import OPERATOR
from domain.wall_clock import instant_of
from starter.api.bodies import Body, Key, NoQuery, key_for, no_query
from starter.api.names import check_actor, check_service
from starter.api.oncall import wire
from starter.api.problems import ProblemError, invalid
from starter.api.schemas import body_of
from starter.api.services import services_of
from starter.gateway import Accepted
from starter.temporal_link import RefusedError

router = APIRouter(prefix="/maintenance", tags=["maintenance"])


class WindowsQuery(NoQuery):
    """Of which service; left out: of all."""

    service: str | None = None


@router.get("", summary="Windows that last or are to come", operation_id="maintenance")
async def maintenance(request: Request, query: Annotated[WindowsQuery, Query()]) -> dict[str, Any]:
    services = services_of(request)
    policy = services.policy()
    if query.service is not None:
        check_service(policy, query.service)
    asked = [query.service] if query.service else [*policy.services, UNKNOWN_SERVICE]
    now = datetime.now(UTC)
    found, silent = await services.standing.windows(policy, asked, now)
    shown = [_shown(service, window, now) for service, window in found]
    return {"windows": shown, "unanswered": silent}


def _schema() -> dict[str, Any]:
    extra = body_of(AddMaintenance)
    schema = extra["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"] = {"service": {"type": "string"}, **schema["properties"]}
    schema["required"] = ["service", *schema.get("required", [])]
    return extra


@router.post(
    "",
    status_code=201,
    summary="Begin a window: alerts of a service are recorded and page nobody",
    operation_id="add_maintenance",
    dependencies=[Depends(no_query)],
    openapi_extra=_schema(),
)
async def add(request: Request, body: Body, header: Key) -> Response:
    services = services_of(request)
    policy = services.policy()
    service = body.get("service")
    if not isinstance(service, str):
        raise invalid("service is required: a name of the policy", "/service")
    check_service(policy, service)
    check_actor(policy, str(body.get("actor") or OPERATOR))
    fields = _in_zone(body, policy)
    now = datetime.now(UTC)
    asked = parse_maintenance(ADD, fields)
    if asked.add is not None:
        span_of(asked.add, now)
        if asked.add.start is None:
            # Said here, so that a desk that hears of it late begins no later.
            fields["from"] = now.isoformat()
    answer = await services.standing.add_window(service, fields, key_for(body, header))
    services.status.windows_changed()
    if isinstance(answer, Accepted):
        return JSONResponse({"accepted": True, "service": service}, 202)
    window = Window.model_validate(answer.view["window"])
    return JSONResponse(_shown(service, window, now), 201)


@router.delete(
    "/{service}/{window}",
    summary="End a window made at run time; pages that it holds go out",
    operation_id="remove_maintenance",
    dependencies=[Depends(no_query)],
)
async def remove(request: Request, service: str, window: str, body: Body, header: Key) -> Response:
    services = services_of(request)
    policy = services.policy()
    check_actor(policy, str(body.get("actor") or OPERATOR))
    if service not in [*policy.services, UNKNOWN_SERVICE]:
        near = nearest(service, [*policy.services, UNKNOWN_SERVICE])
        raise _unknown("service", service, near)
    if window in policy.maintenance.windows:
        why = f"{window} stands in the policy: change the file and reload"
        raise TransitionError(
            "remove_maintenance", "in the policy", ["`tocsin policy reload`"], why=why
        )
    fields = {"id": window, **({"actor": body["actor"]} if body.get("actor") else {})}
    try:
        answer = await services.standing.remove_window(service, fields, key_for(body, header))
    except RefusedError as error:
        if error.kind != "UnknownNameError":
            raise
        near = tuple(name for problem in error.problems() for name in problem.near)
        raise _unknown("window", window, near) from None
    services.status.windows_changed()
    if isinstance(answer, Accepted):
        return JSONResponse({"accepted": True, "service": service}, 202)
    gone = Window.model_validate(answer.view["window"])
    return JSONResponse(_shown(service, gone, datetime.now(UTC)) | {"state": "removed"})


def _unknown(field: str, name: str, near: tuple[str, ...]) -> ProblemError:
    kind = "service" if field == "service" else "maintenance window"
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    problem = Problem(where=f"/{field}", detail=f"unknown {kind} {name!r}", near=near)
    return ProblemError(404, "not_found", f"{problem.detail}{hint}", [problem])


def _in_zone(body: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """The body for the desk: a time without an offset is wall time of the organisation's zone."""
    fields = {name: value for name, value in body.items() if name not in ("service", "key")}
    zone = ZoneInfo(policy.organisation.timezone)
    for name in ("from", "to"):
        try:
            at = datetime.fromisoformat(fields.get(name, ""))
        except (TypeError, ValueError):
            continue  # told with all other mistakes
        if at.tzinfo is None and 1971 <= at.year <= 2998:
            fields[name] = instant_of(at, zone).isoformat()
    return fields


def _shown(service: str, window: Window, now: datetime) -> dict[str, Any]:
    return {
        "service": service,
        "id": window.id,
        "from": wire(window.start),
        "to": wire(window.end),
        "state": "active" if window.covers(now) else "coming" if window.start > now else "over",
        "by": window.by or None,
        "source": window.source,
        "reason": window.reason,
        "public_text": window.public_text,
    }

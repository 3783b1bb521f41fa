"""Heartbeats over HTTP: a job calls in, at the root beside the intake; people see who is late."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import Problem
from domain.names import nearest
from domain.policy.maintenance import Monitor
from starter.api.bodies import INTAKE_BYTES, TooLargeError, no_query, read_body, unauthorised
from starter.api.problems import UNAVAILABLE, ProblemError
from starter.api.services import Services, services_of

router = APIRouter(prefix="/heartbeats", tags=["heartbeats"])
"""Under `/api/v1`."""
door = APIRouter(prefix="/heartbeats", tags=["intake"])
"""At the root: whoever calls in has an integration's key, or the system's token."""

INTAKE = "heartbeat"
METHODS = ("POST", "GET", "HEAD")
"""A cron job knows `curl URL`; what it sends along is not looked at."""


async def beat(
    request: Request, name: str, authorization: Annotated[str | None, Header()] = None
) -> Response:
    services = services_of(request)
    if not services.reception.knows(authorization):
        raise unauthorised()
    outcome = "failed"
    try:
        monitor = await _monitor(services, name, request)
        await services.beats.beat(name)
        outcome = "accepted"
    except ProblemError as error:
        outcome = error.code
        raise
    except UNAVAILABLE:
        outcome = "unavailable"
        raise
    finally:
        services.metrics.webhooks.labels(INTAKE, outcome).inc()
    return JSONResponse({"status": "accepted", "heartbeat": name, "enabled": monitor.enabled}, 202)


async def _monitor(services: Services, name: str, request: Request) -> Monitor:
    """The monitor that is meant. Raises ProblemError: 404 with the near names, 413."""
    try:
        await read_body(request, INTAKE_BYTES)
    except TooLargeError:
        detail = f"a heartbeat needs no body; intake takes at most {INTAKE_BYTES} bytes"
        raise ProblemError(413, "too_large", detail) from None
    known = services.policy().heartbeats
    if name not in known:
        near = nearest(name, known)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        problem = Problem(where="/name", detail=f"unknown heartbeat {name!r}", near=near)
        raise ProblemError(404, "not_found", f"{problem.detail}{hint}", [problem])
    return known[name]


for _method in METHODS:
    door.add_api_route(
        "/{name}",
        beat,
        methods=[_method],
        status_code=202,
        summary="A monitored job calls in",
        operation_id=f"beat_{_method.lower()}",
        dependencies=[Depends(no_query)],
        responses={503: {"description": "Not kept: send it again"}},
    )


@router.get(
    "",
    summary="Every monitor, whether it is late, and when it was heard last",
    operation_id="heartbeats",
    dependencies=[Depends(no_query)],
)
async def heartbeats(request: Request) -> dict[str, Any]:
    services = services_of(request)
    return {"heartbeats": await services.standing.monitors(services.policy())}

"""Incidents: declare, list, read, and one route for each command of the domain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.commands import COMMANDS
from domain.commands.base import Command, parse_body
from domain.declaring import parse_declaration
from domain.names import nearest
from domain.raising import Declare
from records.reads import INCIDENTS_LIMIT, STATUSES, TIMELINE_LIMIT
from starter.api.authorisation import authorise
from starter.api.bodies import Body, Key, NoQuery, key_for, no_query
from starter.api.names import check_command, check_declaration, check_service
from starter.api.problems import invalid
from starter.api.schemas import body_of
from starter.api.services import services_of
from starter.gateway import Accepted, Answered

router = APIRouter(prefix="/incidents", tags=["incidents"])
Handler = Callable[..., Awaitable[Response]]


class ListQuery(NoQuery):
    """Which incidents."""

    status: str = Field("open", description=f"One of {', '.join(STATUSES)}")
    service: str | None = None
    severity: str | None = None
    limit: int = Field(50, ge=1, description=f"At most {INCIDENTS_LIMIT}; a larger one is lowered")
    cursor: str | None = Field(None, max_length=1000)
    prefix: str | None = Field(None, max_length=100, description="How the id begins")


class TimelineQuery(NoQuery):
    """Which part of the timeline."""

    limit: int = Field(1000, ge=1, description=f"At most {TIMELINE_LIMIT}; a larger one is lowered")
    cursor: str | None = Field(
        None, pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before"
    )


@router.post(
    "",
    status_code=201,
    summary="Declare an incident",
    operation_id="declare",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(Declare),
    responses={202: {"description": "Accepted; raised when a worker is up"}},
)
async def declare(request: Request, body: Body, key: Key) -> Response:
    services = services_of(request)
    declaration = parse_declaration(body)
    check_declaration(services.policy(), declaration)
    key = key_for(body, key)
    sent = {**declaration.body, "actor": declaration.actor}
    answer = await services.gateway.declare(sent, key)
    services.metrics.declared.labels(declaration.body.get("severity", "default")).inc()
    return answered(request, answer, status=201)


@router.get("", summary="List incidents, the newest first", operation_id="incidents")
async def incidents(request: Request, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    services = services_of(request)
    if query.status not in STATUSES:
        detail = f"unknown status {query.status!r}; it is one of {', '.join(STATUSES)}"
        raise invalid(detail, "/status", nearest(query.status, STATUSES))
    records = services.gateway.records
    try:
        views, cursor = await records.read(records.reader.incidents, **query.model_dump())
    except ValueError as error:
        raise invalid(str(error), "/cursor") from None
    if not views and query.service is not None:
        # An empty list for a mistyped service would look like good news.
        check_service(services.policy(), query.service)
    return {"incidents": views, "next_cursor": cursor}


@router.get(
    "/{incident_id}",
    summary="One incident",
    operation_id="incident",
    dependencies=[Depends(no_query)],
)
async def incident(request: Request, incident_id: str) -> dict[str, Any]:
    return await services_of(request).gateway.incident(incident_id)


@router.get("/{incident_id}/timeline", summary="Its timeline", operation_id="timeline")
async def timeline(
    request: Request, incident_id: str, query: Annotated[TimelineQuery, Query()]
) -> dict[str, Any]:
    entries, more = await services_of(request).gateway.timeline(
        incident_id, int(query.cursor or 0), min(query.limit, TIMELINE_LIMIT)
    )
    dumped = [entry.model_dump(mode="json") for entry in entries]
    return {"entries": dumped, "next_cursor": None if more is None else str(more)}


def _route_for(command: type[Command]) -> Handler:
    async def handle(request: Request, incident_id: str, body: Body, key: Key) -> Response:
        services = services_of(request)
        asked = parse_body(command, body)
        authorise(request, command.name, body, asked.actor)
        check_command(services.policy(), asked.command, asked.actor)
        key = key_for(body, key)
        # As it was read: times with their zone, texts without blanks around them.
        fields = asked.command.model_dump(mode="json", exclude_unset=True)
        sent = {**fields, "actor": asked.actor}
        answer = await services.gateway.command(incident_id, command.name, sent, key)
        outcome = "answered" if isinstance(answer, Answered) else "accepted"
        services.metrics.commands.labels(command.name, outcome).inc()
        return answered(request, answer)

    return handle


for _name, _command in COMMANDS.items():
    router.add_api_route(
        f"/{{incident_id}}/{_name.replace('_', '-')}",
        _route_for(_command),
        methods=["POST"],
        summary=_command.description,
        operation_id=_name,
        dependencies=[Depends(no_query)],
        openapi_extra=body_of(_command, needs_person=_command.needs_person),
        responses={
            202: {"description": "Accepted; done when a worker is up"},
            404: {"description": "There never was such an incident"},
            409: {"description": "The incident's state forbids it"},
        },
    )


def answered(request: Request, answer: Answered | Accepted, status: int = 200) -> Response:
    """What was done, or that it will be."""
    if isinstance(answer, Answered):
        headers = {}
        if status == 201:
            headers["Location"] = f"{request.url.path.rstrip('/')}/{answer.view['id']}"
        return JSONResponse(answer.view, status, headers)
    body: dict[str, Any] = {"accepted": True}
    headers = {}
    if answer.id is not None:
        body["id"] = answer.id
        headers["Location"] = f"{request.url.path.rstrip('/')}/{answer.id}"
    return JSONResponse(body, 202, headers)

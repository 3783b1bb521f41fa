"""Postmortems: read, export, and one route for each of their commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.postmortem.commands import (
    POSTMORTEM_COMMANDS,
    PostmortemCommand,
    parse_postmortem_command,
)
from starter.api.bodies import Body, Key, NoQuery, key_for, no_query
from starter.api.export import CONTENT_TYPES, export
from starter.api.incidents import answered
from starter.api.names import check_actor
from starter.api.schemas import body_of
from starter.api.services import services_of

router = APIRouter(prefix="/incidents/{incident_id}/postmortem", tags=["postmortems"])
DOCUMENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class ExportQuery(NoQuery):
    """In which form."""

    format: Literal["md", "html"] = "md"


@router.get(
    "", summary="The postmortem", operation_id="postmortem", dependencies=[Depends(no_query)]
)
async def postmortem(request: Request, incident_id: str) -> dict[str, Any]:
    return await services_of(request).gateway.postmortem(incident_id)


@router.get("/export", summary="The postmortem as a document", operation_id="export_postmortem")
@router.post("/export", include_in_schema=False)
async def export_postmortem(
    request: Request, incident_id: str, query: Annotated[ExportQuery, Query()]
) -> Response:
    services = services_of(request)
    view = await services.gateway.postmortem(incident_id)
    entries = await services.gateway.whole_timeline(incident_id)
    organisation = services.policy().organisation.name
    text = export(view, entries, query.format, services.renderer, organisation)
    headers = {"Content-Security-Policy": DOCUMENT_POLICY}
    return Response(text, 200, headers, media_type=CONTENT_TYPES[query.format])


def _route_for(command: type[PostmortemCommand]) -> Callable[..., Awaitable[Response]]:
    async def handle(request: Request, incident_id: str, body: Body, key: Key) -> Response:
        services = services_of(request)
        asked, actor = parse_postmortem_command(command.name, body)
        check_actor(services.policy(), actor)
        sent = {**asked.model_dump(mode="json", exclude_unset=True), "actor": actor}
        answer = await services.gateway.postmortem_command(
            incident_id, command.name, sent, key_for(body, key)
        )
        return answered(request, answer)

    return handle


for _name, _command in POSTMORTEM_COMMANDS.items():
    router.add_api_route(
        f"/{_name.replace('_', '-')}",
        _route_for(_command),
        methods=["POST"],
        summary=_command.description,
        operation_id=f"postmortem_{_name}",
        dependencies=[Depends(no_query)],
        openapi_extra=body_of(_command),
        responses={
            202: {"description": "Accepted; done when a worker is up"},
            404: {"description": "There is no such postmortem"},
            409: {"description": "The postmortem's state forbids it"},
        },
    )

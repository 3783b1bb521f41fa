"""Server-sent events: every change of an incident, as it reaches the records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from starter.api.bodies import no_query
from starter.api.services import services_of
from starter.records_access import View

router = APIRouter(tags=["events"])


async def changes(request: Request) -> AsyncIterator[View]:
    """Taken before the answer begins, so that one listener too many is told so."""
    return services_of(request).feed.listen()


@router.get(
    "/events",
    summary="Changes of incidents, as server-sent events",
    operation_id="events",
    response_class=EventSourceResponse,
    dependencies=[Depends(no_query)],
)
async def events(
    changed: Annotated[AsyncIterator[View], Depends(changes)],
) -> AsyncIterator[ServerSentEvent]:
    # A first line at once: a client then knows that it listens.
    yield ServerSentEvent(comment="listening", retry=2000)
    async for view in changed:
        yield ServerSentEvent(data=view, event="incident", id=f"{view['id']}.{view['version']}")

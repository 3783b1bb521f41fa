"""The status page's subscribers, for those who run it: how many, which (in part), and taking one out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from domain.errors import Problem
from domain.subscribers import shown
from starter.api.bodies import Body, no_query
from starter.api.problems import ProblemError
from starter.api.services import services_of

router = APIRouter(tags=["status page"])
MOST = 500


@router.get(
    "/subscribers",
    summary="Who subscribed on the status page; addresses are shown in part",
    operation_id="subscribers",
)
async def subscribers(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST, description="The newest so many")] = 100,
) -> dict[str, Any]:
    found, counts = await services_of(request).subscriptions.all(limit)
    return {"subscribers": shown(found), "counts": counts}


@router.post(
    "/subscribers/{subscriber_id}/remove",
    summary="Delete a subscriber; one whose mail bounced may subscribe again then",
    operation_id="remove_subscriber",
    dependencies=[Depends(no_query)],
    responses={404: {"description": "There is no such subscriber"}},
)
async def remove_subscriber(request: Request, subscriber_id: str, body: Body) -> dict[str, Any]:
    if not await services_of(request).subscriptions.forget(subscriber_id):
        problem = Problem(
            where="/subscriber_id", detail=f"unknown subscriber {subscriber_id[:40]!r}"
        )
        raise ProblemError(404, "not_found", problem.detail, [problem])
    return {"removed": subscriber_id}

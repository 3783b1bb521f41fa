"""What intake has turned away although its sender is known: `tocsin doctor` shows it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from starter.api.bodies import no_query
from starter.api.services import services_of

router = APIRouter(prefix="/intake", tags=["intake"], dependencies=[Depends(no_query)])


@router.get(
    "/refused",
    summary="Requests of known senders that were not taken, since this process started",
    operation_id="intake_refused",
)
async def intake_refused(request: Request) -> dict[str, Any]:
    refusals = services_of(request).refusals
    return {
        "count": refusals.count,
        "refused": [one.shown() for one in refusals.recent()],
        "strangers": refusals.strangers(),
        "closed": services_of(request).reception.closed(),
    }

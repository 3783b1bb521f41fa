"""How much each person was paged, counted from the ledger of messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from domain.load import loads
from starter.api.bodies import NoQuery
from starter.api.services import services_of

router = APIRouter(prefix="/oncall", tags=["on call"])
MAX_DAYS = 366


class LoadQuery(NoQuery):
    """How far back."""

    days: int = Field(28, ge=1, le=MAX_DAYS)


@router.get("/load", summary="How much each person was paged", operation_id="oncall_load")
async def oncall_load(request: Request, query: Annotated[LoadQuery, Query()]) -> dict[str, Any]:
    services = services_of(request)
    policy = services.policy()
    until = datetime.now(UTC)
    since = until - timedelta(days=query.days)
    records = services.gateway.records
    pages = await records.read(records.reader.pages_sent, since, until)
    zones = {key: person.timezone for key, person in policy.people.items() if person.timezone}
    found = loads(pages, policy.limits.load, zones, policy.organisation.timezone)
    people = []
    for load in found:
        person = policy.people.get(load.person)
        people.append({"name": person.name if person else "", **load.model_dump(mode="json")})
    return {
        "from": since.isoformat().replace("+00:00", "Z"),
        "to": until.isoformat().replace("+00:00", "Z"),
        "limit": policy.limits.load,
        "people": people,
    }

"""Trying things without an incident: a test page to a person, and what an alert payload would become."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from domain.names import require_known
from domain.policy.model import Policy
from domain.timeline import OPERATOR
from starter.api.bodies import Body, no_query
from starter.api.names import check_actor
from starter.api.problems import invalid
from starter.api.services import services_of
from starter.intake import FORMATS
from starter.intake.mapping import Sender
from starter.intake.received import Received
from starter.temporal_link import GatewayUnavailableError

router = APIRouter(tags=["trying"], dependencies=[Depends(no_query)])

TEST_BODY = {
    "type": "object",
    "required": ["person"],
    "properties": {"person": {"type": "string"}, "actor": {"type": "string"}},
    "additionalProperties": False,
}
EXPLAIN_BODY = {
    "type": "object",
    "required": ["payload"],
    "properties": {"payload": {}, "integration": {"type": "string"}, "actor": {"type": "string"}},
    "additionalProperties": False,
}


def _schema(body: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


@router.post(
    "/oncall/test",
    summary="Send a person a test page over the path of a real one",
    operation_id="test_page",
    openapi_extra=_schema(TEST_BODY),
)
async def test_page(request: Request, body: Body) -> dict[str, Any]:
    services = services_of(request)
    policy = services.policy()
    _only(body, TEST_BODY)
    check_actor(policy, str(body.get("actor") or OPERATOR))
    person = str(body.get("person") or "")
    require_known("person", person, policy.people, "person")
    if services.gateway.pager is None:
        raise GatewayUnavailableError("this API has no connection to Temporal")
    deliveries, notes = await services.gateway.pager.page(person)
    said = [one.model_dump(mode="json") for one in deliveries]
    return {"person": person, "deliveries": said, "notes": notes}


@router.post(
    "/policy/explain",
    summary="What an alert payload would become; nothing is raised",
    operation_id="explain",
    openapi_extra=_schema(EXPLAIN_BODY),
)
async def explain(request: Request, body: Body) -> dict[str, Any]:
    _only(body, EXPLAIN_BODY)
    if "payload" not in body:
        raise invalid("payload is required", "/payload")
    sender, format_name = _sender(services_of(request).policy(), body.get("integration"))
    alerts = FORMATS[format_name].parse(Received(json.dumps(body["payload"]).encode()), sender)
    said = [
        alert.model_dump(mode="json", exclude={"id", "received_at", "raw", "count"})
        for alert in alerts
    ]
    return {"integration": sender.integration, "format": format_name, "alerts": said}


def _sender(policy: Policy, integration: object) -> tuple[Sender, str]:
    """By whose rules a payload is read: the named integration's, else the first format's own."""
    now = datetime.now(UTC)
    if integration is None:
        name = next(iter(FORMATS))
        return Sender(name, policy, now), name
    require_known("integration", str(integration), policy.integrations, "integration")
    found = policy.integrations[str(integration)]
    return Sender(str(integration), policy, now, found.map), found.format


def _only(body: dict[str, Any], schema: dict[str, Any]) -> None:
    for name in body:
        if name not in schema["properties"]:
            known = ", ".join(schema["properties"])
            raise invalid(f"{name[:40]!r} is no field of this body; it has {known}", f"/{name}")

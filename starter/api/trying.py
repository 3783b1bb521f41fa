"""Trying things without an incident: a test page to a person, and what an alert payload would become."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from domain.errors import IntakeError
from domain.names import require_known
from domain.timeline import OPERATOR
from starter.api.bodies import Body, no_query
from starter.api.names import check_actor
from starter.api.problems import invalid
from starter.api.services import services_of
from starter.intake.explaining import explained, integration_for
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
    "properties": {
        "payload": {"description": "What is sent, where it is JSON"},
        "text": {"type": "string", "description": "What is sent, where it is something else"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "integration": {"type": "string"},
        "format": {"type": "string"},
        "actor": {"type": "string"},
    },
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
    received = _received(body)
    policy = services_of(request).policy()
    name, format_name = integration_for(policy, body.get("integration"), body.get("format"))
    try:
        found = explained(policy, name, format_name, received, datetime.now(UTC))
    except IntakeError as error:
        raise invalid(str(error), "/text" if "text" in body else "/payload") from None
    return {"integration": name, "format": format_name, **found}


def _received(body: dict[str, Any]) -> Received:
    """The request that a body describes."""
    if ("payload" in body) == ("text" in body):
        raise invalid("give either payload (JSON) or text", "/payload")
    given = body.get("headers", {})
    if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
        raise invalid("headers are texts by name", "/headers")
    headers = {str(name).lower(): value for name, value in given.items()}
    if "payload" in body:
        headers.setdefault("content-type", "application/json")
        return Received(json.dumps(body["payload"]).encode(), headers)
    if not isinstance(body["text"], str):
        raise invalid("text is text", "/text")
    return Received(body["text"].encode(errors="replace"), headers)


def _only(body: dict[str, Any], schema: dict[str, Any]) -> None:
    for name in body:
        if name not in schema["properties"]:
            known = ", ".join(schema["properties"])
            raise invalid(f"{name[:40]!r} is no field of this body; it has {known}", f"/{name}")

"""What Opsgenie's answers look like, for its clients and for the OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from starter.api.problems import RETRY_AFTER_SECONDS
from starter.intake.opsgenie import PRIORITIES
from starter.reception.limits import retry_after
from starter.reception.opsgenie_book import Noted, alert_id

NOT_FOUND = "Alert or its action not found."
HEARTBEAT_PING = "PONG - Heartbeat received"

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_META = {"took": {"type": "number"}, "requestId": _TEXT}


def throttled(seconds: float = RETRY_AFTER_SECONDS) -> dict[str, str]:
    """The headers of a 429."""
    return {
        "Retry-After": retry_after(seconds),
        "X-RateLimit-Reason": "ACCOUNT",
        "X-RateLimit-Period-In-Sec": retry_after(seconds),
    }


def request_view(outcome: Noted) -> dict[str, Any]:
    """The status of a request."""
    return {"success": outcome["isSuccess"], **outcome}


def alert_view(noted: Noted, integration: str) -> dict[str, Any]:
    """An alert, as far as its sender has told of it."""
    return {
        **noted,
        "seen": noted["acknowledged"],
        "isSeen": noted["acknowledged"],
        "snoozed": False,
        "tags": [],
        "teams": [],
        "responders": [],
        "owner": "",
        "integration": {"id": alert_id(integration, ""), "name": integration, "type": "API"},
    }


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members)}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


_STATUS = _object(
    {
        **{
            name: _TEXT
            for name in ("action", "processedAt", "integrationId", "status", "alertId", "alias")
        },
        "success": _FLAG,
        "isSuccess": _FLAG,
    }
)
_ALERT = _object(
    {
        **{
            name: _TEXT
            for name in ("id", "tinyId", "alias", "message", "status", "createdAt", "updatedAt")
        },
        "acknowledged": _FLAG,
        "count": {"type": "integer"},
        "priority": {"enum": list(PRIORITIES)},
    }
)
_DATA = {
    "list_alerts": {"type": "array", "items": _ALERT},
    "get_alert": _ALERT,
    "count_alerts": _object({"count": {"type": "integer"}}),
    "request_status": _STATUS,
}
_CREATE = {
    "type": "object",
    "properties": {
        **{name: _TEXT for name in ("message", "alias", "description", "entity", "source")},
        **{name: _TEXT for name in ("user", "note")},
        "priority": {"enum": list(PRIORITIES)},
        "details": {"type": "object"},
        "tags": {"type": "array", "items": _TEXT},
    },
    "required": ["message"],
}
_ACT = {
    "type": "object",
    "properties": {name: _TEXT for name in ("user", "note", "source")},
}


class OpsgenieError(BaseModel):
    """How Opsgenie refuses."""

    message: str
    errors: dict[str, str] = {}
    """By field."""
    code: int | None = None
    took: float
    requestId: str


class OpsgenieAccepted(BaseModel):
    """How Opsgenie accepts."""

    result: str
    took: float
    requestId: str


_ERROR = {"model": OpsgenieError}
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "No JSON", **_ERROR},
    401: {"description": "No key, or nobody's", **_ERROR},
    403: {"description": "The key of an integration of another format", **_ERROR},
    404: {"description": "Not known here", **_ERROR},
    408: {"description": "The body did not come in time", **_ERROR},
    413: {"description": "More than 1 MiB; an incident says so", **_ERROR},
    422: {"description": "It says nothing that can be taken; `errors` names the fields", **_ERROR},
    429: {"description": "Not kept: send it again", **_ERROR},
}


def described(operation: str) -> dict[str, Any]:
    """What an operation answers when all is well."""
    if operation in _DATA:
        return {"description": "As asked", **_content(_object({"data": _DATA[operation], **_META}))}
    return {"description": "Kept", "model": OpsgenieAccepted}


def taken_by(operation: str, path: str) -> dict[str, Any]:
    """What an operation takes."""
    names = re.findall(r"{(\w+)", path)
    inside = [{"name": one, "in": "path", "required": True, "schema": _TEXT} for one in names]
    kind = {
        "name": "identifierType",
        "in": "query",
        "schema": {"enum": ["id", "tiny", "alias"], "default": "id"},
    }
    taken: dict[str, Any] = {"parameters": inside + ([kind] if "identifier" in names else [])}
    if operation == "create_alert":
        taken["requestBody"] = {"required": True, **_content(_CREATE)}
    if operation in ("act_on_alert", "update_alert", "custom_action"):
        taken["requestBody"] = _content(_ACT)
    return taken

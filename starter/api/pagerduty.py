"""PagerDuty's addresses: clients change the host and nothing else. Every answer is as PagerDuty's own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from starter.api.bodies import TooLargeError, read_body
from starter.api.problems import RETRY_AFTER_SECONDS, UNAVAILABLE, ProblemError, tries_too_often
from starter.api.services import Services, services_of
from starter.intake import pagerduty
from starter.intake.mapping import Sender
from starter.intake.pagerduty import Event, InvalidEventError
from starter.intake.received import Received
from starter.reception.admission import RateLimitedError
from starter.reception.limits import retry_after
from starter.reception.refusals import Refusal

router = APIRouter(tags=["intake"])
NAME = pagerduty.FORMAT.name
EVENT_BYTES = 512 * 1024
_KEY_IN_START = re.compile(rb'"(?:routing|service)_key"\s*:\s*"([^"\\]{1,200})"')
log = structlog.get_logger(__name__)

Take = Callable[[Services, Sender, Event], Awaitable[dict[str, str]]]


async def _take_event(services: Services, sender: Sender, event: Event) -> dict[str, str]:
    """Trigger, acknowledge or resolve."""
    pagerduty.check(event)
    dedup_key = pagerduty.dedup_key_of(event)
    alert = pagerduty.alert_of(event, sender, dedup_key)
    alerts = await services.homes.settle([alert], dedup_key)
    await services.reception.take_alerts(sender, alerts)
    return {"status": "success", "message": "Event processed", "dedup_key": dedup_key}


async def _take_change(services: Services, sender: Sender, event: Event) -> dict[str, str]:
    """A change: context for incidents."""
    pagerduty.check_change(event)
    await services.reception.take_alerts(sender, [pagerduty.change_of(event, sender)])
    return {"status": "success", "message": "Change event processed"}


async def _take_first_version(services: Services, sender: Sender, event: Event) -> dict[str, str]:
    """An event of version 1, as older tools send it."""
    said = await _take_event(services, sender, pagerduty.from_first_version(event))
    return {"status": said["status"], "message": said["message"], "incident_key": said["dedup_key"]}


async def _answer(request: Request, take: Take, status: int = 202) -> Response:
    """Take an event and say what PagerDuty would say."""
    services, outcome = services_of(request), "failed"
    body, sender = b"", None
    try:
        body = await read_body(request, EVENT_BYTES)
        event = pagerduty.read(Received(body, request.headers))
        key = pagerduty.routing_key(event, request.headers)
        sender = services.reception.sender_for_key(NAME, key)
        if sender is None:
            outcome = "unauthorised"
            services.refusals.stranger(NAME, datetime.now(UTC))
            if wait := tries_too_often(request):
                return _throttled(wait)
            return _invalid(["Invalid routing key"])
        said = await take(services, sender, event)
        outcome = "accepted"
        services.metrics.alerts.labels(NAME).inc()
        return JSONResponse(said, status)
    except InvalidEventError as error:
        outcome = "invalid"
        # The key may be legible where the event is not.
        _note(services, sender or _named_in(request, body), 400, outcome, str(error))
        return _invalid(error.errors, error.message)
    except TooLargeError as error:
        outcome = "too_large"
        return await _oversized(request, error.start)
    except ProblemError as error:
        outcome = error.code
        return _invalid([error.detail], status=error.status)
    except RateLimitedError as error:
        outcome = "rate_limited"
        _note(services, sender, 429, outcome, str(error))
        return _overloaded(error, error.seconds)
    except UNAVAILABLE as error:
        outcome = "unavailable"
        _note(services, sender, 429, outcome, str(error))
        return _overloaded(error)
    finally:
        services.metrics.webhooks.labels(NAME, outcome).inc()


async def _oversized(request: Request, start: bytes) -> Response:
    """413; and where the key stands in what was read, an incident says that something was lost."""
    services, sender = services_of(request), _named_in(request, start)
    if sender is not None:
        try:
            await services.reception.take_oversized(sender, _KEY_IN_START.sub(b"", start))
        except UNAVAILABLE as error:
            _note(services, sender, 429, "unavailable", str(error))
            return _overloaded(error)
    return _invalid([f"Event is larger than {EVENT_BYTES // 1024} KB"], status=413)


def _named_in(request: Request, start: bytes) -> Sender | None:
    """Whose key stands in an event that was not read, or in the header of older clients."""
    found = _KEY_IN_START.search(start)
    key = found[1].decode(errors="replace") if found else request.headers.get("x-routing-key", "")
    return services_of(request).reception.sender_for_key(NAME, key.strip())


def _note(services: Services, sender: Sender | None, status: int, code: str, why: str) -> None:
    """What a known sender brought and was turned away: the operator has to hear."""
    if sender is not None:
        services.refusals.add(
            Refusal(sender.received_at, sender.integration, NAME, status, code, why[:300])
        )


def _invalid(
    errors: list[str], message: str = "Event object is invalid", status: int = 400
) -> Response:
    return JSONResponse({"status": "invalid event", "message": message, "errors": errors}, status)


def _overloaded(error: Exception, seconds: float = RETRY_AFTER_SECONDS) -> Response:
    """429: every client of PagerDuty comes again after it, though not after a 503."""
    log.warning("intake.not_kept", source=NAME, why=str(error))
    return _throttled(seconds)


def _throttled(seconds: float) -> Response:
    message = "Requests for this service are arriving too quickly.  Please retry later."
    said = {"status": "throttle exceeded", "message": message}
    return JSONResponse(said, 429, {"Retry-After": retry_after(seconds)})


async def enqueue(request: Request) -> Response:
    return await _answer(request, _take_event)


async def enqueue_change(request: Request) -> Response:
    return await _answer(request, _take_change)


async def create_event(request: Request) -> Response:
    return await _answer(request, _take_first_version, status=200)


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _said(**more: str) -> dict[str, Any]:
    """The description of an answer, whose members are texts."""
    members: dict[str, Any] = {name: {"type": "string"} for name in ("status", "message", *more)}
    if "errors" in more:
        members["errors"] = {"type": "array", "items": {"type": "string"}}
    schema = {"type": "object", "properties": members, "required": list(members)}
    return {"content": {"application/json": {"schema": schema}}}


_PAYLOAD = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "maxLength": pagerduty.MAX_EVENT_SUMMARY_CHARS},
        "source": {"type": "string"},
        "severity": {"enum": list(pagerduty.SEVERITIES)},
        "timestamp": {"type": "string"},
        "custom_details": {"type": "object"},
        **{name: {"type": "string"} for name in ("component", "group", "class")},
    },
    "required": ["summary"],
}
_EVENT = {
    "type": "object",
    "properties": {
        "routing_key": {"type": "string"},
        "event_action": {"enum": list(pagerduty.ACTIONS)},
        "dedup_key": {"type": "string", "maxLength": pagerduty.MAX_DEDUP_KEY_CHARS},
        "payload": _PAYLOAD,
    },
    "required": ["routing_key", "event_action"],
}
_CHANGE = {
    "type": "object",
    "properties": {"routing_key": {"type": "string"}, "payload": _PAYLOAD},
    "required": ["routing_key", "payload"],
}
_FIRST_VERSION = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("service_key", "incident_key", "description")},
        "event_type": {"enum": list(pagerduty.ACTIONS)},
    },
    "required": ["service_key", "event_type"],
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Refused in PagerDuty's words", **_said(errors="list")},
    408: {"description": "The body did not come in time", **_said(errors="list")},
    413: {"description": "More than 512 KB; an incident says so", **_said(errors="list")},
    429: {"description": "Not kept: send it again", **_said()},
}

for _path, _handler, _status, _summary, _schema, _key in (
    ("/v2/enqueue", enqueue, 202, "An event", _EVENT, "dedup_key"),
    ("/v2/change/enqueue", enqueue_change, 202, "A change event", _CHANGE, ""),
    (
        "/generic/2010-04-15/create_event.json",
        create_event,
        200,
        "An event of version 1",
        _FIRST_VERSION,
        "incident_key",
    ),
):
    router.add_api_route(
        _path,
        _handler,
        methods=["POST"],
        status_code=_status,
        summary=f"{_summary} as PagerDuty takes it",
        operation_id=f"pagerduty_{_handler.__name__}",
        openapi_extra=_body(_schema),
        responses={
            _status: {"description": "Kept", **_said(**({_key: "text"} if _key else {}))},
            **_REFUSALS,
        },
        response_class=JSONResponse,
    )

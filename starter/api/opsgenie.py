"""Opsgenie's addresses, and Jira Service Management's beside them: every answer is as their own.

They are asynchronous: a request is accepted, and its status asked for. Here it is done when it is
accepted, and its status says so from then on, at every process.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from starter.api.bodies import INTAKE_BYTES, TooLargeError, read_body
from starter.api.opsgenie_shapes import (
    HEARTBEAT_PING,
    NOT_FOUND,
    REFUSALS,
    alert_view,
    described,
    request_view,
    taken_by,
    throttled,
)
from starter.api.problems import UNAVAILABLE, ProblemError, tries_too_often
from starter.api.services import Services, services_of
from starter.intake import opsgenie
from starter.intake.mapping import Sender
from starter.intake.opsgenie import ACTIONS, Action, InvalidAlertError
from starter.intake.received import Received
from starter.reception.admission import RateLimitedError
from starter.reception.opsgenie_book import Noted, alert_id
from starter.reception.refusals import Refusal
from starter.security import bearer

router = APIRouter(tags=["intake"])
NAME = opsgenie.FORMAT.name
PREFIXES = {"opsgenie": "", "jsm": "/jsm/ops/integration"}
_key = APIKeyHeader(
    name="Authorization",
    scheme_name="GenieKey",
    description="`GenieKey` and the key of an integration",
    auto_error=False,
)
KINDS = ("id", "tiny", "alias")
LIST_LIMIT = 100
TOO_MANY = "You are making too many requests! Please try again later."
log = structlog.get_logger(__name__)


class Call(NamedTuple):
    """One request of a client that may come in."""

    request: Request
    services: Services
    sender: Sender
    request_id: str

    async def body(self, *, may_be_empty: bool = False) -> opsgenie.Body:
        """Raises InvalidAlertError, TooLargeError, ProblemError."""
        data = await read_body(self.request, INTAKE_BYTES)
        return opsgenie.read(Received(data, self.request.headers), may_be_empty=may_be_empty)

    def found(self, identifier: str, usual: str = "id") -> Noted | None:
        """The alert that is meant.

        Raises:
            InvalidAlertError: the query names a kind of identifier that does not exist.
        """
        kind = self.request.query_params.get("identifierType", usual).lower()
        if kind not in KINDS:
            errors = {"identifierType": f"Identifier type should be one of [ {', '.join(KINDS)} ]"}
            raise InvalidAlertError(422, "Request parameters are not processable.", errors)
        return self.services.opsgenie.find(self.sender.integration, identifier, kind)


Answered = tuple[int, dict[str, Any]]
Handle = Callable[[Call], Awaitable[Answered]]


async def _create(call: Call) -> Answered:
    """An alert; the same alias while it is open is the same alert."""
    body, services, name = await call.body(), call.services, call.sender.integration
    alias = opsgenie.alias_of(body) or str(uuid.uuid4())
    alert = opsgenie.alert_of(body, call.sender, alias)
    note = str(body.get("note") or "").strip()
    services.homes.remember(alert, alias)
    words = opsgenie.word_of(ACTIONS["notes"], body, call.sender, alias) if note else []
    words = [word.model_copy(update={"service": alert.service, "key": alert.key}) for word in words]
    await services.reception.take_alerts(call.sender, [alert, *words])
    services.metrics.alerts.labels(NAME).inc()
    said = {
        "message": alert.summary[:130],
        "priority": opsgenie.priority_of(body),
        "source": str(body.get("source") or "")[:100],
    }
    noted = services.opsgenie.fired(name, alias, call.sender.received_at, said)
    return _accepted(call, "Create", "Created alert", noted["id"], alias)


async def _act(call: Call) -> Answered:
    """Something is done to an alert."""
    given = call.request.path_params
    verb = "delete" if call.request.method == "DELETE" and "verb" not in given else given["verb"]
    action = ACTIONS.get(verb)
    if action is None:
        raise InvalidAlertError(404, NOT_FOUND)
    if call.request.method == "DELETE" and verb != "delete":
        query = call.request.query_params
        body = {name: query[name] for name in query}
        action = action._replace(
            name=action.name.replace("Add", "Remove"),
            done=action.done.replace("Added", "Removed").replace(" to ", " from "),
            fields=("tags", "keys"),
        )
    else:
        body = await call.body(may_be_empty=True)
    return await _do(call, action, body)


async def _custom_action(call: Call) -> Answered:
    """One of the alert's own actions, which only a person can carry out here."""
    asked = call.request.path_params["name"][:100]
    action = Action("ExecuteCustomAction", f"Executed action {asked}")
    return await _do(call, action, await call.body(may_be_empty=True))


async def _do(call: Call, action: Action, body: opsgenie.Body) -> Answered:
    services, name = call.services, call.sender.integration
    identifier = call.request.path_params["identifier"]
    known = call.found(identifier)
    opsgenie.check_word(action, body)
    # What is not known may be an alias all the same: its desk, if there is one, knows the key.
    alias = known["alias"] if known else identifier
    words = opsgenie.word_of(action, body, call.sender, alias)
    alerts = await services.homes.settle(words, alias)
    await services.reception.take_alerts(call.sender, alerts)
    services.metrics.alerts.labels(NAME).inc()
    if known is None:
        return _accepted(call, action.name, "Alert does not exist", "", "", is_success=False)
    changes: dict[str, dict[str, Any]] = {
        "Acknowledge": {"acknowledged": True},
        "UnAcknowledge": {"acknowledged": False},
        "Close": {"status": "closed"},
        "Delete": {"status": "closed"},
    }
    services.opsgenie.changed(name, alias, call.sender.received_at, **changes.get(action.name, {}))
    return _accepted(call, action.name, action.done, known["id"], alias)


def _accepted(
    call: Call, action: str, status: str, id_: str, alias: str, *, is_success: bool = True
) -> Answered:
    """202, and the request's status from now on."""
    outcome = {
        "action": action,
        "processedAt": call.sender.received_at.isoformat(),
        "integrationId": alert_id(call.sender.integration, ""),
        "isSuccess": is_success,
        "status": status,
        "alertId": id_,
        "alias": alias,
    }
    call.services.opsgenie.asked(call.sender.integration, call.request_id, outcome)
    return 202, {"result": "Request will be processed"}


async def _request_status(call: Call) -> Answered:
    asked = call.request.path_params["request_id"]
    outcome = call.services.opsgenie.request(call.sender.integration, asked)
    if outcome is None:
        raise InvalidAlertError(404, "Request not found. It might not be processed, yet.")
    return 200, {"data": request_view(outcome)}


async def _alert(call: Call) -> Answered:
    noted = call.found(call.request.path_params["identifier"])
    if noted is None:
        raise InvalidAlertError(404, f"{NOT_FOUND} Alert does not exist.")
    return 200, {"data": alert_view(noted, call.sender.integration)}


async def _alerts(call: Call) -> Answered:
    """The alerts of the integration, the one heard of last first."""
    try:
        limit = int(call.request.query_params.get("limit", "20"))
        offset = int(call.request.query_params.get("offset", "0"))
    except ValueError:
        raise InvalidAlertError(422, "Request parameters are not processable.") from None
    found = _asked_for(call)
    limit, offset = max(1, min(limit, LIST_LIMIT)), max(0, offset)
    page = found[offset : offset + limit]
    return 200, {"data": [alert_view(noted, call.sender.integration) for noted in page]}


async def _count(call: Call) -> Answered:
    return 200, {"data": {"count": len(_asked_for(call))}}


def _asked_for(call: Call) -> list[Noted]:
    """Those that a query means. Raises InvalidAlertError: it is more than a status."""
    query = call.request.query_params.get("query", "").replace(" ", "").replace("=", ":")
    found = list(call.services.opsgenie.alerts(call.sender.integration))
    if not query:
        return found
    name, _, value = query.lower().partition(":")
    if name != "status" or value not in ("open", "closed"):
        errors = {"query": "Only status:open and status:closed can be searched for here."}
        raise InvalidAlertError(422, "Request parameters are not processable.", errors)
    return [noted for noted in found if noted["status"] == value]


async def _ping(call: Call) -> Answered:
    """A monitored job calls in."""
    await read_body(call.request, INTAKE_BYTES)
    name = call.request.path_params["name"]
    if name not in call.services.policy().heartbeats:
        raise InvalidAlertError(404, f"{NOT_FOUND} Heartbeat [{name[:100]}] does not exist.")
    await call.services.beats.beat(name)
    return 202, {"result": HEARTBEAT_PING}


def _sender(services: Services, authorization: str | None) -> Sender:
    """Raises InvalidAlertError: 401 for a key that is nobody's, 403 for one of another format."""
    given = bearer(authorization, "GenieKey") or bearer(authorization)
    sender = services.reception.sender_for_key(NAME, given)
    if sender is not None:
        return sender
    if services.reception.knows(f"Bearer {given}"):
        message = "To perform this action, use an API key from an API integration."
        raise InvalidAlertError(403, message)
    raise InvalidAlertError(401, "Could not authenticate")


async def _answer(request: Request, handle: Handle) -> Response:
    """Do it, and say what Opsgenie would say."""
    services, started, outcome = services_of(request), time.monotonic(), "failed"
    request_id, sender = str(uuid.uuid4()), None

    def said(status: int, body: dict[str, Any], **headers: str) -> Response:
        took = round(time.monotonic() - started, 3)
        every = {
            "X-Request-ID": request_id,
            "X-Response-Time": str(took),
            "X-RateLimit-State": "THROTTLED" if status == 429 else "OK",
            **headers,
        }
        return JSONResponse({**body, "took": took, "requestId": request_id}, status, every)

    def note(status: int, code: str, why: str) -> None:
        """What a known sender brought and was turned away: the operator has to hear."""
        if sender is None and status == 401:
            services.refusals.stranger(NAME, datetime.now(UTC))
        if sender is not None and request.method != "GET":
            services.refusals.add(
                Refusal(sender.received_at, sender.integration, NAME, status, code, why[:300])
            )

    try:
        sender = _sender(services, request.headers.get("authorization"))
        status, body = await handle(Call(request, services, sender, request_id))
        outcome = "accepted"
        return said(status, body)
    except InvalidAlertError as error:
        outcome = "unauthorised" if error.status in (401, 403) else "invalid"
        note(error.status, outcome, str(error))
        if error.status == 401 and (wait := tries_too_often(request)):
            return said(429, {"message": TOO_MANY}, **throttled(wait))
        return said(error.status, _error(error))
    except TooLargeError as error:
        outcome = "too_large"
        try:
            assert sender is not None
            await services.reception.take_oversized(sender, error.start)
        except UNAVAILABLE as away:
            note(429, "unavailable", str(away))
            return said(429, _throttled(away), **throttled())
        return said(413, {"message": f"A request holds at most {INTAKE_BYTES} bytes"})
    except ProblemError as error:
        outcome = error.code
        note(error.status, outcome, error.detail)
        return said(error.status, {"message": error.detail})
    except RateLimitedError as error:
        outcome = "rate_limited"
        note(429, outcome, str(error))
        return said(429, _throttled(error), **throttled(error.seconds))
    except UNAVAILABLE as error:
        outcome = "unavailable"
        note(429, outcome, str(error))
        return said(429, _throttled(error), **throttled())
    finally:
        services.metrics.webhooks.labels(NAME, outcome).inc()


def _error(error: InvalidAlertError) -> dict[str, Any]:
    code = {"code": 40301} if error.status == 403 else {}
    errors = {"errors": error.errors} if error.errors else {}
    return {"message": error.message, **errors, **code}


def _throttled(error: Exception) -> dict[str, Any]:
    log.warning("intake.not_kept", source=NAME, why=str(error))
    return {"message": TOO_MANY}


def _route(handle: Handle) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await _answer(request, handle)

    return answer


ALERT = "/v2/alerts/{identifier:path}"
ROUTES: tuple[tuple[str, str, Handle, int, str], ...] = (
    ("POST", "/v2/alerts", _create, 202, "create_alert"),
    ("GET", "/v2/alerts", _alerts, 200, "list_alerts"),
    ("GET", "/v2/alerts/count", _count, 200, "count_alerts"),
    ("GET", "/v2/alerts/requests/{request_id}", _request_status, 200, "request_status"),
    ("POST", f"{ALERT}/actions/{{name}}", _custom_action, 202, "custom_action"),
    ("POST", f"{ALERT}/{{verb}}", _act, 202, "act_on_alert"),
    ("PUT", f"{ALERT}/{{verb}}", _act, 202, "update_alert"),
    ("DELETE", f"{ALERT}/{{verb}}", _act, 202, "remove_from_alert"),
    ("GET", ALERT, _alert, 200, "get_alert"),
    ("DELETE", ALERT, _act, 202, "delete_alert"),
    *(
        (method, "/v2/heartbeats/{name}/ping", _ping, 202, f"ping_heartbeat_{method.lower()}")
        for method in ("GET", "POST", "PUT", "PATCH")
    ),
)

for _name, _prefix in PREFIXES.items():
    for _method, _path, _handle, _status, _operation in ROUTES:
        router.add_api_route(
            _prefix + _path,
            _route(_handle),
            methods=[_method],
            status_code=_status,
            summary=_operation.replace("_", " ").capitalize() + " as Opsgenie does",
            description=f"Also under `{PREFIXES['jsm']}`, as Jira Service Management has it.",
            operation_id=f"{_name}_{_operation}",
            openapi_extra=taken_by(_operation, _path),
            dependencies=[Security(_key)],
            responses={_status: described(_operation), **REFUSALS},
            response_class=JSONResponse,
            include_in_schema=not _prefix,  # the same once more
        )

"""The intake's routes: alerts in, and an answer only when they are durable."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from domain.errors import IntakeError
from domain.policy.intake import Rate
from starter.api.bodies import INTAKE_BYTES, TooLargeError, read_body, unauthorised
from starter.api.problems import RETRY_AFTER_SECONDS, UNAVAILABLE, ProblemError, invalid
from starter.api.services import Services, services_of
from starter.egress import EgressError
from starter.intake import FORMATS
from starter.intake.formats import ForgedError, Format
from starter.intake.mapping import Sender
from starter.intake.received import NotAFormError, Received, WrongMediaTypeError
from starter.reception.admission import RateLimitedError
from starter.reception.refusals import Refusal

router = APIRouter(prefix="/hooks", tags=["intake"])
CHALLENGE = 'Basic realm="tocsin", Bearer'
"""Amazon SNS sends the password of its address only when it is asked for it."""
ORIGIN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9.*:/_-]{0,252}")
Handler = Callable[..., Awaitable[Response]]


async def _receive(services: Services, one: Format, sender: Sender | None, request: Request) -> int:
    """Deliver what a request brings, and answer how many alerts it held."""
    if sender is None:
        raise _unknown()
    if request.scope[
        "query_string"
    ]:  # refused here, so that what a known sender loses by it is a row
        name = next(iter(request.query_params), "")
        raise invalid(
            f"no parameter {name!r} here: what is not read was meant for something", "/query"
        )
    try:
        body = await read_body(request, INTAKE_BYTES)
    except TooLargeError as error:
        await services.reception.take_oversized(sender, error.start)
        detail = f"intake takes at most {INTAKE_BYTES} bytes; an incident says that this was larger"
        raise ProblemError(413, "too_large", detail) from None
    received = Received(body, request.headers)
    try:
        if one.meet is not None:
            await one.meet(received, services.egress, datetime.now(UTC))
        return await services.reception.take(one.name, sender, received)
    except WrongMediaTypeError as error:
        raise ProblemError(415, "unsupported_media_type", str(error)) from None
    except NotAFormError as error:
        raise ProblemError(400, "not_a_form", str(error)) from None
    except IntakeError as error:
        raise ProblemError(400, "not_json", str(error)) from None
    except EgressError as error:
        refused = ProblemError(503, "not_checked", f"the sender could not be checked: {error}")
        refused.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        raise refused from None


async def _take(one: Format, sender: Sender | None, request: Request) -> Response:
    """Take a request, count what came of it, and keep for the operator what was refused."""
    services, outcome = services_of(request), "failed"
    try:
        count = await _receive(services, one, sender, request)
        outcome = "accepted"
        services.metrics.alerts.labels(one.name).inc(count)
    except ForgedError as error:
        outcome = "unauthorised"
        _note(services, one, sender, 401, "forged", str(error))
        raise _unknown() from None
    except ProblemError as error:
        outcome = error.code
        if outcome != "too_large":  # of which an incident tells
            _note(services, one, sender, error.status, outcome, error.detail)
        raise
    except RateLimitedError as error:
        outcome = "rate_limited"
        _note(services, one, sender, 503, outcome, str(error))
        raise
    except UNAVAILABLE as error:
        outcome = "unavailable"
        _note(services, one, sender, 503, outcome, str(error))
        raise
    except ClientDisconnect:
        outcome = "hung_up"  # it had no answer, and sends it again
        raise
    except Exception:
        _note(services, one, sender, 500, "internal", "an error of Tocsin's own: its log has more")
        raise
    finally:
        services.metrics.webhooks.labels(one.name, outcome).inc()
    return JSONResponse({"status": "accepted", "alerts": count}, one.status)


def _note(
    services: Services, one: Format, sender: Sender | None, status: int, code: str, why: str
) -> None:
    """Of a known sender the operator has to hear; of a stranger it is counted that there was one."""
    at = datetime.now(UTC)
    if sender is None:
        services.refusals.stranger(one.name, at)
    else:
        services.refusals.add(Refusal(at, sender.integration, one.name, status, code, why[:300]))


def _unknown() -> ProblemError:
    """401, which says nothing about why."""
    error = unauthorised()
    error.headers["WWW-Authenticate"] = CHALLENGE
    return error


def _by_header(one: Format) -> Handler:
    async def handle(
        request: Request, authorization: Annotated[str | None, Header()] = None
    ) -> Response:
        return await _take(
            one, services_of(request).reception.sender(one.name, authorization), request
        )

    return handle


def _by_address(one: Format) -> Handler:
    async def handle(request: Request, key: str) -> Response:
        return await _take(
            one, services_of(request).reception.sender_for_key(one.name, key), request
        )

    return handle


def _handshake(one: Format, *, by_address: bool) -> Handler:
    """CloudEvents' webhooks ask by OPTIONS whether they may send: who has the key may.

    It needs the key, since a yes to anybody would let anybody point a service's traffic here.
    Source: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
    """

    async def handle(request: Request) -> Response:
        reception = services_of(request).reception
        sender = (
            reception.sender_for_key(one.name, request.path_params["key"])
            if by_address
            else reception.sender(one.name, request.headers.get("authorization"))
        )
        if sender is None:
            raise _unknown()
        origin = request.headers.get("webhook-request-origin", "")
        if not ORIGIN.fullmatch(origin):
            raise ProblemError(400, "invalid", "the header WebHook-Request-Origin names no host")
        integration = sender.policy.integrations.get(sender.integration)
        rate = (integration.rate if integration is not None else None) or Rate()
        allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(rate.per_minute)}
        return Response(status_code=200, headers=allowed | {"Allow": "POST, OPTIONS"})

    return handle


ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not what the format's senders send; not taken"},
    401: {"description": "No valid key, or not signed"},
    408: {"description": "The body did not come in time"},
    413: {"description": "Too large; an incident says so"},
    415: {"description": "Packed, or of a type that the format does not have"},
    422: {"description": "A query parameter, which no format has"},
    429: {"description": "Too many requests without a valid key from this address"},
    503: {"description": "Not kept: send it again"},
}
HOOKS = [one for one in FORMATS.values() if one.is_hook]
INTAKE = {
    (method, f"/hooks/{one.name}"): _by_header(one) for one in HOOKS for method in one.methods
}
"""The same handlers, for the frame to call: in a storm the framework would cost three times the work."""


def _add(one: Format, path: str, handler: Handler, name: str, summary: str) -> None:
    content: dict[str, Any] = {kind: {"schema": {}} for kind in one.media_types}
    for method in one.methods:
        operation = name if method == one.methods[0] else f"{name}_{method.lower()}"
        router.add_api_route(
            path,
            handler,
            methods=[method],
            status_code=one.status,
            summary=summary,
            operation_id=operation,
            openapi_extra={"requestBody": {"required": True, "content": content}},
            responses=dict(ANSWERS),
        )


for _one in HOOKS:
    _add(_one, f"/{_one.name}", _by_header(_one), f"hook_{_one.name}", f"Alerts from {_one.title}")
    _add(
        _one,
        f"/{_one.name}/{{key}}",
        _by_address(_one),
        f"hook_{_one.name}_by_address",
        f"Alerts from {_one.title}, of a sender that can set no header",
    )
    if _one.has_handshake:
        for _path, _is_keyed in ((f"/{_one.name}", False), (f"/{_one.name}/{{key}}", True)):
            router.add_api_route(
                _path,
                _handshake(_one, by_address=_is_keyed),
                methods=["OPTIONS"],
                include_in_schema=False,
            )

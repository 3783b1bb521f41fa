"""The intake's routes: alerts in, and an answer only when Temporal has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import IntakeError
from starter.api.bodies import INTAKE_BYTES, TooLargeError, no_query, read_body, unauthorised
from starter.api.problems import UNAVAILABLE, ProblemError
from starter.api.services import Services, services_of
from starter.intake import FORMATS
from starter.intake.mapping import Sender
from starter.intake.received import Received

router = APIRouter(prefix="/hooks", tags=["intake"])


async def _receive(services: Services, name: str, sender: Sender | None, request: Request) -> int:
    """Deliver what a request brings, and answer how many alerts it held."""
    if sender is None:
        raise unauthorised()
    try:
        body = await read_body(request, INTAKE_BYTES)
    except TooLargeError as error:
        await services.reception.take_oversized(sender, error.start)
        detail = f"intake takes at most {INTAKE_BYTES} bytes; an incident says that this was larger"
        raise ProblemError(413, "too_large", detail) from None
    try:
        return await services.reception.take(name, sender, Received(body, request.headers))
    except IntakeError as error:
        raise ProblemError(400, "not_json", str(error)) from None


def _route_for(name: str) -> Callable[..., Awaitable[Response]]:
    async def handle(
        request: Request, authorization: Annotated[str | None, Header()] = None
    ) -> Response:
        services = services_of(request)
        sender = services.reception.sender(name, authorization)
        outcome = "failed"
        try:
            count = await _receive(services, name, sender, request)
            outcome = "accepted"
            services.metrics.alerts.labels(name).inc(count)
        except ProblemError as error:
            outcome = error.code
            raise
        except UNAVAILABLE:
            outcome = "unavailable"
            raise
        finally:
            services.metrics.webhooks.labels(name, outcome).inc()
        return JSONResponse({"status": "accepted", "alerts": count}, 202)

    return handle


INTAKE = {
    (method, f"/hooks/{one.name}"): _route_for(one.name)
    for one in FORMATS.values()
    if one.is_hook
    for method in one.methods
}
"""The same handlers, for the frame to call: in a storm the framework would cost three times the work."""

for _format in FORMATS.values():
    if not _format.is_hook:
        continue
    router.add_api_route(
        f"/{_format.name}",
        _route_for(_format.name),
        methods=list(_format.methods),
        status_code=202,
        summary=f"Alerts from {_format.title}",
        operation_id=f"hook_{_format.name}",
        dependencies=[Depends(no_query)],
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {kind: {"schema": {}} for kind in _format.media_types},
            }
        },
        responses={503: {"description": "Not kept: send it again"}},
    )

"""What a receiver of our webhooks verifies them with. They are sent by `activities/channels/webhook.py`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from domain.policy.contact_formats import FORMATS
from domain.webhook_signing import endpoint_secret
from starter.api.bodies import Body, no_query
from starter.api.problems import ProblemError, invalid
from starter.api.services import services_of

router = APIRouter(prefix="/webhooks", tags=["webhooks"], dependencies=[Depends(no_query)])
BODY = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "To the letter as the policy has it"},
        "actor": {"type": "string"},
    },
    "additionalProperties": False,
}


@router.post(
    "/secret",
    summary="The secret of one address that updates are posted to; the same at every call",
    operation_id="read_webhook_secret",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}}
    },
    responses={409: {"description": "WEBHOOK_SIGNING_KEY is not set"}},
)
async def secret(request: Request, body: Body) -> dict[str, Any]:
    # In the body and not in the address, where it would stand in logs: it may hold a token.
    url = body.get("url")
    unknown = sorted(set(body) - set(BODY["properties"]))  # type: ignore[call-overload]
    if unknown:
        raise invalid("is no field of this request", f"/{unknown[0]}")
    is_url = isinstance(url, str) and url.startswith(("https://", "http://"))
    if not isinstance(url, str) or not is_url or not FORMATS["webhook"].pattern.fullmatch(url):
        raise invalid("must be the address itself: https://…", "/url")
    master = services_of(request).settings.webhook_signing_key
    if master is None:
        detail = "WEBHOOK_SIGNING_KEY is not set: set it for the API as for the worker"
        raise ProblemError(409, "conflict", detail)
    return {"secret": endpoint_secret(master.get_secret_value(), url)}

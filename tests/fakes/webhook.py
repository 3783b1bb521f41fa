"""A receiver of our webhooks that verifies with the reference library, on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from domain.webhook_signing import endpoint_secret
from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

KEY = "fake-webhook-signing-key-0123456789abcdef"
PATH = "/hooks/tocsin?token=hunter2"


def check(request: Request) -> Refusal | Taken:
    """Signature and time, size, shape."""
    url = f"http://{request.headers['Host']}{request.path}"
    try:
        found = Webhook(endpoint_secret(KEY, url)).verify(request.body, dict(request.headers))
    except WebhookVerificationError as error:
        return Refusal(401, "{}", str(error))
    if request.headers.get("Content-Type") != "application/json":
        return Refusal(415, "{}", "not JSON")
    if len(request.body) > 20_000:
        return Refusal(413, "{}", f"{len(request.body)} bytes")
    if set(found) != {"type", "timestamp", "data"} or "." not in found["type"]:
        return Refusal(400, "{}", f"not the shape of a webhook: {sorted(found)}")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Taken(found | {"id": headers["webhook-id"]}, "{}")


@contextmanager
def webhook_fake() -> Iterator[VendorFake]:
    """A running receiver; `accepted` holds the payloads, each with its id."""
    with running(VendorFake(check, success=204)) as fake:
        yield fake

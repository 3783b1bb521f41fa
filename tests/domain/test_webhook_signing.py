"""Signatures of our webhooks, as the reference library verifies them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from domain.webhook_signing import endpoint_secret, message_id, signed_headers

MASTER = "master-key-of-32-characters-or-more"
URL = "https://hooks.example.com/tocsin"
BODY = '{"text":"Zahlung gestört"}'.encode()


def _signed(body: bytes = BODY) -> tuple[Webhook, dict[str, str]]:
    secret = endpoint_secret(MASTER, URL)
    seconds = int(datetime.now(UTC).timestamp())
    return Webhook(secret), signed_headers(secret, message_id("k"), seconds, body)


def test_the_reference_library_verifies() -> None:
    """What a receiver's library says of our headers and body is yes."""
    webhook, headers = _signed()
    assert webhook.verify(BODY, headers) == {"text": "Zahlung gestört"}


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body"])
def test_nothing_signed_can_be_changed(changed: str) -> None:
    """Id, time and every byte of the body are signed."""
    webhook, headers = _signed()
    body = BODY + b" " if changed == "body" else BODY
    if changed != "body":
        headers[changed] = headers[changed][:-1] + ("1" if headers[changed][-1] != "1" else "2")
    with pytest.raises(WebhookVerificationError):
        webhook.verify(body, headers)


def test_each_address_has_a_secret_of_its_own() -> None:
    """The same address has the same one for ever; another, or another key, has another."""
    secret = endpoint_secret(MASTER, URL)
    assert secret == endpoint_secret(MASTER, URL)
    assert secret not in (endpoint_secret(MASTER, URL + "/"), endpoint_secret(MASTER + "x", URL))
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32


def test_an_id_is_the_same_at_every_attempt() -> None:
    """A receiver knows a repeat by it, and learns nothing of our keys from it."""
    assert message_id("checkout-17/external/2") == message_id("checkout-17/external/2")
    assert message_id("a") != message_id("b")
    assert "checkout" not in message_id("checkout-17/external/2")

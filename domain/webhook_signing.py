"""Signatures of what we post to other programs: Standard Webhooks 1.0, a secret for each endpoint.

One master key makes all secrets, so there is nothing to keep and nothing to lose: the secret of an address
can be told again at any time, and tells nothing of another's.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "whsec_"
MASTER_CHARS = 32
"""A master key has at least so many."""


def endpoint_secret(master: str, url: str) -> str:
    """The secret that an address verifies with: `whsec_…`, 32 bytes.

    Args:
        url: to the letter as the policy, or what it refers to, has it.
    """
    made = hmac.new(master.encode(), f"webhook:{url}".encode(), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(made).decode("ascii")


def message_id(key: str) -> str:
    """`webhook-id` of a message: the same at every attempt, by which a receiver knows a repeat."""
    return f"msg_{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def signed_headers(secret: str, message: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three headers.

    Args:
        secret: as `endpoint_secret` answers it.
        message: `webhook-id`.
        seconds: of the epoch, when this attempt is made.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message.encode(), str(seconds).encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
    return {
        "webhook-id": message,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{signature}",
    }

"""What every signed request is checked by: its bytes as they came, in constant time, and near enough in time.

A signature holds for the bytes on the wire, never for what somebody has read out of them. A request whose
time is further off than the window is refused, so that a stolen one is soon worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from starter.security import same

__all__ = [
    "SKEW_SECONDS", "WINDOW_SECONDS", "Skew", "digest", "hmac_base64", "hmac_hex", "is_fresh",
    "is_signed_webhook", "same", "timestamp_of", "watching_skew", "webhook_keys",
]  # fmt: skip

WINDOW_SECONDS = 300
"""A request this old, or this far ahead, is still taken; one second more is not."""
SKEW_SECONDS = 60
"""A clock that is further off than this is counted: it will soon be refused."""
MAX_STAMP_CHARS = 12
MAX_SIGNATURES = 20
"""In one header: a sender that changes its secret signs with the old and the new one."""
SECRET_PREFIX = "whsec_"


@dataclass
class Skew:
    """How far off a sender's clock was, where its request said what time it is."""

    seconds: float = 0.0

    @property
    def is_notable(self) -> bool:
        return abs(self.seconds) > SKEW_SECONDS


_watched: ContextVar[Skew | None] = ContextVar("watched", default=None)


@contextmanager
def watching_skew() -> Iterator[Skew]:
    """Learn how far off the clock was of a request that is checked inside."""
    skew = Skew()
    token = _watched.set(skew)
    try:
        yield skew
    finally:
        _watched.reset(token)


def timestamp_of(text: str) -> int | None:
    """Seconds since 1970 as headers hold them: ASCII digits and nothing else."""
    if not text.isascii() or not text.isdigit() or len(text) > MAX_STAMP_CHARS:
        return None
    return int(text)


def is_fresh(stamp: float, now: float, window: float = WINDOW_SECONDS) -> bool:
    """Whether a time lies within the window, its edges included.

    Args:
        stamp: when the sender says that it sent. Units: seconds since 1970.
        now: our own time, alike.
    """
    skew = _watched.get()
    if skew is not None:
        skew.seconds = stamp - now
    # Senders give whole seconds: the fraction of ours must not make the edge a moving one.
    return abs(int(now) - stamp) <= window


def hmac_hex(secret: str | bytes, said: bytes, algorithm: str = "sha256") -> str:
    """The HMAC of what was said, in small hexadecimal letters."""
    return hmac.new(_bytes(secret), said, algorithm).hexdigest()


def hmac_base64(secret: str | bytes, said: bytes, algorithm: str = "sha256") -> str:
    """The HMAC of what was said, in base64."""
    return base64.b64encode(hmac.new(_bytes(secret), said, algorithm).digest()).decode()


def webhook_keys(secret: str) -> list[bytes]:
    """What a Standard Webhooks secret may mean: the bytes behind `whsec_`, else the text as it is."""
    try:
        decoded = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if secret.startswith(SECRET_PREFIX):
        return [decoded] if decoded else []
    return [key for key in (decoded, secret.encode()) if key]


def is_signed_webhook(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Whether a request is signed as Standard Webhooks say, with this secret and within the window.

    Args:
        headers: by name in small letters.
        now: seconds since 1970.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    webhook_id, stamp_text = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    stamp, keys = timestamp_of(stamp_text), webhook_keys(secret)
    if stamp is None or not webhook_id or not keys:
        return False
    said = b".".join((webhook_id.encode(errors="replace"), stamp_text.encode(), body))
    expected = [f"v1,{hmac_base64(key, said)}" for key in keys]
    given = headers.get("webhook-signature", "").split(" ")[:MAX_SIGNATURES]
    # No short cut at the first that fits: how long it takes must not say which one it was.
    fits = [same(one, other) for one in given for other in expected]
    return is_fresh(stamp, now) and any(fits)


def _bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


def digest(said: bytes) -> str:
    """A short name for what was said, which does not tell it."""
    return hashlib.sha256(said).hexdigest()[:32]

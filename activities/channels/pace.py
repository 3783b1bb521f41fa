"""A vendor's limit on requests, kept by everybody in this process who uses the same key."""

from __future__ import annotations

import asyncio
import hashlib
import time

from domain.errors import DeliveryError, DeliveryReason

LONGEST_WAIT_SECONDS = 4.0
"""A message whose turn is further away gives its place back and comes again: its attempt has ten seconds."""


class Pace:
    """Turns with a time between them.

    Args:
        seconds: from one turn to the next.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def turn(self, vendor: str) -> None:
        """Wait for the next turn; several at once are given theirs in order.

        Raises:
            DeliveryError: it is too far away, and says when.
        """
        now = time.monotonic()
        wait = max(self._next - now, 0.0)
        if wait > LONGEST_WAIT_SECONDS:
            detail = f"{vendor} takes one request in {self._seconds:g} s, and others are first"
            raise DeliveryError(
                DeliveryReason.RATE_LIMITED, detail, retryable=True, retry_after_seconds=wait
            )
        self._next = now + wait + self._seconds
        await asyncio.sleep(wait)


_PACES: dict[str, Pace] = {}


def pace_of(key: str, seconds: float) -> Pace:
    """The pace of a key, the same one for all channels of this process.

    Args:
        key: vendor and secret together; only its digest is kept.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    return _PACES.setdefault(digest, Pace(seconds))

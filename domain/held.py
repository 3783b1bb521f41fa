"""Messages for the public that are held: they may have gone out, and nobody but a person can find out.

A miss beats a duplicate in public, so nothing is sent until somebody has looked. See `facts/holding.py`
for what happens to one and `commands/holding.py` for the person's verdict.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel


def held_id(delivery: str) -> str:
    """A name for the message with an idempotency key, for people: `m3f9a2c`."""
    return "m" + hashlib.sha256(delivery.encode(errors="backslashreplace")).hexdigest()[:6]


class Verdict(StrEnum):
    """What a person found when they looked. The values are the wire format."""

    IT_IS_OUT = "it_is_out"
    SEND_AGAIN = "send_again"
    """It certainly is not out."""
    DROP = "drop"
    """Whether it is out does not matter any more."""


class HeldMessage(BaseModel):
    """One message to one place that waits for a verdict."""

    id: str
    """`m` and six letters that stand for its key: short enough to type."""
    at: datetime
    recipient: str
    channel: str
    what: str
    """In words: `Initial external update`."""
    detail: str = ""
    """Why it is held, and so what to look at."""
    delivery: str
    """Its idempotency key."""
    kind: str
    """Of the effect that sends it."""
    announcement: dict[str, Any]
    """What would be sent again."""

    def shown(self) -> dict[str, Any]:
        """As the incident's view shows it."""
        return self.model_dump(mode="json", exclude={"announcement", "kind"})

    @property
    def number(self) -> int | None:
        """The number of its update among those of the incident."""
        found = (self.announcement.get("context") or {}).get("number")
        return found if isinstance(found, int) else None

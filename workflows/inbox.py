"""What waits at a desk to be decided, in the order in which it came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import BaseModel

from domain.alert import Alert
from domain.declaring import Declaration
from domain.triage import Fold


class Inbox(BaseModel):
    """One thing that waits to be decided.

    Each is decided by itself and strictly in turn. A desk starts incidents and hands alerts over before
    its task is written down, so the task may be done again with more in the queue: whatever was done
    must come out the same then, under the same key.
    """

    alerts: list[Alert] = []
    fold: Fold = "service"
    related: str | None = None
    """The incident that did not take these alerts any more."""
    declaration: Declaration | None = None
    key: str = ""
    """Of the declaration, the report or the hand-back."""

    def key_for(self, incident: str, alerts: Sequence[Alert]) -> str:
        """Business key of handing some of its alerts to an incident."""
        ids = hashlib.sha256(" ".join(alert.id for alert in alerts).encode()).hexdigest()[:16]
        return f"{incident}/{self.key}/{ids}"

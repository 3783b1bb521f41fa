"""What waits at a desk to be decided, in the order in which it came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import BaseModel

from domain.alert import Alert, AlertBatch
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

    is_reminder: bool = False
    """No report: the time has come to hand over the repeats that were held back."""

    def batch_for(self, incident: str, alerts: Sequence[Alert]) -> AlertBatch:
        """Some of its alerts for an incident, under a key that is the same however often this is done."""
        ids = hashlib.sha256(" ".join(alert.id for alert in alerts).encode()).hexdigest()[:16]
        return AlertBatch(key=f"{incident}/{self.key}/{ids}", alerts=list(alerts))

"""What waits at a desk to be decided, in the order in which it came."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel

from domain.alert import Alert, AlertBatch
from domain.declaring import Declaration
from domain.grouping import Rule
from domain.storm import StormOrder
from domain.triage import Fold


class Given(BaseModel):
    """Alerts of one report that belong to one incident, each with the reason where there is one."""

    alerts: list[Alert] = []
    reasons: dict[str, str] = {}
    """By the alert's id."""
    reopens: str = ""
    """Why it is to be reopened, where it is resolved."""

    def add(self, alert: Alert, reason: str = "") -> None:
        self.alerts.append(alert)
        if reason:
            self.reasons[alert.id] = reason


class Inbox(BaseModel):
    """One thing that waits to be decided.

    Each is decided by itself and strictly in turn. A desk starts incidents and hands alerts over before
    its task is written down, so the task may be done again with more in the queue: whatever was done
    must come out the same then, under the same key.
    """

    alerts: list[Alert] = []
    fold: Fold = "service"
    rule: Rule = Rule()
    related: str | None = None
    """The incident that did not take these alerts any more."""
    declaration: Declaration | None = None
    key: str = ""
    """Of the declaration, the report or the hand-back."""

    storm: StormOrder | None = None
    """A storm whose incident is to be raised."""
    is_reminder: bool = False
    """No report: the time has come to hand over the repeats that were held back."""

    def batch_for(self, incident: str, given: Given) -> AlertBatch:
        """Some of its alerts for an incident, under a key that is the same however often this is done."""
        ids = hashlib.sha256(" ".join(a.id for a in given.alerts).encode()).hexdigest()[:16]
        return AlertBatch(
            key=f"{incident}/{self.key}/{ids}",
            alerts=given.alerts,
            reasons=given.reasons,
            reopens=given.reopens,
        )

"""Facts about alerts that the incident holds."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Fact
from domain.alert import AlertState, AlertStatus
from domain.incident import Incident


class AlertFolded(Fact):
    """A firing alert joined."""

    key: str
    severity: str
    summary: str
    count: int = 1
    is_new: bool = True
    """False when the alert was already held: a repeat."""
    integration: str = ""
    link: str | None = None

    def sentence(self) -> str:
        if self.is_new:
            return f"Alert from {self.integration} joined ({self.severity}): {self.summary}"
        times = "once more" if self.count == 1 else f"{self.count} times more"
        return f"Alert repeated {times}: {self.summary}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.alert_count += self.count
        held = incident.alerts.get(self.key)
        if held is None and len(incident.alerts) >= incident.ALERTS_KEPT and not _forget(incident):
            incident.untracked_firing += 1
            return
        incident.alerts[self.key] = AlertState(
            status=AlertStatus.FIRING,
            severity=self.severity,
            count=self.count + (held.count if held else 0),
        )


class AlertPartlyCleared(Fact):
    """One alert cleared, others still fire."""

    key: str
    remaining: int

    def sentence(self) -> str:
        return f"An alert cleared, {self.remaining} still firing"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        clear(incident, self.key)


class AlertCleared(Fact):
    """The last alert cleared; the incident stays open until a human, or the policy, resolves it."""

    key: str
    resolves: bool = False
    """Whether the incident is resolved by it, so that nobody has to be told."""

    def sentence(self) -> str:
        return "The last alert cleared"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        clear(incident, self.key)


class AlertUnreadable(Fact):
    """Part of an alert could not be read; what was done instead."""

    note: str
    raw: str | None = None

    def sentence(self) -> str:
        return self.note


def _forget(incident: Incident) -> bool:
    """Make room by forgetting the oldest alert that has cleared; tell whether there was one."""
    for key, alert in incident.alerts.items():
        if alert.status is AlertStatus.RESOLVED:
            del incident.alerts[key]
            return True
    return False


def clear(incident: Incident, key: str) -> None:
    held = incident.alerts.get(key)
    if held is not None:
        incident.alerts[key] = held.model_copy(update={"status": AlertStatus.RESOLVED})

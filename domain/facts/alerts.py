"""Facts about alerts that the incident holds."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.aggregate import Fact
from domain.alert import AlertState, AlertStatus
from domain.durations import in_words
from domain.incident import Incident

RAW_SHOWN = 300
"""Of a payload that could not be read, in the sentence; the data of the fact holds more."""


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
    links: list[str] | None = None
    """Further addresses that came with it, its runbooks among them."""
    reason: str | None = None
    """Why it is part of this incident, as the desk decided; None where it raised it."""
    service: str | None = None
    """Whose alert it is, where the incident stands for several services."""

    def sentence(self) -> str:
        why = f", {self.reason}" if self.reason else ""
        why = f", {self.service}{why}" if self.service else why
        if self.is_new:
            return f"Alert from {self.integration} joined ({self.severity}{why}): {self.summary}"
        if self.count == 1:
            return f"Alert repeated once more{why}: {self.summary}"
        return f"{self.count} alerts folded{why or ', same key'}: {self.summary}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.alert_count += self.count
        if incident.storm is not None and self.service:
            # One that was handed on counts where it came in; here it is an alert all the same.
            incident.storm.take(self.service, max(1, self.count))
            incident.summary = incident.storm.summary()
        for run in incident.active_pages():
            if run.waits_for_alert:
                run.waits_for_alert, run.due_at = False, at
        held = incident.alerts.get(self.key)
        if held is None and len(incident.alerts) >= incident.ALERTS_KEPT and not _forget(incident):
            incident.untracked_firing += 1
            return
        incident.alerts[self.key] = AlertState(
            status=AlertStatus.FIRING,
            severity=self.severity,
            count=self.count + (held.count if held else 0),
        )


class AlertsFolded(Fact):
    """Bookkeeping for readers: how many alerts came with one word of the desk."""

    count: int
    reason: str

    def sentence(self) -> str:
        return f"{self.count} alerts folded: {self.reason}"


class RaisedApart(Fact):
    """Something was open on the service, and the alert that raised this incident is not part of it."""

    reason: str
    """Of which incident, and by which rule: `checkout-3: 10 min window over`."""

    def sentence(self) -> str:
        return f"Raised apart from {self.reason}"


class AlertAcknowledged(Fact):
    """Somebody took it where the alert came from, and is not known to be one of ours."""

    key: str
    by: str
    integration: str

    def sentence(self) -> str:
        return (
            f"Acknowledged at {self.integration} by {self.by}: "
            "pages go on until somebody of ours acknowledges here"
        )


class ChangeNoted(Fact):
    """Something was changed on the service: context, and perhaps the cause."""

    summary: str
    changed_at: datetime
    integration: str
    by: str | None = None
    link: str | None = None
    before_seconds: float
    """Before the first alert, or before it was raised; negative: after."""
    is_alert: bool = True
    """Whether an alert was first, and not a person."""

    def sentence(self) -> str:
        by = f" by {self.by}" if self.by else ""
        how = "before" if self.before_seconds >= 0 else "after"
        what = "the first alert" if self.is_alert else "it was raised"
        length = in_words(timedelta(seconds=abs(self.before_seconds)))
        return f"Change{by}: {self.summary}, {length} {how} {what}"


class PagedWhileAway(Fact):
    """While the orchestrator was away somebody was paged past it."""

    text: str

    def sentence(self) -> str:
        return self.text


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
    flaps: int | None = None
    """How often it came back, where that is why the incident stays open."""

    def sentence(self) -> str:
        if self.flaps is None:
            return "The last alert cleared"
        return (
            f"The last alert cleared; it has come back {self.flaps} times already, "
            "so the incident stays open until somebody resolves it"
        )

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        clear(incident, self.key)


class AlertUnreadable(Fact):
    """Part of an alert could not be read; what was done instead."""

    note: str
    raw: str | None = None

    def sentence(self) -> str:
        return f"{self.note}; sent: {self.raw[:RAW_SHOWN]}" if self.raw else self.note


def _forget(incident: Incident) -> bool:
    """Make room by forgetting the oldest alert that has cleared; tell whether there was one."""
    if incident.all_firing:
        return False  # thousands of alerts of a storm are not to walk the same thousand each
    for key, alert in incident.alerts.items():
        if alert.status is AlertStatus.RESOLVED:
            del incident.alerts[key]
            return True
    incident.all_firing = True
    return False


def clear(incident: Incident, key: str) -> None:
    held = incident.alerts.get(key)
    if held is not None:
        incident.alerts[key] = held.model_copy(update={"status": AlertStatus.RESOLVED})
        incident.all_firing = False

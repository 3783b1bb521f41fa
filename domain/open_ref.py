"""An open incident as its desk knows it: a cache, never the truth."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import BaseModel

from domain.alert import Alert, AlertBatch, AlertStatus
from domain.wall_clock import Instant

FIRING_KEPT = 100
"""Alerts in a storm that a desk keeps whole, to decide them again when the storm's incident ends."""
KEYS_KEPT = 500
"""Alert keys that the desk remembers of each incident; the incident itself knows them all."""


class OpenRef(BaseModel):
    """An open incident, as the desk knows it."""

    id: str
    severity: str
    priority: str
    raised_at: Instant
    keys: list[str] = []
    knows_all_keys: bool = True
    """False for one that a new desk has learnt of from the records."""
    began_at: Instant | None = None
    """When the alert that raised it was received; None where a person raised it, or where it is not known."""
    joined_at: Instant | None = None
    """When its last alert of a new key was received; None: none since it began."""
    labels: dict[str, str] | None = None
    """Grouping labels of the alert that raised it, or of the first that joined what a person raised."""
    said: dict[str, str | None] = {}
    """Severity by key, of the alerts that it last heard of as firing."""
    handed_at: Instant | None = None
    """When it was last given alerts."""
    waiting: list[AlertBatch] = []
    """Repeats that are held back a moment, so that in a storm they reach it together."""
    storm: str = ""
    """The integration whose storm it stands for: an incident of the desk of `unknown`, open to others."""
    takes_until: Instant | None = None
    """Until when it takes what else that integration reports on this service, unasked."""
    firing: dict[str, Alert] = {}
    """By key, what it holds of this service in a storm and has not cleared."""

    @property
    def may_hold_others(self) -> bool:
        """Whether it may hold an alert whose key is not in `keys`."""
        return not self.knows_all_keys or len(self.keys) >= KEYS_KEPT

    @property
    def began(self) -> datetime:
        """When it began, by the clock that alerts are received by where that is known."""
        return self.began_at or self.raised_at

    def may_wait(self, alerts: Iterable[Alert], at: datetime, within: timedelta) -> bool:
        """Whether alerts can reach an incident together with others, a moment later.

        It heard of some a moment ago, and these say nothing that anybody is paged for: repeats, and new
        ones that are no worse than it was when it was raised.
        """
        if self.handed_at is None or at - self.handed_at >= within:
            return False
        if self.storm:
            # What is worse than anything said before cannot wait, nor can somebody who has taken it.
            said = set(self.said.values())
            return all(
                alert.severity in said
                if alert.status is AlertStatus.FIRING
                else alert.status is not AlertStatus.ACKNOWLEDGED
                for alert in alerts
            )
        return all(
            alert.status is AlertStatus.FIRING
            and not alert.notes
            and not alert.paged_directly
            and alert.severity == self.said.get(alert.key, self.severity)
            for alert in alerts
        )

    def take_waiting(self, batch: AlertBatch | None, at: datetime) -> list[AlertBatch]:
        """What goes to the incident now: what was held back, and `batch` behind it."""
        going = [*self.waiting, *([batch] if batch else [])]
        self.waiting, self.handed_at = [], at
        for alert in batch.alerts if batch else ():
            if alert.status is AlertStatus.FIRING:
                self.said.pop(alert.key, None)
                self.said[alert.key] = alert.severity
            elif alert.status is AlertStatus.RESOLVED:
                self.said.pop(alert.key, None)
        while len(self.said) > KEYS_KEPT:
            del self.said[next(iter(self.said))]
        return going

    def remember(self, keys: Iterable[str]) -> None:
        self.keys = list(dict.fromkeys([*self.keys, *keys]))[-KEYS_KEPT:]

    def join(self, alert: Alert) -> None:
        """A firing alert is part of it from now on."""
        if alert.key in self.keys:
            return
        self.remember([alert.key])
        # Several doors may hand over out of order: an older alert takes nothing from a younger one.
        self.joined_at = max(self.joined_at or alert.received_at, alert.received_at)
        if self.labels is None:
            self.labels = dict(alert.labels)

    def takes_storm(self, alert: Alert) -> bool:
        """Whether a storm takes an alert of a new key without being asked."""
        is_ours = alert.integration == self.storm and alert.status is AlertStatus.FIRING
        return is_ours and self.takes_until is not None and alert.received_at < self.takes_until

    def keep_firing(self, alerts: Iterable[Alert]) -> None:
        """Remember what a storm holds of this service; what has cleared is forgotten."""
        for alert in alerts if self.storm else ():
            if alert.status is AlertStatus.RESOLVED:
                self.firing.pop(alert.key, None)
            elif alert.status is AlertStatus.FIRING and (
                alert.key in self.firing or len(self.firing) < FIRING_KEPT
            ):
                short: dict[str, object] = {
                    "description": alert.description[:500],
                    "raw": None,
                    "notes": [],
                }
                self.firing[alert.key] = alert.model_copy(update=short)

    def still_firing(self) -> list[Alert]:
        """What comes back from a storm whose incident has ended; it has been counted there."""
        return [alert.model_copy(update={"count": 0}) for alert in self.firing.values()]

    def at_rest(self) -> OpenRef:
        """As it is remembered once it takes no more alerts; its keys are remembered apart."""
        nothing: dict[str, object] = {
            "keys": [],
            "said": {},
            "handed_at": None,
            "waiting": [],
            "firing": {},
        }
        return self.model_copy(update=nothing)

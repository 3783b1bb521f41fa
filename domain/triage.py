"""The desk's triage: for each report a new incident, part of an open one, or nothing.

The desk's knowledge of what is open is a cache. Whether an incident still takes an alert is that
incident's own answer: what it does not take comes back and is decided again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel

from domain.alert import Alert, AlertBatch, AlertStatus
from domain.maintaining import MadeWindows
from domain.priority import rank_key

KEYS_KEPT = 500
"""Alert keys that the desk remembers of each incident; the incident itself knows them all."""
SETTLED_KEPT = 50
"""Settled incidents that the desk remembers, to link an alert that fires again."""

CLEARINGS_KEPT = 100

Fold = Literal["service", "key"]


class OpenRef(BaseModel):
    """An open incident, as the desk knows it."""

    id: str
    severity: str
    priority: str
    raised_at: datetime
    keys: list[str] = []
    knows_all_keys: bool = True
    """False for one that a new desk has learnt of from the records."""
    said: dict[str, str | None] = {}
    """Severity by key, of the alerts that it last heard of as firing."""
    handed_at: datetime | None = None
    """When it was last given alerts."""
    waiting: list[AlertBatch] = []
    """Repeats that are held back a moment, so that in a storm they reach it together."""

    @property
    def may_hold_others(self) -> bool:
        """Whether it may hold an alert whose key is not in `keys`."""
        return not self.knows_all_keys or len(self.keys) >= KEYS_KEPT

    def may_wait(self, alerts: Iterable[Alert], at: datetime, within: timedelta) -> bool:
        """Whether alerts say nothing new to an incident that heard the same a moment ago."""
        if self.handed_at is None or at - self.handed_at >= within:
            return False
        return all(
            alert.status is AlertStatus.FIRING
            and not alert.notes
            and alert.key in self.said
            and self.said[alert.key] == alert.severity
            for alert in alerts
        )

    def take_waiting(self, batch: AlertBatch | None, at: datetime) -> list[AlertBatch]:
        """What goes to the incident now: what was held back, and `batch` behind it."""
        going = [*self.waiting, *([batch] if batch else [])]
        self.waiting, self.handed_at = [], at
        for alert in batch.alerts if batch else ():
            self.said.pop(alert.key, None)
            if alert.status is AlertStatus.FIRING:
                self.said[alert.key] = alert.severity
        while len(self.said) > KEYS_KEPT:
            del self.said[next(iter(self.said))]
        return going

    def remember(self, keys: Iterable[str]) -> None:
        self.keys = list(dict.fromkeys([*self.keys, *keys]))[-KEYS_KEPT:]


class Join(BaseModel):
    """The alert belongs to an open incident."""

    incident: str


class Raise(BaseModel):
    """The alert is a new incident, perhaps related to one before."""

    related: str | None = None


class Ignore(BaseModel):
    """Nothing to do: it was already over when it arrived."""


Decision = Join | Raise | Ignore


class DeskState(BaseModel):
    """What a desk carries from run to run."""

    service: str
    next_number: int | None = None
    """None until the records have told which numbers are taken."""
    open: dict[str, OpenRef] = {}
    settled: dict[str, list[str]] = {}
    """Keys of the last settled incidents."""
    results: dict[str, dict[str, Any]] = {}
    """Answers to declarations by key, the last 200."""
    fold: Fold = "service"
    """How the last report was to be folded; alerts that are given back follow it."""
    heard: dict[str, int] = {}
    """Number of the fact behind the last word of each incident."""
    made: MadeWindows = MadeWindows()
    """Maintenance windows made at run time."""
    batches: list[str] = []
    """Keys of the last report batches, so that one delivered twice counts once."""

    passed_over: dict[str, Alert] = {}
    """The last clearings that nothing open was known for, by alert key."""

    def take_number(self) -> int:
        if self.next_number is None:
            raise LookupError(f"desk {self.service} does not know its next number yet")
        number, self.next_number = self.next_number, self.next_number + 1
        return number

    def is_news(self, incident: str, seq: int) -> bool:
        """Tell whether a word from an incident is newer than the last one, and remember it.

        Its words travel one by one and are repeated until delivered, so that an old "settled" may
        arrive after the "reopened" that followed it.
        """
        if seq < self.heard.get(incident, 0):
            return False
        self.heard.pop(incident, None)
        self.heard[incident] = seq
        while len(self.heard) > SETTLED_KEPT * 4:
            del self.heard[next(iter(self.heard))]
        return True

    def settle(self, incident: str, keys: Iterable[str]) -> None:
        """An incident takes no more alerts; may come early, late or twice."""
        held = self.open.pop(incident, None)
        known = [*self.settled.pop(incident, []), *(held.keys if held else [])]
        self.settled[incident] = list(dict.fromkeys([*known, *keys]))[-KEYS_KEPT:]
        while len(self.settled) > SETTLED_KEPT:
            del self.settled[next(iter(self.settled))]

    def reopen(self, ref: OpenRef) -> None:
        """An incident takes alerts again; keys that it told before are still its own."""
        held = self.open.get(ref.id)
        known = [*self.settled.pop(ref.id, []), *(held.keys if held else [])]
        self.open[ref.id] = ref.model_copy(
            update={"keys": list(dict.fromkeys([*known, *ref.keys]))[-KEYS_KEPT:]}
        )

    def has_seen(self, batch: str) -> bool:
        """Tell whether a batch came before, and remember it."""
        if batch in self.batches:
            return True
        self.batches = [*self.batches, batch][-200:]
        return False

    def pass_over(self, clearing: Alert) -> None:
        """Remember a clearing that clears nothing known: what it clears may still be on its way back."""
        self.passed_over.pop(clearing.key, None)
        self.passed_over[clearing.key] = clearing
        while len(self.passed_over) > CLEARINGS_KEPT:
            del self.passed_over[next(iter(self.passed_over))]

    def with_clearings(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Alerts that were given back, each with the clearing that overtook it right behind."""
        found: list[Alert] = []
        for alert in alerts:
            found.append(alert)
            clearing = self.passed_over.get(alert.key)
            is_firing = alert.status is AlertStatus.FIRING
            if clearing is not None and is_firing and clearing.received_at >= alert.received_at:
                found.append(self.passed_over.pop(alert.key))
        return found

    def remember_result(self, key: str, result: dict[str, Any]) -> None:
        self.results[key] = result
        while len(self.results) > 200:
            del self.results[next(iter(self.results))]


def decide(desk: DeskState, alert: Alert, fold: Fold) -> Decision:
    """Decide one alert against what the desk knows to be open."""
    holders = [ref for ref in desk.open.values() if alert.key in ref.keys]
    if alert.status is AlertStatus.RESOLVED:
        if holders:
            return Join(incident=min(holders, key=rank_key).id)
        # The key may have fallen out of the desk's memory: the incident in front knows.
        others = [ref for ref in desk.open.values() if ref.may_hold_others]
        return Join(incident=min(others, key=rank_key).id) if others else Ignore()
    candidates = holders or (list(desk.open.values()) if fold == "service" else [])
    if candidates:
        return Join(incident=min(candidates, key=rank_key).id)
    before = [incident for incident, keys in desk.settled.items() if alert.key in keys]
    return Raise(related=before[-1] if before else None)

"""The desk's triage: for each report a new incident, part of an open one, or nothing.

The desk's knowledge of what is open is a cache. Whether an incident still takes an alert is that
incident's own answer: what it does not take comes back and is decided again. Which alerts belong
together is `grouping.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from domain.alert import Alert, AlertStatus
from domain.changes import Change, change_of, told_at, with_change
from domain.grouping import SAME_KEY, Rule, apart, fired_again, joined_because
from domain.maintaining import MadeWindows
from domain.open_ref import KEYS_KEPT, OpenRef
from domain.priority import rank_key

SETTLED_KEPT = 50
"""Settled incidents that the desk remembers, to link an alert that fires again."""

CLEARINGS_KEPT = 100
STORM = "alert storm"

Fold = Literal["service", "key"]


class Join(BaseModel):
    """The alert belongs to an open incident."""

    incident: str
    reason: str = ""
    """In words; empty where the incident is only asked whether the alert is its own."""


class Raise(BaseModel):
    """The alert is a new incident, perhaps related to one before."""

    related: str | None = None
    apart: str = ""
    """Why it is not part of what is open, in words: `checkout-3: 10 min window over`."""


class Reopen(BaseModel):
    """The alert fires again so soon after the resolution of its incident that it is still the same one."""

    incident: str
    reason: str


class Tell(BaseModel):
    """No alert: a change, which every open incident is told of."""

    incidents: list[str] = []


class Ignore(BaseModel):
    """Nothing to do: it was already over when it arrived, or is about an alert that nobody holds."""


Decision = Join | Raise | Reopen | Tell | Ignore


class Ended(BaseModel):
    """An incident that was resolved and may still be reopened."""

    at: datetime
    ref: OpenRef
    """Without its keys: they stand in `settled`."""


class DeskState(BaseModel):
    """What a desk carries from run to run."""

    service: str
    next_number: int | None = None
    """None until the records have told which numbers are taken."""
    open: dict[str, OpenRef] = {}
    settled: dict[str, list[str]] = {}
    """Keys of the last settled incidents."""
    ended: dict[str, Ended] = {}
    """Those of them that were resolved and may still be reopened."""
    results: dict[str, dict[str, Any]] = {}
    """Answers to declarations by key, the last 200."""
    fold: Fold = "service"
    """How the last report was to be folded; alerts that are given back follow it."""
    rule: Rule = Rule()
    """As `fold`."""
    changes: list[Change] = []
    """The last changes of the service, oldest first."""
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

    def give_number_back(self) -> None:
        """The number taken last is not used after all."""
        if self.next_number is not None:
            self.next_number -= 1

    def join_storm(self, ref: OpenRef, alerts: Iterable[Alert]) -> None:
        """Alerts of this service are part of a storm's incident from now on."""
        known = self.open.setdefault(ref.id, ref)
        known.storm, known.takes_until = ref.storm, ref.takes_until
        known.remember(alert.key for alert in alerts)

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

    def settle(
        self,
        incident: str,
        keys: Iterable[str],
        at: datetime | None = None,
        ref: OpenRef | None = None,
        not_taken: Iterable[Alert] = (),
    ) -> None:
        """An incident takes no more alerts; may come early, late or twice.

        Args:
            at: when it was resolved, where it may still be reopened.
            ref: the incident in its own words, for a desk that has not known it.
            not_taken: what it gives back: a key of which it took nothing is not its own.
        """
        held, keys = self.open.pop(incident, None), list(keys)
        others = {alert.key for alert in not_taken} - set(keys)
        known = [*self.settled.pop(incident, []), *(held.keys if held else [])]
        mine = [key for key in known if key not in others]
        keys = list(dict.fromkeys([*mine, *keys]))[-KEYS_KEPT:]
        self.settled[incident] = keys
        was = self.ended.pop(incident, None)
        best = held or (was.ref if was else None) or ref
        if at is not None and best is not None:
            self.ended[incident] = Ended(at=at, ref=best.at_rest())
        while len(self.settled) > SETTLED_KEPT:
            oldest = next(iter(self.settled))
            del self.settled[oldest]
            self.ended.pop(oldest, None)

    def reopen(self, ref: OpenRef) -> None:
        """An incident takes alerts again; keys that it told before are still its own."""
        held, was = self.open.get(ref.id), self.ended.pop(ref.id, None)
        told = [*self.settled.pop(ref.id, []), *(held.keys if held else [])]
        update: dict[str, Any] = {"keys": list(dict.fromkeys([*told, *ref.keys]))[-KEYS_KEPT:]}
        before = held or (was.ref if was else None)
        if before is not None:
            # How it began is the desk's own knowledge; the incident does not tell it.
            update |= {name: getattr(before, name) for name in ("began_at", "joined_at", "labels")}
        if held is not None:
            update |= {"waiting": held.waiting}
        self.open[ref.id] = ref.model_copy(update=update)

    def wish_open(self, decision: Reopen) -> None:
        """An incident is asked to reopen; until it says otherwise it is taken for open."""
        self.reopen(self.ended[decision.incident].ref)

    def note_change(self, alert: Alert) -> None:
        """Remember a change of the service."""
        self.changes = with_change(self.changes, change_of(alert))

    def changes_before(self, at: datetime) -> list[Change]:
        """The changes that an incident is told of which begins at that time."""
        return told_at(self.changes, at)

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


def decide(desk: DeskState, alert: Alert, fold: Fold, rule: Rule | None = None) -> Decision:
    """Decide one alert against what the desk knows to be open.

    Args:
        rule: what the service's policy says beside `fold`; None is nothing.
    """
    rule = rule or Rule()
    if alert.status is AlertStatus.CHANGED:
        return Tell(incidents=[ref.id for ref in desk.open.values() if not ref.storm])
    holders = [ref for ref in desk.open.values() if alert.key in ref.keys]
    if holders:
        return Join(incident=min(holders, key=rank_key).id, reason=SAME_KEY)
    if alert.status is not AlertStatus.FIRING:
        # The key may have fallen out of the desk's memory: the incident in front knows.
        others = [ref for ref in desk.open.values() if ref.may_hold_others]
        return Join(incident=min(others, key=rank_key).id) if others else Ignore()
    return _place(desk, alert, fold, rule)


def _place(desk: DeskState, alert: Alert, fold: Fold, rule: Rule) -> Decision:
    """Where a firing alert goes whose key no open incident holds."""
    if fold == "key":
        own = [ref for ref in desk.open.values() if not ref.storm]
        front = min(own, key=rank_key, default=None)
        why = f"{front.id}: another key" if front else ""
    else:
        why = ""
        for ref in sorted(desk.open.values(), key=rank_key):
            if ref.storm:
                continue  # an incident of the service itself goes first
            stays = apart(ref, alert, rule)
            if not stays:
                return Join(incident=ref.id, reason=joined_because(ref, alert, rule))
            why = why or f"{ref.id}: {stays}"
    for ref in desk.open.values():
        if ref.storm and ref.takes_storm(alert):
            return Join(incident=ref.id, reason=STORM)
    before = [incident for incident, keys in desk.settled.items() if alert.key in keys]
    ended, soon = desk.ended.get(before[-1]) if before else None, rule.reopen_within
    if ended is not None and soon is not None and alert.received_at - ended.at <= soon:
        # Only where it would raise one: a service has no second open incident by it.
        return Reopen(incident=before[-1], reason=fired_again(alert, ended.at))
    return Raise(related=before[-1] if before else None, apart=why)


def belongs_with(group: OpenRef, alert: Alert, fold: Fold, rule: Rule) -> str:
    """Why a firing alert is part of the incident that alerts before it in its report are about to raise.

    Returns:
        The reason in words; empty where it is not.
    """
    if alert.key in group.keys:
        return SAME_KEY
    if fold == "key" or apart(group, alert, rule):
        return ""
    return joined_because(group, alert, rule)

"""Which open incident takes a firing alert whose key none of them holds, and in which words.

Everything is measured by when alerts were received at the door, so that a decision comes out the same
when it is made again, or later because the desk could not run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel

from domain.alert import Alert
from domain.durations import Duration, in_words
from domain.open_ref import OpenRef
from domain.policy.grouping import Grouping
from domain.policy.model import Service

SAME_KEY = "same key"


class Rule(BaseModel):
    """What a service's policy says of its alerts beside `fold`; a report carries it to the desk."""

    grouping: Grouping | None = None
    reopen_within: Duration | None = None


def rule_of(service: Service) -> Rule:
    """The rule of a service of the policy."""
    return Rule(grouping=service.grouping, reopen_within=service.reopen_within)


def apart(ref: OpenRef, alert: Alert, rule: Rule) -> str:
    """Why an alert of a new key stays apart from an open incident; empty where it joins."""
    grouping = rule.grouping
    if grouping is None:
        return ""
    for label in grouping.labels:
        if ref.labels is None and ref.knows_all_keys:
            break  # a person raised it: the first alert that joins says which labels are its own
        if ref.labels is None:
            return "its labels are not known any more"
        theirs, ours = ref.labels.get(label), alert.labels.get(label)
        if theirs != ours:
            return f"{_label(label, ours)} here, {_label(label, theirs)} there"
    if alert.received_at - ref.began > grouping.at_most:
        return f"raised more than {in_words(grouping.at_most)} before"
    if grouping.window is not None and _gap(ref, alert) > grouping.window:
        return f"{in_words(grouping.window)} window over"
    return ""


def joined_because(ref: OpenRef, alert: Alert, rule: Rule) -> str:
    """In words why an alert of a new key is part of an open incident."""
    labels = rule.grouping.labels if rule.grouping is not None else []
    shared = [_label(label, alert.labels.get(label)) for label in labels]
    same = f"same {', '.join(shared)}" if shared else "same service"
    gap = _gap(ref, alert)
    return f"{same}, {in_words(gap)} after the last" if gap >= timedelta(seconds=1) else same


def group_of(alert: Alert) -> OpenRef:
    """The incident that an alert is about to raise, for the alerts behind it in the same report."""
    at = alert.received_at
    return OpenRef(
        id="", severity="", priority="", raised_at=at, began_at=at, keys=[alert.key],
        labels=dict(alert.labels),
    )  # fmt: skip


def fired_again(alert: Alert, resolved_at: datetime) -> str:
    """In words how soon an alert fires again."""
    gap = max(alert.received_at - resolved_at, timedelta(0))
    return f"{alert.summary} fires again {in_words(gap)} after the resolution"


def _gap(ref: OpenRef, alert: Alert) -> timedelta:
    return alert.received_at - (ref.joined_at or ref.began)


def _label(name: str, value: str | None) -> str:
    return f"{name}={value}" if value is not None else f"no {name}"

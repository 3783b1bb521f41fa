"""Changes that senders tell of, such as deployments: no alerts, but what a responder asks for first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import BaseModel

from domain.alert import Alert

KEPT = 20
KEPT_FOR = timedelta(hours=24)
TOLD_WITHIN = timedelta(hours=1)
"""A new incident is told of changes not older than this. Most changes that break something do it at once;
what is older is found by whoever looks for it. No policy field: nobody has asked for another number."""
TEXT_CHARS = 300
"""A desk carries all of them from run to run: what is longer stands where the link leads."""


class Change(BaseModel):
    """One change of a service, as the desk remembers it."""

    id: str
    key: str
    summary: str
    at: datetime
    integration: str
    by: str | None = None
    link: str | None = None


def change_of(alert: Alert) -> Change:
    """What is kept of a change as intake hands it over."""
    link = alert.link or next(iter(alert.links), None)
    return Change(
        id=alert.id,
        key=alert.key,
        summary=alert.summary[:TEXT_CHARS],
        at=alert.starts_at or alert.received_at,
        integration=alert.integration,
        by=alert.by[:TEXT_CHARS] if alert.by else None,
        link=link,
    )


def with_change(changes: Iterable[Change], change: Change) -> list[Change]:
    """The changes that are remembered once one more has come; one that is told again counts once."""
    others = [one for one in changes if (one.key, one.summary) != (change.key, change.summary)]
    newest = sorted([*others, change], key=lambda one: (one.at, one.id))
    return [one for one in newest if newest[-1].at - one.at <= KEPT_FOR][-KEPT:]


def told_at(changes: Iterable[Change], at: datetime) -> list[Change]:
    """Those that an incident is told of which begins at that time."""
    return [one for one in changes if at - one.at <= TOLD_WITHIN]

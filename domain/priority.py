"""Priority: which of several incidents comes first. Separate from severity, which says how bad it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
NAMED = 2
"""Incidents behind it that a page names; the others are counted."""
WAITING_NAMED = 5


def default_priority(severity: str, severities: Sequence[str], tier: int) -> str:
    """P1 for the worst severity of a tier 1 service; one lower per severity and per tier, down to P5."""
    position = severities.index(severity) if severity in severities else len(severities)
    return PRIORITIES[min(position + max(tier, 1) - 1, len(PRIORITIES) - 1)]


class Ranked(Protocol):
    """What the order of open incidents is made from."""

    @property
    def id(self) -> str: ...
    @property
    def priority(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def raised_at(self) -> datetime: ...


class OpenIncident(BaseModel):
    """An open incident as the ranking sees it."""

    id: str
    priority: str
    severity: str
    raised_at: datetime
    summary: str = ""


def rank_key(incident: Ranked) -> tuple[str, str, datetime, str]:
    """Sort key of open incidents: priority, severity, oldest first."""
    return (incident.priority, incident.severity, incident.raised_at, incident.id)


class Rank(BaseModel):
    """Where one incident stands among the open ones."""

    position: int
    of: int
    first: str = ""
    """Id of the incident that goes first."""
    first_severity: str = ""
    behind: list[str] = []
    """The next ones behind it, with their severity: `search-3 (SEV2)`."""

    def sentence(self) -> str:
        """What a page says of it, at a glance: what goes first, and what can wait."""
        if self.of <= 1:
            return "the only open incident"
        if self.position == 1:
            place = f"top priority: #1 of {self.of} open"
            return f"{place}; {self._waits()} can wait" if self.behind else place
        place = f"#{self.position} of {self.of} open, can wait behind {self.first} ({self.first_severity})"
        return f"{place}; goes before {self._waits()}" if self.behind else place

    def _waits(self) -> str:
        more = self.of - self.position - len(self.behind)
        named = ", ".join(self.behind)
        return f"{named} and {more} more" if more > 0 else named


def rank_among(incident: Ranked, others: Iterable[Ranked]) -> Rank:
    """Rank `incident` among `others`, whether or not it is one of them."""
    rows = {row.id: row for row in others} | {incident.id: incident}
    ordered = sorted(rows.values(), key=rank_key)
    position = [row.id for row in ordered].index(incident.id) + 1
    first = ordered[0]
    return Rank(
        position=position,
        of=len(ordered),
        first=first.id,
        first_severity=first.severity,
        behind=[f"{row.id} ({row.severity})" for row in ordered[position : position + NAMED]],
    )


class Order(BaseModel):
    """Which of one person's incidents goes first now, and what can wait."""

    first: str
    first_severity: str
    waits: list[str]
    before: str = ""
    """The one that went first until now: what their pages have said."""


def first_changed(
    others: Iterable[OpenIncident], before: OpenIncident, after: OpenIncident
) -> Order | None:
    """The order of a person's incidents, where the change of one of them puts another one first.

    Args:
        others: their other open incidents.
        before: the one that changed, as it was.
        after: the same, as it is.
    """
    rest = [row for row in others if row.id != after.id]
    if not rest:
        return None
    ordered = sorted([*rest, after], key=rank_key)
    was = min([*rest, before], key=rank_key).id
    if was == ordered[0].id:
        return None
    waits = [row.id for row in ordered[1:]][:WAITING_NAMED]
    return Order(first=ordered[0].id, first_severity=ordered[0].severity, waits=waits, before=was)

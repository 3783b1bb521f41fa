"""Uptime of a component, day by day, from what was published about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.status_page.states import DOWN, ComponentStatus, worst


class Span(NamedTuple):
    """A component stood so from `start` on and before `end`."""

    start: datetime
    end: datetime
    status: ComponentStatus


class TroubledDay(NamedTuple):
    """One day on which not everything was well."""

    position: int
    """Of the days shown, the oldest is 0."""
    day: date
    status: ComponentStatus
    """The worst of that day."""
    minutes: int
    """How long anything was wrong, however slightly."""


class Uptime(NamedTuple):
    """Of one component over all the days shown."""

    percent: float
    """Rounded down to two places: what was down is never shown as 100."""
    days: tuple[TroubledDay, ...]
    """Only those that had trouble, oldest first."""


class Day(NamedTuple):
    """One day of the page's zone."""

    day: date
    start: datetime


def last_days(at: datetime, count: int, zone: ZoneInfo) -> list[Day]:
    """The last `count` days, oldest first, today last."""
    today = at.astimezone(zone).date()
    days = [today - timedelta(days=count - 1 - n) for n in range(count)]
    return [Day(day, start_of(day, zone)) for day in days]


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins there."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def uptime(spans: Iterable[Span], days: Sequence[Day], at: datetime) -> Uptime:
    """What the spans make of the days, up to `at`.

    Where spans overlap the worst counts, once.
    """
    first = days[0].start
    flat = list(_flat([s for s in spans if s.start < at and s.end > first], first, at))
    if not flat:
        return Uptime(100.0, ())
    down = sum((s.end - s.start).total_seconds() * DOWN.get(s.status, 0.0) for s in flat)
    total = (at - first).total_seconds()
    percent = int(10_000 * (1 - down / total)) / 100 if total else 100.0
    return Uptime(percent, tuple(_troubled(flat, days, at)))


def _flat(spans: list[Span], first: datetime, at: datetime) -> Iterator[Span]:
    """Spans side by side: between any two instants at which something changes, the worst of those there."""
    clipped = [Span(max(s.start, first), min(s.end, at), s.status) for s in spans]
    edges = sorted({edge for s in clipped for edge in (s.start, s.end)})
    for begin, end in pairwise(edges):
        there = [s.status for s in clipped if s.start <= begin and s.end >= end]
        if there:
            yield Span(begin, end, worst(there))


def _troubled(flat: list[Span], days: Sequence[Day], at: datetime) -> Iterator[TroubledDay]:
    for index, (day, begin) in enumerate(days):
        end = days[index + 1].start if index + 1 < len(days) else at
        inside = [s for s in flat if s.start < end and s.end > begin]
        if inside:
            took = sum((min(s.end, end) - max(s.start, begin)).total_seconds() for s in inside)
            minutes = max(1, round(took / 60))
            yield TroubledDay(index, day, worst(s.status for s in inside), minutes)

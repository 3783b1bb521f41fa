"""Wall time of a zone as instants, and spans of instants. Turns are `rotations.py`.

A time that a change of clocks skips happens at the first instant after the gap, a doubled one the
first time. Source: docs/policy.md, "A schedule in full". Instants are aware UTC datetimes
throughout: Python compares and subtracts two times of one zone by their wall clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
"""Stand for "always was" and "for ever": a policy's dates lie between 1970 and 2999."""

_SECOND = timedelta(seconds=1)
_DAY_MINUTES = 24 * 60


def _with_zone(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


Instant = Annotated[datetime, AfterValidator(_with_zone)]
"""A time in a message. Sent by hand without a zone it is UTC: it could be compared with no other."""


@dataclass(frozen=True)
class Span:
    """The instants from `start` on and before `until`."""

    start: datetime = EARLIEST
    until: datetime = LATEST

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.until

    def is_empty(self) -> bool:
        """Whether no instant is inside, as of a window that a change of clocks skips."""
        return self.start >= self.until

    def within(self, other: Span) -> Span:
        """The part that lies in `other` as well."""
        if other.start <= self.start and other.until >= self.until:
            return self
        return Span(max(self.start, other.start), min(self.until, other.until))


def span_around(spans: Iterable[Span], at: datetime) -> tuple[Span, bool]:
    """The span that `at` is in and True, or the space between its neighbours and False.

    Args:
        spans: in order, without overlaps.
    """
    start, until = EARLIEST, LATEST
    for span in spans:
        if at in span:
            return span, True
        if at < span.start:
            until = span.start
            break
        start = span.until
    return Span(start, until), False


def as_utc(at: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        ValueError: for a naive time, which would be read in the zone of the machine.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no zone")
    return at.astimezone(UTC)


def wall_of(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows at an instant, without zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=4096)  # the answers of one calendar ask for the same few midnights and handovers
def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clock on the wall has reached `wall`."""
    naive = wall.replace(tzinfo=None, fold=0)
    before = naive.replace(tzinfo=zone).utcoffset() or timedelta(0)
    after = naive.replace(tzinfo=zone, fold=1).utcoffset() or timedelta(0)
    if before >= after:  # an ordinary time, or a doubled one: the first of the two
        return (naive - before).replace(tzinfo=UTC)
    return _end_of_gap(naive, before, after, zone)


def _end_of_gap(naive: datetime, before: timedelta, after: timedelta, zone: ZoneInfo) -> datetime:
    """The change of clocks that skips `naive`, by bisection; zone data is in whole seconds."""
    shown = naive.replace(microsecond=0)
    low, high = (shown - after).replace(tzinfo=UTC), (shown - before).replace(tzinfo=UTC)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if wall_of(middle, zone) >= shown:
            high = middle
        else:
            low = middle
    return high


def minutes_of(wall_time: str) -> int:
    """`09:30` to 570; `24:00` is the midnight that ends the day."""
    hours, _, minutes = wall_time.partition(":")
    return int(hours) * 60 + int(minutes)


def wall_at(day: date, minutes: int) -> datetime:
    """So many minutes on the clock after the day's midnight."""
    return datetime.combine(day, time()) + timedelta(minutes=minutes)


def windows(
    days: Collection[int], start: str, end: str, zone: ZoneInfo, dates: Iterable[date]
) -> list[Span]:
    """The windows that begin on those of the consecutive `dates` whose weekday is in `days`.

    A window that ends before it begins runs over midnight; those that touch are one.
    """
    opens_at, closes_at = minutes_of(start), minutes_of(end)
    if closes_at <= opens_at:
        closes_at += _DAY_MINUTES
    walls: list[tuple[datetime, datetime]] = []
    for day in dates:
        if day.weekday() not in days:
            continue
        opens, closes = wall_at(day, opens_at), wall_at(day, closes_at)
        if walls and walls[-1][1] >= opens:
            opens = walls.pop()[0]
        walls.append((opens, closes))
    spans = [Span(instant_of(opens, zone), instant_of(closes, zone)) for opens, closes in walls]
    return [span for span in spans if not span.is_empty()]


def dates_around(at: datetime, zone: ZoneInfo, before: int, after: int) -> list[date]:
    """The dates from so many days before the local date of `at` to so many after it."""
    today = wall_of(at, zone).date()
    return [today + timedelta(days=offset) for offset in range(-before, after + 1)]

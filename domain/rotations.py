"""Whose turn it is in one rotation, by arithmetic: a rotation of 1990 costs what one of today does.

How layers, holidays and overrides come together is `on_call.py`.

All turns follow the wall clock of the zone, those of hours too: with `12h` handovers stay at 09:00
and 21:00 across a change of clocks, and the turn in which the clocks change is an hour shorter or
longer. A turn of one hour that the clocks skip has no length: the next begins at that instant.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.policy.rota import Restriction, Rotation
from domain.wall_clock import (
    LATEST,
    Span,
    instant_of,
    minutes_of,
    span_around,
    wall_at,
    wall_of,
    windows,
)

_SECOND = timedelta(seconds=1)
_UNIT_SECONDS = {"hour": 3600, "day": 86400, "week": 604800}


@dataclass(frozen=True)
class Turn:
    """What one rotation says at an instant."""

    person: str | None
    """None outside `starts` to `ends` and outside the restriction."""
    span: Span
    """Where that holds for certain."""
    ends_at: datetime = LATEST
    """End of the turn itself, which a restriction cuts into pieces."""
    number: int = 0
    """Which turn it is, counted from the rotation's first."""


def turn_at(rotation: Rotation, zone: ZoneInfo, at: datetime) -> Turn:
    """Whose turn it is at `at`.

    `ends` is exclusive: the last turn ends on that date at the handover time.
    """
    begins, ends = _begin(rotation, zone, 0), LATEST
    if rotation.ends is not None:
        ends = instant_of(wall_at(rotation.ends, minutes_of(rotation.handover.at)), zone)
    life, is_alive = span_around([Span(begins, ends)], at)
    if not is_alive:
        return Turn(None, life)
    window, is_active = _window_around(rotation.restrict, zone, at)
    if not is_active:
        return Turn(None, window)
    turn = _turn_number(rotation, zone, at)
    whole = Span(_begin(rotation, zone, turn), _begin(rotation, zone, turn + 1)).within(life)
    person = rotation.people[turn % len(rotation.people)]
    return Turn(person, whole.within(window), whole.until, turn)


def _anchor(rotation: Rotation) -> date:
    """The first date with the weekday of the handover: full turns are counted from it."""
    day = rotation.handover.day
    ahead = 0 if day is None else (day - rotation.starts.weekday()) % 7
    return rotation.starts + timedelta(days=ahead)


def _begin(rotation: Rotation, zone: ZoneInfo, turn: int) -> datetime:
    """The instant at which a turn begins. Turn 0 begins on `starts`."""
    anchor, minutes = _anchor(rotation), minutes_of(rotation.handover.at)
    has_short_first = anchor > rotation.starts
    if turn == 0:
        return instant_of(wall_at(rotation.starts, minutes), zone)
    count, unit = rotation.every
    steps = (turn - has_short_first) * count
    if unit == "month":
        return instant_of(wall_at(_months_later(anchor, steps), minutes), zone)
    wall = wall_at(anchor, minutes) + timedelta(seconds=steps * _UNIT_SECONDS[unit])
    return instant_of(wall, zone)


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _turn_number(rotation: Rotation, zone: ZoneInfo, at: datetime) -> int:
    """Which turn `at` is in; turn 0 has begun."""
    anchor, wall = _anchor(rotation), wall_of(at, zone)
    count, unit = rotation.every
    if unit == "month":
        done = ((wall.year - anchor.year) * 12 + wall.month - anchor.month) // count
    else:
        elapsed = wall - wall_at(anchor, minutes_of(rotation.handover.at))
        done = elapsed // _SECOND // (count * _UNIT_SECONDS[unit])
    turn = max(done + (anchor > rotation.starts), 0)
    # The guess is by the wall clock, which differs from the turns only within a month that is
    # shorter than its anchor, before the handover of a day, and in a doubled hour: a step or two.
    while turn > 0 and _begin(rotation, zone, turn) > at:
        turn -= 1
    while _begin(rotation, zone, turn + 1) <= at:
        turn += 1
    return turn


def _window_around(restrict: Restriction | None, zone: ZoneInfo, at: datetime) -> tuple[Span, bool]:
    """The time around `at` in which a layer is active throughout, or inactive throughout."""
    if restrict is None:
        return Span(), True
    if not restrict.days:
        return Span(), False
    start, end = minutes_of(restrict.start), minutes_of(restrict.end)
    if len(restrict.days) == 7 and (end - start) in (0, 24 * 60):
        return Span(), True
    today = wall_of(at, zone).date()
    near = _windows_near(restrict.days, restrict.start, restrict.end, zone, today)
    span, is_active = span_around(near, at)
    return span.within(Span(at - timedelta(days=8), at + timedelta(days=8))), is_active


@lru_cache(maxsize=4096)  # the shifts of one day ask for the same windows again and again
def _windows_near(
    days: frozenset[int], start: str, end: str, zone: ZoneInfo, today: date
) -> tuple[Span, ...]:
    """The windows around a date.

    A week to either side holds the neighbouring windows of any set of days; the dates reach further
    than the answer so that a window which began before it, or ends after it, is whole.
    """
    dates = [today + timedelta(days=offset) for offset in range(-12, 11)]
    return tuple(windows(days, start, end, zone, dates))

"""What a schedule regularly says, before anybody makes an exception: calendar, rotations, holidays.

A later layer wins where it is active: rotations over the calendar, a later rotation over an earlier
one, holidays over all. Whose turn it is but who is absent is stood in for by whoever comes next in
the same rotation and is present; where nobody is left the layer is as if it were not active.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from domain.absences import Absences
from domain.policy.rota import Calendar, Holidays, Rotation, Schedule
from domain.policy.value import WEEKDAYS
from domain.rotations import turn_at
from domain.wall_clock import EARLIEST, LATEST, Span, instant_of, span_around, wall_at, wall_of

NOBODY = "no rotation is active"


class Duty(BaseModel):
    """One person who is on call, and why."""

    model_config = ConfigDict(frozen=True)

    person: str
    why: str


@dataclass(frozen=True)
class Answer:
    """What a part of a schedule says, and where that holds for certain."""

    person: str | None
    span: Span
    why: str
    turn_of: str | None = None
    """Whose turn it is, where that person is absent."""
    also: tuple[Duty, ...] = ()
    """Who is on beside the first."""

    def within(self, span: Span) -> Answer:
        """The same on a shorter span."""
        shorter = self.span.within(span)
        return self if shorter is self.span else replace(self, span=shorter)

    @property
    def regular(self) -> str | None:
        """Whose turn it is, present or not."""
        return self.turn_of or self.person


def regular(schedule: Schedule, zone: ZoneInfo, at: datetime, absences: Absences) -> Answer:
    """What holidays, rotations and calendar say."""
    answer = Answer(None, Span(), NOBODY)
    if schedule.holidays is not None:
        answer = _holiday(schedule.holidays, zone, at, absences)
    for number in range(len(schedule.rotations), 0, -1):
        if answer.person is not None:
            return answer
        found = _turn(schedule.rotations[number - 1], number, zone, at, absences)
        answer = _below(answer, found)
    if answer.person is None and schedule.calendar is not None:
        answer = _below(answer, _calendar(schedule.calendar, zone, at, absences))
    return answer


def until(at: datetime, zone: ZoneInfo) -> str:
    """` until Mon 2026-01-12 09:00 Europe/Berlin`, in English whatever the machine speaks."""
    if at == LATEST:
        return ""
    local = at.astimezone(zone)
    day = WEEKDAYS[local.weekday()][:3].title()
    return f" until {day} {local:%Y-%m-%d %H:%M} {zone.key}"


def _below(upper: Answer, lower: Answer) -> Answer:
    """A lower layer where the upper ones have nobody; why they have nobody is kept where it says more."""
    why = lower.why
    if lower.person is None and upper.why != NOBODY and why == NOBODY:
        why = upper.why
    return replace(lower, span=lower.span.within(upper.span), why=why)


@dataclass(frozen=True)
class _Taken:
    """Who takes a turn: the person whose it is, or the next one who is present."""

    person: str | None
    span: Span
    turn_of: str | None = None
    reason: str = ""

    def said(self) -> str:
        """`alice, who is absent (vacation)`."""
        return f"{self.turn_of}, who is absent" + (f" ({self.reason})" if self.reason else "")


def _taken(people: Sequence[str], index: int, at: datetime, absences: Absences) -> _Taken:
    span, why_absent = Span(), ""
    first = people[index % len(people)]
    for offset in range(len(people)):
        person = people[(index + offset) % len(people)]
        piece, reason = absences.around(person, at)
        span = span.within(piece)
        if reason is None:
            return _Taken(person, span, first if offset else None, why_absent)
        why_absent = why_absent if offset else reason
    return _Taken(None, span, first, why_absent)


def _turn(
    rotation: Rotation, number: int, zone: ZoneInfo, at: datetime, absences: Absences
) -> Answer:
    turn = turn_at(rotation, zone, at)
    if turn.person is None:
        return Answer(None, turn.span, NOBODY)
    taken = _taken(rotation.people, turn.number, at, absences)
    span = turn.span.within(taken.span)
    if taken.person is None:
        why = f"rotation {number}, turn of {taken.said()}: nobody else in it is present"
        return Answer(None, span, why)
    end = until(min(turn.ends_at, taken.span.until), zone)
    if taken.turn_of is None:
        return Answer(taken.person, span, f"rotation {number}, turn of {taken.person}{end}")
    why = f"rotation {number}, turn of {taken.said()}: {taken.person} takes it{end}"
    return Answer(taken.person, span, why, taken.turn_of)


def _holiday(holidays: Holidays, zone: ZoneInfo, at: datetime, absences: Absences) -> Answer:
    """Whose holiday it is: the people take the dates in turn, each a whole day of the zone."""
    dates = sorted(set(holidays.dates))
    # By instants, not by the local date alone: where clocks go back at midnight a date comes twice.
    near = bisect_left(dates, wall_of(at, zone).date())
    days = {
        Span(instant_of(wall_at(day, 0), zone), instant_of(wall_at(day, 24 * 60), zone)): index
        for index, day in enumerate(dates[max(near - 2, 0) : near + 3], start=max(near - 2, 0))
    }
    span, is_holiday = span_around(days, at)
    if not is_holiday:
        return Answer(None, span, NOBODY)
    why = f"holiday {dates[days[span]].isoformat()}"
    taken = _taken(holidays.people, days[span], at, absences)
    span = span.within(taken.span)
    if taken.person is None:
        return Answer(None, span, f"{why}, turn of {taken.said()}: nobody else is present")
    if taken.turn_of is not None:
        why = f"{why}, turn of {taken.said()}: {taken.person} takes it"
    return Answer(taken.person, span, why, taken.turn_of)


def _calendar(calendar: Calendar, zone: ZoneInfo, at: datetime, absences: Absences) -> Answer:
    """Whom the calendar names; the first who is present is the main one."""
    old = f" ({calendar.fault})" if calendar.fault else ""
    index = bisect_right(calendar.shifts, at, key=lambda shift: shift.start) - 1
    before = calendar.shifts[index] if index >= 0 else None
    after = calendar.shifts[index + 1] if index + 1 < len(calendar.shifts) else None
    if before is None or before.end <= at:
        span = Span(before.end if before else EARLIEST, after.start if after else LATEST)
        return Answer(None, span, f"the calendar names nobody{old}")
    span, absent = Span(before.start, before.end), []
    duties: list[Duty] = []
    for listed in before.people:
        piece, reason = absences.around(listed.person, at)
        span = span.within(piece)
        if reason is not None:
            absent.append(listed.person)
            continue
        title = f', "{listed.title}"' if listed.title else f", {listed.person}"
        why = f"calendar{title}{until(before.end, zone)}{old}"
        duties.append(Duty(person=listed.person, why=why))
    if not duties:
        return Answer(None, span, f"the calendar names {', '.join(absent)}: absent{old}")
    return Answer(duties[0].person, span, duties[0].why, also=tuple(duties[1:]))

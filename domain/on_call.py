"""Who is on call at an instant, until when and why; who a target of an escalation policy means.

One answer, used alike by paging, console, calendar and hand-off notices: overrides win over
holidays, holidays over rotations, a later rotation over an earlier one where it is active.
Turns are `rotations.py`, wall time is `wall_clock.py`. Each part answers with the span in which its
answer holds; the whole holds where all the spans meet, so that no part knows of another.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from domain.policy.model import Policy
from domain.policy.rota import Holidays, Override, Schedule
from domain.policy.value import WEEKDAYS
from domain.rotations import turn_at
from domain.wall_clock import (
    EARLIEST,
    LATEST,
    Span,
    as_utc,
    instant_of,
    span_around,
    wall_at,
    wall_of,
)

NOBODY = "no rotation is active"


class Shift(BaseModel):
    """One answer of a schedule: the same person for the same reason on [start, until)."""

    model_config = ConfigDict(frozen=True)

    person: str | None
    """None when nobody is on call."""
    start: datetime
    until: datetime | None
    """The next instant at which the answer may change; None means never."""
    why: str


class OnCall(BaseModel):
    """A person whom a target means."""

    model_config = ConfigDict(frozen=True)

    person: str
    schedule: str | None = None
    until: datetime | None = None
    why: str


@dataclass(frozen=True)
class _Answer:
    person: str | None
    span: Span
    why: str

    def within(self, span: Span) -> _Answer:
        return replace(self, span=self.span.within(span))


def on_call_at(schedule: Schedule, at: datetime) -> Shift:
    """Who is on call at `at`.

    `start` is when this answer began, and `at` itself where it always was so.

    Raises:
        ValueError: `at` is naive.
        ZoneInfoNotFoundError: the schedule's zone does not exist on this machine.
    """
    at, zone = as_utc(at), ZoneInfo(schedule.timezone)
    answer = _overridden(schedule.overrides, zone, _regular(schedule, zone, at), at)
    return Shift(
        person=answer.person,
        start=at if answer.span.start == EARLIEST else answer.span.start,
        until=None if answer.span.until == LATEST else answer.span.until,
        why=answer.why,
    )


def shifts(schedule: Schedule, start: datetime, end: datetime) -> list[Shift]:
    """The answers from `start` to `end`, one after the other without holes, cut at both.

    Times with nobody are among them. Neighbours with the same person and reason are one.
    """
    at, end = as_utc(start), as_utc(end)
    found: list[Shift] = []
    while at < end:
        shift = on_call_at(schedule, at)
        until = min(shift.until or end, end)
        begin = at
        if found and (found[-1].person, found[-1].why) == (shift.person, shift.why):
            begin = found.pop().start
        found.append(shift.model_copy(update={"start": begin, "until": until}))
        at = until
    return found


def gaps(schedule: Schedule, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """When nobody is on call between `start` and `end`."""
    found: list[tuple[datetime, datetime]] = []
    for shift in shifts(schedule, start, end):
        if shift.person is not None:
            continue
        begin = found.pop()[0] if found and found[-1][1] == shift.start else shift.start
        found.append((begin, shift.until or as_utc(end)))
    return found


def resolve_target(policy: Policy, target: str, at: datetime) -> tuple[list[OnCall], list[str]]:
    """Whom `team:T`, `person:P` or `schedule:S` means at `at`, and why it means nobody or fewer."""
    kind, _, name = target.partition(":")
    people: list[OnCall] = []
    reasons: list[str] = []
    if kind == "person":
        people = [OnCall(person=name, why="named in person")]
    elif kind == "team" and name in policy.teams:
        members = policy.teams[name].members
        people = [OnCall(person=member, why=f"member of team {name}") for member in members]
        reasons = [] if members else [f"team {name} has no members"]
    elif kind == "schedule" and name in policy.schedules:
        people, reasons = _resolve_schedule(policy.schedules[name], name, at)
    elif kind in ("team", "schedule"):
        reasons = [f"{kind} {name} is no longer in the policy"]
    else:
        reasons = [f"{target} is not a team:, person: or schedule:"]
    gone = [entry.person for entry in people if entry.person not in policy.people]
    reasons += [f"person {person} is no longer in the policy" for person in gone]
    return [entry for entry in people if entry.person in policy.people], reasons


def resolve_targets(
    policy: Policy, targets: Iterable[str], at: datetime
) -> tuple[list[OnCall], list[str]]:
    """Whom the targets of one step mean: each person once, in the order of the targets."""
    people: dict[str, OnCall] = {}
    reasons: dict[str, None] = {}
    for target in targets:
        found, why_not = resolve_target(policy, target, at)
        for entry in found:
            people.setdefault(entry.person, entry)
        reasons.update(dict.fromkeys(why_not))
    return list(people.values()), list(reasons)


def _resolve_schedule(
    schedule: Schedule, name: str, at: datetime
) -> tuple[list[OnCall], list[str]]:
    try:
        ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A page must not fail for it: another target or the catch-all is reached instead.
        return [], [f"schedule {name} is in the unknown timezone {schedule.timezone!r}"]
    shift = on_call_at(schedule, at)
    if shift.person is None:
        return [], [f"nobody is on call for schedule {name}"]
    entry = OnCall(person=shift.person, schedule=name, until=shift.until, why=shift.why)
    return [entry], []


def _regular(schedule: Schedule, zone: ZoneInfo, at: datetime) -> _Answer:
    """What holidays and rotations say, before any override."""
    answer = _Answer(None, Span(), NOBODY)
    if schedule.holidays is not None:
        answer = _holiday(schedule.holidays, zone, at)
    for number in range(len(schedule.rotations), 0, -1):
        if answer.person is not None:
            break
        turn = turn_at(schedule.rotations[number - 1], zone, at)
        why = NOBODY
        if turn.person is not None:
            why = f"rotation {number}, turn of {turn.person}{_until(turn.ends_at, zone)}"
        answer = _Answer(turn.person, turn.span.within(answer.span), why)
    return answer


def _holiday(holidays: Holidays, zone: ZoneInfo, at: datetime) -> _Answer:
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
        return _Answer(None, span, NOBODY)
    index = days[span]
    person = holidays.people[index % len(holidays.people)]
    return _Answer(person, span, f"holiday {dates[index].isoformat()}")


def _overridden(
    overrides: list[Override], zone: ZoneInfo, regular: _Answer, at: datetime
) -> _Answer:
    """What the overrides make of the regular answer; the later in the list has the last word."""
    answer = regular
    for override in overrides:
        span = Span(instant_of(override.start, zone), instant_of(override.end, zone))
        piece, is_active = span_around([span], at)
        if not _concerns(override, regular.person, answer.person):
            # It may concern whoever is regularly on next, where it reaches so far.
            if not span.within(answer.span).is_empty():
                answer = answer.within(regular.span)
        elif not is_active:
            answer = answer.within(piece)
        elif override.instead_of is None:
            answer = _Answer(override.person, piece, _why(override, span, zone))
        else:
            piece = piece.within(regular.span).within(answer.span)
            answer = _Answer(override.person, piece, _why(override, span, zone))
    return answer


def _concerns(override: Override, regular: str | None, current: str | None) -> bool:
    """Whether an override would replace who is on.

    `instead_of` means whoever is on without overrides, or by an earlier one, so that a stand-in can
    be replaced too. It never hands back to the regular person: two overrides that replace alice by
    bob and bob by alice are a swap.
    """
    if override.instead_of is None or override.instead_of == regular:
        return True
    hands_back = override.person is not None and override.person == regular
    return override.instead_of == current and not hands_back


def _why(override: Override, span: Span, zone: ZoneInfo) -> str:
    """The sentence for an override that applies."""
    who = f"for {override.person}" if override.person is not None else "that removes"
    instead = f" instead of {override.instead_of}" if override.instead_of is not None else ""
    if override.person is None:
        instead = f" {override.instead_of or 'whoever is on'}"
    return f"override {who}{instead}{_until(span.until, zone)}"


def _until(at: datetime, zone: ZoneInfo) -> str:
    """` until Mon 2026-01-12 09:00 Europe/Berlin`, in English whatever the machine speaks."""
    local = at.astimezone(zone)
    day = WEEKDAYS[local.weekday()][:3].title()
    return f" until {day} {local:%Y-%m-%d %H:%M} {zone.key}"

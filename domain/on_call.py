"""Who is on call, from when to when, and why; who a target of an escalation policy means.

One answer, used alike by paging, the command line, the API and the calendar: a temporary schedule wins
over everything, overrides over holidays, holidays over rotations, a later rotation over an earlier
one where it is active, rotations over the calendar. What is regular stands in `layers.py`, what
people change for a while in `exceptions.py`. Each part answers with the span in which its answer
holds; the whole holds where all the spans meet, so that no part knows of another.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from domain.absences import NO_ABSENCES, Absences
from domain.exceptions import overridden, temporary_at
from domain.layers import NOBODY, Duty, regular
from domain.policy.model import Policy
from domain.policy.rota import Schedule
from domain.wall_clock import EARLIEST, LATEST, as_utc

NEXT_WITHIN = timedelta(days=400)
"""How far `next:S` looks for somebody else, and over how many shifts."""
NEXT_SHIFTS = 500


class Shift(BaseModel):
    """One answer of a schedule: the same people for the same reasons on [start, until)."""

    model_config = ConfigDict(frozen=True)

    person: str | None
    """The first who is on; None when nobody is, or only people who were added."""
    start: datetime
    until: datetime | None
    """The next instant at which the answer may change; None means never."""
    why: str
    also: tuple[Duty, ...] = ()
    """Who is on beside the first, each with the reason."""

    @property
    def on(self) -> tuple[Duty, ...]:
        """Everybody who is on call; empty in a gap."""
        if self.person is None:
            return self.also
        return (Duty(person=self.person, why=self.why), *self.also)


class OnCall(BaseModel):
    """A person whom a target means."""

    model_config = ConfigDict(frozen=True)

    person: str
    schedule: str | None = None
    until: datetime | None = None
    why: str


def on_call_at(schedule: Schedule, at: datetime, absences: Absences = NO_ABSENCES) -> Shift:
    """Who is on call at `at`.

    `start` is when this answer began, and `at` itself where it always was so.

    Args:
        absences: those of the policy's people; left out: nobody is absent.

    Raises:
        ValueError: `at` is naive.
        ZoneInfoNotFoundError: the schedule's zone does not exist on this machine.
    """
    at, zone = as_utc(at), ZoneInfo(schedule.timezone)
    answer, outside = temporary_at(schedule.temporary, zone, at)
    if answer is None:
        answer = overridden(
            schedule.overrides, zone, regular(schedule, zone, at, absences), at
        ).within(outside)
    return Shift(
        person=answer.person,
        start=at if answer.span.start == EARLIEST else answer.span.start,
        until=None if answer.span.until == LATEST else answer.span.until,
        why=answer.why,
        also=answer.also,
    )


def shifts(
    schedule: Schedule, start: datetime, end: datetime, absences: Absences = NO_ABSENCES
) -> list[Shift]:
    """The answers from `start` to `end`, one after the other without holes, cut at both.

    Times with nobody are among them. Neighbours with the same people and reasons are one.
    """
    at, end = as_utc(start), as_utc(end)
    found: list[Shift] = []
    while at < end:
        shift = on_call_at(schedule, at, absences)
        until = min(shift.until or end, end)
        begin = at
        if found and _is_same(found[-1], shift):
            begin = found.pop().start
        found.append(shift.model_copy(update={"start": begin, "until": until}))
        at = until
    return found


def gaps(
    schedule: Schedule, start: datetime, end: datetime, absences: Absences = NO_ABSENCES
) -> list[tuple[datetime, datetime]]:
    """When nobody is on call between `start` and `end`."""
    return gaps_of(shifts(schedule, start, end, absences))


def gaps_of(found: Iterable[Shift]) -> list[tuple[datetime, datetime]]:
    """The times with nobody among shifts that follow each other; holes that touch are one."""
    holes: list[tuple[datetime, datetime]] = []
    for shift in found:
        if shift.on or shift.until is None:
            continue
        begin = holes.pop()[0] if holes and holes[-1][1] == shift.start else shift.start
        holes.append((begin, shift.until))
    return holes


def _is_same(one: Shift, other: Shift) -> bool:
    return (one.person, one.why, one.also) == (other.person, other.why, other.also)


def resolve_target(
    policy: Policy, target: str, at: datetime, absences: Absences | None = None
) -> tuple[list[OnCall], list[str]]:
    """Whom a target means at `at`, and why it means nobody or fewer.

    `team:T`, `person:P`, `schedule:S` (who is on), `all:S` (everybody of its rotations who is
    present), `next:S` (who is on next).

    Args:
        absences: those of the policy, where the caller has them already.
    """
    kind, _, name = target.partition(":")
    absences = absences or Absences.of(policy)
    people: list[OnCall] = []
    reasons: list[str] = []
    if kind == "person":
        people = [OnCall(person=name, why="named in person")]
    elif kind == "team" and name in policy.teams:
        members = policy.teams[name].members
        people = [OnCall(person=member, why=f"member of team {name}") for member in members]
        reasons = [] if members else [f"team {name} has no members"]
    elif kind in _OF_SCHEDULE and name in policy.schedules:
        people, reasons = _of_schedule(kind, policy.schedules[name], name, at, absences)
    elif kind == "team" or kind in _OF_SCHEDULE:
        what = "team" if kind == "team" else "schedule"
        reasons = [f"{what} {name} is no longer in the policy"]
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
    absences = Absences.of(policy)
    for target in targets:
        found, why_not = resolve_target(policy, target, at, absences)
        for entry in found:
            people.setdefault(entry.person, entry)
        reasons.update(dict.fromkeys(why_not))
    return list(people.values()), list(reasons)


def next_on(schedule: Schedule, at: datetime, absences: Absences = NO_ABSENCES) -> Shift | None:
    """The first shift after the one at `at` that puts somebody on who is not on now; None within a year."""
    shift = on_call_at(schedule, at, absences)
    now = {duty.person for duty in shift.on}
    last = as_utc(at) + NEXT_WITHIN
    for _ in range(NEXT_SHIFTS):
        if shift.until is None or shift.until >= last:
            return None
        shift = on_call_at(schedule, shift.until, absences)
        if any(duty.person not in now for duty in shift.on):
            return shift
    return None


def everybody_of(schedule: Schedule) -> list[str]:
    """Who takes turns in a schedule: rotations first, then holidays and calendar; each once."""
    people: dict[str, None] = {}
    for rotation in schedule.rotations:
        people.update(dict.fromkeys(rotation.people))
    if schedule.holidays is not None:
        people.update(dict.fromkeys(schedule.holidays.people))
    if schedule.calendar is not None:
        people.update(dict.fromkeys(schedule.calendar.people.values()))
        listed = (one.person for shift in schedule.calendar.shifts for one in shift.people)
        people.update(dict.fromkeys(listed))
    return list(people)


def _of_schedule(
    kind: str, schedule: Schedule, name: str, at: datetime, absences: Absences
) -> tuple[list[OnCall], list[str]]:
    try:
        ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A page must not fail for it: another target or the catch-all is reached instead.
        return [], [f"schedule {name} is in the unknown timezone {schedule.timezone!r}"]
    return _OF_SCHEDULE[kind](schedule, name, as_utc(at), absences)


def _on_now(
    schedule: Schedule, name: str, at: datetime, absences: Absences
) -> tuple[list[OnCall], list[str]]:
    shift = on_call_at(schedule, at, absences)
    if not shift.on:
        more = "" if shift.why == NOBODY else f": {shift.why}"
        return [], [f"nobody is on call for schedule {name}{more}"]
    return [
        OnCall(person=duty.person, schedule=name, until=shift.until, why=duty.why)
        for duty in shift.on
    ], []


def _on_next(
    schedule: Schedule, name: str, at: datetime, absences: Absences
) -> tuple[list[OnCall], list[str]]:
    shift = next_on(schedule, at, absences)
    if shift is None:
        return [], [f"nobody else is on next for schedule {name}"]
    now = {duty.person for duty in on_call_at(schedule, at, absences).on}
    return [
        OnCall(person=duty.person, schedule=name, why=f"on next for schedule {name}: {duty.why}")
        for duty in shift.on
        if duty.person not in now
    ], []


def _all(
    schedule: Schedule, name: str, at: datetime, absences: Absences
) -> tuple[list[OnCall], list[str]]:
    found: list[OnCall] = []
    reasons: list[str] = []
    for person in everybody_of(schedule):
        _, reason = absences.around(person, at)
        if reason is None:
            found.append(OnCall(person=person, schedule=name, why=f"all of schedule {name}"))
        else:
            reasons.append(f"{person} is absent" + (f" ({reason})" if reason else ""))
    if not found and not reasons:
        reasons = [f"schedule {name} has nobody in it"]
    return found, reasons


_OF_SCHEDULE = {"schedule": _on_now, "next": _on_next, "all": _all}
"""Kinds of targets that name a schedule."""

"""What is wrong with who is on call in the time to come: holes, people whom nothing reaches, double bookings.

Asked for by people who plan, so everything is found at once and each finding says where and when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.absences import Absences
from domain.on_call import Shift, gaps_of, shifts
from domain.policy.model import Policy
from domain.policy.person import Person
from domain.policy.rota import Schedule
from domain.wall_clock import as_utc

_HOUR = timedelta(hours=1)
Rota = Mapping[str, Sequence[Shift]]
"""The shifts of each schedule over the time that is looked at."""


class Kind(StrEnum):
    """A closed list: programs look for these words."""

    GAP = "gap"
    NO_USABLE_CONTACT = "no_usable_contact"
    EMPTY_STEP = "empty_step"
    DOUBLE_BOOKING = "double_booking"
    ABSENT_ON_CALL = "absent_on_call"
    CALENDAR = "calendar"


class Finding(BaseModel):
    """One thing that somebody should put right."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    where: str
    """A place in the policy, such as `schedules.payments`."""
    detail: str
    schedule: str | None = None
    person: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def has_usable_contact(person: Person) -> bool:
    """Whether anything may be used to page somebody; which channels are set up is not asked."""
    return any(contact.verified and contact.enabled for contact in person.contacts)


def find_all(
    policy: Policy,
    start: datetime,
    end: datetime,
    is_reachable: Callable[[Person], bool] = has_usable_contact,
) -> list[Finding]:
    """Everything that is wrong between two instants, by schedule, then by person, then by step.

    Args:
        policy: with everything that was changed at run time.
        is_reachable: whether a person can be paged at all.

    Raises:
        ZoneInfoNotFoundError: a schedule's zone does not exist on this machine.
    """
    absences = Absences.of(policy)
    start, end = as_utc(start), as_utc(end)
    rota = {
        name: shifts(schedule, start, end, absences) for name, schedule in policy.schedules.items()
    }
    unreachable = {key for key, person in policy.people.items() if not is_reachable(person)}
    found: list[Finding] = []
    for name, schedule in policy.schedules.items():
        found += _gaps(name, rota[name])
        found += _calendar(name, schedule, start, end)
        found += _absent(name, rota[name], absences)
    found += _unreachable(unreachable, rota)
    found += _double_bookings(rota)
    found += _empty_steps(policy, rota, unreachable)
    return found


def _gaps(name: str, listed: Sequence[Shift]) -> Iterator[Finding]:
    for begin, until in gaps_of(listed):
        why = next(shift.why for shift in listed if shift.start == begin)
        yield Finding(
            kind=Kind.GAP,
            where=f"schedules.{name}",
            detail=f"nobody is on call: {why}",
            schedule=name,
            start=begin,
            end=until,
        )


def _calendar(name: str, schedule: Schedule, start: datetime, end: datetime) -> Iterator[Finding]:
    calendar, where = schedule.calendar, f"schedules.{name}.calendar"
    if calendar is not None and calendar.fault:
        yield Finding(kind=Kind.CALENDAR, where=where, detail=calendar.fault, schedule=name)
    last = calendar.shifts[-1].end if calendar is not None and calendar.shifts else None
    if calendar is not None and last is not None and last < end:
        detail = f"ends {last:%Y-%m-%d %H:%M} UTC: it puts nobody on call after that"
        begin = max(last, start)
        yield Finding(
            kind=Kind.CALENDAR, where=where, detail=detail, schedule=name, start=begin, end=end
        )
    holidays = schedule.holidays
    if holidays is not None and holidays.country is not None and holidays.dates:
        year = max(holidays.dates).year
        if year < end.year:
            detail = f"are known until the end of {year}: `tocsin policy reload` fills in more"
            place = f"schedules.{name}.holidays"
            yield Finding(kind=Kind.CALENDAR, where=place, detail=detail, schedule=name)


def _absent(name: str, listed: Sequence[Shift], absences: Absences) -> Iterator[Finding]:
    """Whom an override or a temporary schedule puts on call though they are absent."""
    for shift in listed:
        for duty in shift.on:
            for span, reason in absences.spans_of(duty.person).items():
                until = shift.until or span.until
                begin, finish = max(span.start, shift.start), min(span.until, until)
                if begin < finish:
                    why = f" ({reason})" if reason else ""
                    yield Finding(
                        kind=Kind.ABSENT_ON_CALL,
                        where=f"schedules.{name}",
                        detail=f"{duty.person} is absent{why} and yet on call: {duty.why}",
                        schedule=name,
                        person=duty.person,
                        start=begin,
                        end=finish,
                    )


def _unreachable(people: set[str], rota: Rota) -> Iterator[Finding]:
    first: dict[str, tuple[datetime, str]] = {}
    for name, listed in rota.items():
        for shift in listed:
            for duty in shift.on:
                if duty.person in people:
                    first[duty.person] = min(
                        (shift.start, name), first.get(duty.person, (shift.start, name))
                    )
    for person in sorted(people):
        on = first.get(person)
        more = f", and is on call for {on[1]} from {on[0]:%Y-%m-%d %H:%M} UTC" if on else ""
        yield Finding(
            kind=Kind.NO_USABLE_CONTACT,
            where=f"people.{person}",
            detail=f"has no usable contact{more}",
            person=person,
            schedule=on[1] if on else None,
            start=on[0] if on else None,
        )


def _double_bookings(rota: Rota) -> Iterator[Finding]:
    """When one person is on call on several schedules at once."""
    booked: dict[str, list[tuple[datetime, datetime, str]]] = {}
    for name, listed in rota.items():
        for shift in listed:
            for duty in shift.on:
                spans = booked.setdefault(duty.person, [])
                until = shift.until or shift.start
                if spans and spans[-1][2] == name and spans[-1][1] == shift.start:
                    spans[-1] = (spans[-1][0], until, name)
                else:
                    spans.append((shift.start, until, name))
    for person in sorted(booked):
        together: dict[tuple[str, ...], list[tuple[datetime, datetime]]] = {}
        for begin, until, names in _overlaps(booked[person]):
            together.setdefault(names, []).append((begin, until))
        for names, times in together.items():
            # One line for all of them: rotations that overlap do so again and again.
            hours = sum((until - begin for begin, until in times), timedelta()) / _HOUR
            often = "" if len(times) == 1 else f", {len(times)} times, {hours:.0f} h in all"
            yield Finding(
                kind=Kind.DOUBLE_BOOKING,
                where=f"people.{person}",
                detail=f"is on call for {' and '.join(names)} at once{often}",
                person=person,
                start=times[0][0],
                end=times[-1][1],
            )


def _overlaps(
    spans: Sequence[tuple[datetime, datetime, str]],
) -> Iterator[tuple[datetime, datetime, tuple[str, ...]]]:
    """The times in which spans of several names meet; who meets is the same throughout each."""
    if len({name for _, _, name in spans}) < 2:
        return
    edges = sorted(
        [(begin, True, name) for begin, _, name in spans]
        + [(until, False, name) for _, until, name in spans],
        key=lambda edge: (edge[0], edge[1]),
    )
    active: dict[str, int] = {}
    began: datetime | None = None
    for at, opens, name in edges:
        names = tuple(sorted(key for key, count in active.items() if count))
        if len(names) > 1 and began is not None and began < at:
            yield began, at, names
        active[name] = active.get(name, 0) + (1 if opens else -1)
        began = at


def _empty_steps(policy: Policy, rota: Rota, unreachable: set[str]) -> Iterator[Finding]:
    """Steps that reach nobody in the whole time, so that every page falls through them."""
    served = {
        name: any(duty.person not in unreachable for shift in listed for duty in shift.on)
        for name, listed in rota.items()
    }

    def reaches(target: str) -> bool:
        kind, _, name = target.partition(":")
        if kind == "person":
            return name in policy.people and name not in unreachable
        if kind == "team":
            members = policy.teams[name].members if name in policy.teams else []
            return any(one in policy.people and one not in unreachable for one in members)
        return served.get(name, False)

    for key, escalation in policy.escalation_policies.items():
        for number, step in enumerate(escalation.steps):
            if any(reaches(target) for target in step.page):
                continue
            whom = f"{', '.join(step.page)}: nobody there can be reached" if step.page else "nobody"
            yield Finding(
                kind=Kind.EMPTY_STEP,
                where=f"escalation_policies.{key}.steps.{number}",
                detail=f"step {number + 1} pages {whom}; pages fall through it",
            )

"""Whether what is asked of the roster can be done: names, times, what contradicts it, what it leaves open.

Judged against the policy's own schedules and the entries that are there already; everything here is a
function of data and a given time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel

from domain.absences import Absences
from domain.access.claims import Trust
from domain.errors import CommandError, ConflictError, IncidentError, Problem, UnknownNameError
from domain.exceptions import contradict
from domain.names import require_known
from domain.on_call import Shift, gaps_of, shifts
from domain.policy.model import Policy
from domain.policy.rota import Override, Schedule, Temporary, TemporaryShift
from domain.roster import (
    ENTRY_BYTES,
    MOST_ENTRIES,
    ContactSwitch,
    Entry,
    RosterCopy,
    said_of,
    with_entries,
    with_roster,
)
from domain.roster_changes import (
    AddOverride,
    AddTemporary,
    RemoveOverride,
    RosterChange,
    SetContact,
    Swap,
)
from domain.timeline import OPERATOR
from domain.wall_clock import instant_of, wall_of

LONGEST = timedelta(days=366)
LOOKED_AT = timedelta(days=31)
"""How much of a long change is looked at for what it would leave open."""


class Judged(BaseModel):
    """What a change comes to. Answer of the activity `judge_roster`."""

    refusal: dict[str, Any] | None = None
    """Why it cannot be done: `type` by name, `detail`, `problems`."""
    add: list[Entry] = []
    remove: list[str] = []
    switch: ContactSwitch | None = None
    warnings: list[str] = []
    trust: Trust = Trust()
    """Whose signatures count; what becomes of a change that nobody signed."""

    def unsigned(self) -> Judged:
        """The same, made by somebody whom nobody vouches for."""

        def marked(one: Any) -> Any:
            return one.model_copy(update={"actor": f"{one.actor} (unsigned)"})

        switch = marked(self.switch) if self.switch is not None else None
        return self.model_copy(update={"add": [marked(one) for one in self.add], "switch": switch})


def refused(error: IncidentError) -> Judged:
    """A refusal as an answer."""
    problems = [problem.model_dump(mode="json") for problem in error.problems()[:50]]
    detail = str(error)[:2000]
    return Judged(refusal={"type": type(error).__name__, "detail": detail, "problems": problems})


def judge(
    change: RosterChange, actor: str, policy: Policy, entries: Sequence[Entry], at: datetime,
    contacts: Sequence[ContactSwitch] = (),
) -> Judged:  # fmt: skip
    """What a change comes to.

    Args:
        policy: as its files say, without run-time entries.
        entries: those that are there.
        contacts: those that are switched off or on.
        at: the time now, in UTC.

    Raises:
        UnknownNameError: the policy lacks a name, or there is no entry of the id. Not retried.
        CommandError: a time that cannot be meant. Not retried.
        ConflictError: something that is there says otherwise. Not retried.
    """
    if actor != OPERATOR:
        require_known("person", actor, policy.people, "actor")
    match change:
        case SetContact():
            return _switch(change, actor, policy, contacts, at)
        case RemoveOverride():
            return _remove(change, policy, entries, at)
        case AddOverride():
            wanted = [_override(change)]
        case Swap():
            wanted = _swapped(change)
        case AddTemporary():
            wanted = []
        case _:
            raise TypeError(f"no rule judges the change {change.name}")
    _require_names(change, policy)
    schedule, zone = policy.schedules[change.schedule], _zone(change, policy)
    made = (
        [_temporary(change, zone)] if isinstance(change, AddTemporary) else
        [Override(**_on_the_wall(one, zone)) for one in wanted]
    )  # fmt: skip
    added = [_entry(change.schedule, one, zone, actor, at) for one in made]
    for entry in added:
        _require_times(change.name, entry, at)
        _require_no_conflict(entry, schedule, entries, change.schedule)
    _require_room(change.name, [*entries, *added])
    warnings = dict.fromkeys(_warnings(policy, schedule, entries, added, at))
    return Judged(add=added, warnings=list(warnings))


# Reading what is wanted.

Wanted = dict[str, Any]


def _override(change: AddOverride) -> Wanted:
    if change.also and (change.person is None or change.instead_of is not None):
        detail = "also: true adds a person beside whoever is on: give person, leave out instead_of"
        raise CommandError(change.name, [Problem(where="/also", detail=detail)])
    if change.person is not None and change.person == change.instead_of:
        detail = f"{change.person} cannot stand in for themself"
        raise CommandError(change.name, [Problem(where="/instead_of", detail=detail)])
    return {
        "start": change.start,
        "end": change.end,
        "person": change.person,
        "instead_of": change.instead_of,
        "also": change.also,
    }


def _swapped(change: Swap) -> list[Wanted]:
    if change.person == change.partner:
        detail = f"{change.person} cannot swap with themself"
        raise CommandError(change.name, [Problem(where="/with", detail=detail)])
    if (change.return_from is None) != (change.return_to is None):
        detail = "return_from and return_to belong together"
        raise CommandError(change.name, [Problem(where="/return_from", detail=detail)])
    there = {"start": change.start, "end": change.end}
    back = {"start": change.return_from or change.start, "end": change.return_to or change.end}
    return [
        {**there, "person": change.partner, "instead_of": change.person},
        {**back, "person": change.person, "instead_of": change.partner},
    ]


def _temporary(change: AddTemporary, zone: ZoneInfo) -> Temporary:
    start, end = _wall(change.start, zone), _wall(change.end, zone, "/to")
    found = []
    for index, one in enumerate(change.shifts):
        where = f"/shifts/{index}"
        shift = TemporaryShift(
            start=_wall(one.start, zone, f"{where}/from"),
            end=_wall(one.end, zone, f"{where}/to"),
            person=one.person,
        )
        if shift.end <= shift.start:
            problem = Problem(where=f"{where}/to", detail="the shift ends before it begins")
            raise CommandError(change.name, [problem])
        if shift.start < start or shift.end > end:
            detail = "the shift reaches out of its temporary schedule"
            raise CommandError(change.name, [Problem(where=where, detail=detail)])
        found.append(shift)
    return Temporary(start=start, end=end, shifts=found)


def _on_the_wall(wanted: Wanted, zone: ZoneInfo) -> Wanted:
    start, end = _wall(wanted["start"], zone), _wall(wanted["end"], zone, "/to")
    return {**wanted, "start": start, "end": end}


def _wall(at: datetime, zone: ZoneInfo, where: str = "/from") -> datetime:
    """Wall time of the schedule's zone, whatever offset it was given with."""
    if not 1971 <= at.year <= 2998:
        problem = Problem(where=where, detail="lies outside the years 1971 to 2998")
        raise CommandError("roster", [problem])
    return wall_of(at, zone) if at.tzinfo is not None else at


def _zone(change: AddOverride | Swap | AddTemporary, policy: Policy) -> ZoneInfo:
    name = policy.schedules[change.schedule].timezone
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        detail = f"the schedule is in the unknown timezone {name!r}"
        raise CommandError(change.name, [Problem(where="/schedule", detail=detail)]) from None


def _entry(
    schedule: str, made: Override | Temporary, zone: ZoneInfo, actor: str, at: datetime
) -> Entry:
    return Entry(
        schedule=schedule,
        override=made if isinstance(made, Override) else None,
        temporary=made if isinstance(made, Temporary) else None,
        starts_at=instant_of(made.start, zone),
        ends_at=instant_of(made.end, zone),
        actor=actor,
        made_at=at,
    )


# Whether it can be done.


def _require_names(change: AddOverride | Swap | AddTemporary, policy: Policy) -> None:
    require_known("schedule", change.schedule, policy.schedules, "schedule")
    named: list[tuple[str, str | None]] = []
    match change:
        case AddOverride():
            named = [("person", change.person), ("instead_of", change.instead_of)]
        case Swap():
            named = [("person", change.person), ("with", change.partner)]
        case AddTemporary():
            named = [(f"shifts/{i}/person", one.person) for i, one in enumerate(change.shifts)]
    for field, person in named:
        if person is not None:
            require_known("person", person, policy.people, field)


def _require_times(name: str, entry: Entry, at: datetime) -> None:
    detail = ""
    if entry.ends_at <= entry.starts_at:
        detail = "ends before it begins"
    elif entry.ends_at <= at:
        detail = "lies entirely in the past"
    elif entry.ends_at - entry.starts_at > LONGEST:
        detail = f"is longer than {LONGEST.days} days: change the rotation instead"
    if detail:
        raise CommandError(name, [Problem(where="/to", detail=detail)])


def _require_room(name: str, entries: Sequence[Entry]) -> None:
    size = sum(len(entry.model_dump_json()) for entry in entries)
    if len(entries) > MOST_ENTRIES or size > ENTRY_BYTES:
        detail = f"there are {len(entries)} entries already: remove some, or change the rotation"
        raise CommandError(name, [Problem(where="", detail=detail)])


def _require_no_conflict(
    entry: Entry, schedule: Schedule, entries: Iterable[Entry], name: str
) -> None:
    """Nothing that is there already decides over the same turn, or replaces everything then."""
    for other in entries:
        if other.schedule == name and _conflict(entry, other.override, other.temporary):
            remove = f"`tocsin oncall override remove {other.id}` takes that back"
            raise ConflictError(f"it contradicts {other.said()}; {remove}", "/from")
    for override in schedule.overrides:
        if _conflict(entry, override, None):
            when = f"{override.start:%Y-%m-%d %H:%M} to {override.end:%Y-%m-%d %H:%M}"
            what = f"the policy's own override ({said_of(override)}, {when})"
            raise ConflictError(f"it contradicts {what}; take that out of the policy", "/from")
    for temporary in schedule.temporary:
        if _conflict(entry, None, temporary):
            when = f"{temporary.start:%Y-%m-%d %H:%M} to {temporary.end:%Y-%m-%d %H:%M}"
            what = f"the policy's own temporary schedule ({when})"
            raise ConflictError(f"it contradicts {what}; change that in the policy", "/from")


def _conflict(entry: Entry, override: Override | None, temporary: Temporary | None) -> bool:
    if temporary is not None:
        # Within a temporary schedule no override counts: it would be kept and change nothing.
        mine = entry.override or entry.temporary
        return mine is not None and mine.start < temporary.end and temporary.start < mine.end
    if override is None or entry.override is None:
        return False
    return contradict(entry.override, override)


def _warnings(
    policy: Policy,
    schedule: Schedule,
    entries: Sequence[Entry],
    added: Sequence[Entry],
    at: datetime,
) -> Iterator[str]:
    """What the change leaves open, or does not do."""
    name, absences = added[0].schedule, Absences.of(policy)
    mine = [entry for entry in entries if entry.schedule == name]
    before = with_entries(schedule, mine, policy.people)
    after = with_entries(schedule, [*mine, *added], policy.people)
    for entry in added:
        start = max(entry.starts_at, at)
        end = min(entry.ends_at, start + LOOKED_AT)
        found = shifts(after, start, end, absences)
        yield from _left_open(name, found)
        if entry.ends_at == end and _people(found) == _people(shifts(before, start, end, absences)):
            yield f"it changes nobody's turn on {name}"
        for person in sorted(entry.people()):
            _, reason = absences.around(person, start)
            if reason is not None and entry.override and person == entry.override.person:
                yield f"{person} is absent then" + (f" ({reason})" if reason else "")


def _left_open(schedule: str, found: Iterable[Shift]) -> Iterator[str]:
    for begin, until in gaps_of(found)[:1]:
        times = f"from {begin:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
        yield f"nobody is on call for {schedule} {times}"


def _people(found: Iterable[Shift]) -> list[tuple[datetime, frozenset[str]]]:
    """From when on who is on."""
    said: list[tuple[datetime, frozenset[str]]] = []
    for shift in found:
        on = frozenset(duty.person for duty in shift.on)
        if not said or said[-1][1] != on:
            said.append((shift.start, on))
    return said


def _remove(
    change: RemoveOverride, policy: Policy, entries: Sequence[Entry], at: datetime
) -> Judged:
    found = next((entry for entry in entries if entry.id == change.id), None)
    if found is None:
        known = [entry.id for entry in entries]
        raise UnknownNameError("override", change.id[:80], known[-3:], "id")
    gone = [one.id for one in entries if one is found or (found.swap and one.swap == found.swap)]
    warnings: list[str] = []
    schedule = policy.schedules.get(found.schedule)
    if schedule is not None and found.ends_at > at:
        left = [e for e in entries if e.schedule == found.schedule and e.id not in gone]
        start = max(found.starts_at, at)
        end = min(found.ends_at, start + LOOKED_AT)
        after = with_entries(schedule, left, policy.people)
        warnings += _left_open(found.schedule, shifts(after, start, end, Absences.of(policy)))
    return Judged(remove=gone, warnings=warnings)


def _switch(
    change: SetContact, actor: str, policy: Policy, contacts: Sequence[ContactSwitch], at: datetime
) -> Judged:
    require_known("person", change.person, policy.people, "person")
    channels = list(dict.fromkeys(one.channel for one in policy.people[change.person].contacts))
    require_known("contact", change.channel, channels, "channel")
    switch = ContactSwitch(
        person=change.person,
        channel=change.channel,
        enabled=change.enabled,
        actor=actor,
        made_at=at,
    )
    after = with_roster(policy, RosterCopy(contacts=[*contacts, switch])).people[change.person]
    warnings = []
    if not change.enabled and not any(one.verified and one.enabled for one in after.contacts):
        left = "has no other contact that is verified and enabled: nothing reaches them now"
        warnings.append(f"{change.person} {left}")
    return Judged(switch=switch, warnings=warnings)

"""On-call rules with absences, temporary schedules, calendars and people beside, in forty zones.

The reference looks at one instant by the contract's words and knows of no spans.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import rotations
from domain.absences import Absences
from domain.on_call import gaps_of, on_call_at, shifts
from domain.policy.person import Person
from domain.policy.rota import Schedule
from domain.wall_clock import EARLIEST, instant_of
from tests.domain.test_on_call_properties import (
    PEOPLE,
    ZONES,
    holidays,
    instants,
    layers,
    moments,
    overrides,
    permille,
    rotation_by_definition,
    zones,
)

spans = st.tuples(moments, st.integers(1, 60 * 24)).map(
    lambda one: (one[0], one[0] + timedelta(minutes=one[1] * 15))
)
people = st.sampled_from(PEOPLE)
beside = st.builds(
    lambda span, person: {"from": span[0], "to": span[1], "person": person, "also": True},
    spans,
    people,
)
shift_lists = st.lists(st.tuples(spans, people), max_size=3)
temporaries = st.builds(
    lambda span, listed: {
        "from": span[0],
        "to": span[1],
        "shifts": [{"from": a, "to": b, "person": who} for (a, b), who in listed],
    },
    spans,
    shift_lists,
)
absences = st.builds(
    lambda span, reason: {"from": span[0], "to": span[1], "reason": reason},
    spans,
    st.sampled_from(["", "leave", "ill"]),
)


def _calendar(listed: list[tuple[tuple[datetime, datetime], str]]) -> dict[str, Any] | None:
    """A calendar whose shifts follow each other, as the loader makes them."""
    found: list[dict[str, Any]] = []
    reached = EARLIEST
    for (start, end), person in sorted(listed):
        start, end = max(start.replace(tzinfo=UTC), reached), end.replace(tzinfo=UTC)
        if start < end:
            others = [{"person": one} for one in dict.fromkeys([person, "dana"])]
            found.append({"start": start, "end": end, "people": others})
            reached = end
    return {"file": "x.ics", "shifts": found}


calendars = st.none() | st.lists(st.tuples(spans, people), max_size=6).map(_calendar)
schedules = st.fixed_dictionaries(
    {
        "timezone": zones,
        "rotations": st.lists(layers, max_size=2),
        "overrides": st.lists(overrides | beside, max_size=4),
        "holidays": st.none() | holidays,
        "temporary": st.lists(temporaries, max_size=2),
        "calendar": calendars,
    }
).map(Schedule.model_validate)
absent_people = st.fixed_dictionaries(
    {name: st.lists(absences, max_size=2) for name in PEOPLE[:3]}
).map(
    lambda found: Absences(
        {
            name: Person.model_validate({"absences": listed, "timezone": "Asia/Tokyo"})
            for name, listed in found.items()
        }
    )
)


def is_absent(away: Absences, person: str, at: datetime) -> bool:
    """By the person's own absences, one by one."""
    found = away._people.get(person)
    zone = ZoneInfo("Asia/Tokyo")
    return found is not None and any(
        instant_of(one.start, zone) <= at < instant_of(one.end, zone) for one in found.absences
    )


def present_from(people: list[str], index: int, away: Absences, at: datetime) -> str | None:
    """The person whose turn it is, or the next one who is present."""
    for offset in range(len(people)):
        person = people[(index + offset) % len(people)]
        if not is_absent(away, person, at):
            return person
    return None


def regular_by_definition(
    schedule: Schedule, away: Absences, at: datetime
) -> tuple[list[str], str | None]:
    """Who is on before any override, and whose turn it is."""
    zone = ZoneInfo(schedule.timezone)
    if schedule.holidays is not None:
        for index, day in enumerate(sorted(set(schedule.holidays.dates))):
            midnight = datetime.combine(day, datetime.min.time())
            if instant_of(midnight, zone) <= at < instant_of(midnight + timedelta(days=1), zone):
                listed = schedule.holidays.people
                person = present_from(listed, index, away, at)
                if person is not None:
                    return [person], listed[index % len(listed)]
    for rotation in reversed(schedule.rotations):
        # Numbers instead of people, so that it is known whose turn it is where one stands twice.
        numbered = rotation.model_copy(
            update={"people": [str(n) for n in range(len(rotation.people))]}
        )
        turn = rotation_by_definition(numbered, zone, at)
        if turn is None:
            continue
        person = present_from(rotation.people, int(turn), away, at)
        if person is not None:
            return [person], rotation.people[int(turn)]
    for shift in schedule.calendar.shifts if schedule.calendar else []:
        if shift.start <= at < shift.end:
            named = [one.person for one in shift.people]
            here = [one for one in named if not is_absent(away, one, at)]
            return here, here[0] if here else None
    return [], None


def people_by_definition(schedule: Schedule, away: Absences, at: datetime) -> list[str]:
    """Everybody who is on by the contract's words, the first one first."""
    zone = ZoneInfo(schedule.timezone)
    for temporary in reversed(schedule.temporary):
        if instant_of(temporary.start, zone) <= at < instant_of(temporary.end, zone):
            active = [
                one.person
                for one in temporary.shifts
                if instant_of(one.start, zone) <= at < instant_of(one.end, zone)
            ]
            return list(dict.fromkeys(active))
    regular, turn_of = regular_by_definition(schedule, away, at)
    first: str | None = regular[0] if regular else None
    others, added = regular[1:], []
    for one in schedule.overrides:
        if not instant_of(one.start, zone) <= at < instant_of(one.end, zone):
            continue
        if one.also:
            added.append(one.person)
            continue
        added = [
            name
            for known in added
            for name in ([one.person] if known == one.instead_of else [known])
            if name is not None
        ]
        hands_back = one.person is not None and one.person == turn_of
        if one.instead_of is None:
            first, others = one.person, []
        elif one.instead_of == turn_of or (one.instead_of == first and not hands_back):
            first = one.person
        elif one.instead_of in others:
            others = [
                name
                for known in others
                for name in ([one.person] if known == one.instead_of else [known])
                if name is not None
            ]
    everybody = [first, *others, *added]
    return list(dict.fromkeys(name for name in everybody if name is not None))


@settings(deadline=None, max_examples=150)
@given(schedules, absent_people, st.lists(instants, min_size=2, max_size=4))
def test_people_are_those_of_the_definition(
    schedule: Schedule, away: Absences, ats: list[datetime]
) -> None:
    """Exactly one answer, the same as the contract's words give for the instant, to its very end."""
    for at in ats:
        shift = on_call_at(schedule, at, away)
        said = [duty.person for duty in shift.on]
        assert said == people_by_definition(schedule, away, at)
        if shift.until is not None:
            last = shift.until - timedelta(seconds=1)
            assert said == people_by_definition(schedule, away, last)


@settings(deadline=None, max_examples=100)
@given(schedules, absent_people, instants, st.lists(permille, min_size=2, max_size=4))
def test_the_reason_holds_as_long_as_the_answer(
    schedule: Schedule, away: Absences, at: datetime, parts: list[int]
) -> None:
    """`why` agrees with the answer: it names whoever is on, and is the same from start to end."""
    shift = on_call_at(schedule, at, away)
    until = shift.until or at + timedelta(days=400)
    assert shift.start <= at < until
    for duty in shift.on:
        is_named = duty.person in duty.why or duty.why.startswith(("holiday", "calendar"))
        assert is_named, duty
    if shift.person is None and not shift.also:
        assert not any(f"for {name} " in shift.why for name in PEOPLE)
    for part in parts:
        again = on_call_at(schedule, shift.start + part * (until - shift.start) / 1000, away)
        assert (again.person, again.why, again.also) == (shift.person, shift.why, shift.also)


@settings(deadline=None, max_examples=60)
@given(schedules, absent_people, instants, st.integers(1, 40 * 24), st.lists(permille, max_size=6))
def test_shifts_tile_and_gaps_are_where_nobody_is(
    schedule: Schedule, away: Absences, start: datetime, hours: int, parts: list[int]
) -> None:
    """Calendar, rota and gaps are the single answer laid side by side, without holes or overlaps."""
    end = start + timedelta(hours=hours)
    found = shifts(schedule, start, end, away)
    assert (found[0].start, found[-1].until) == (start, end)
    assert all(one.until == two.start for one, two in pairwise(found))
    missing = gaps_of(found)
    for at in [start + part * (end - start) / 1000 for part in parts]:
        is_gap = any(begin <= at < until for begin, until in missing)
        assert is_gap is (not people_by_definition(schedule, away, at))


MONTH_ENDS = [date(2024, 1, 31), date(2023, 8, 31), date(2024, 2, 29)]


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_clocks_has_somebody_on_call(zone: str) -> None:
    """A year of hours, days, months and nights: no hour without anybody, none counted twice."""
    start, end = datetime(2024, 12, 30, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    for every, first in (("12h", MONTH_ENDS[0]), ("month", MONTH_ENDS[2]), ("week", MONTH_ENDS[1])):
        layer = {
            "people": ["alice", "bob"],
            "every": every,
            "starts": first.isoformat(),
            "handover": {"at": "02:30"},
        }
        nights = {"people": ["carol"], "starts": first, "handover": {"at": "22:00"}}
        night = {"from": "22:00", "to": "06:00", "days": ["mon-sun"]}
        schedule = Schedule.model_validate(
            {
                "timezone": zone,
                "rotations": [layer, {**nights, "restrict": night}],
            }
        )
        found = shifts(schedule, start, end)
        assert all(len(shift.on) == 1 for shift in found)
        assert all(one.until == two.start for one, two in pairwise(found))
        place = ZoneInfo(zone)
        for shift in found[1:-1]:
            hour = shift.start.astimezone(place).hour
            if shift.person == "carol":
                assert hour in (22, 23, 0), "a night begins at ten, or right after a skipped ten"


@pytest.mark.parametrize("every", ["1h", "12h", "day", "week", "month"])
def test_an_old_rotation_costs_what_a_new_one_does(
    every: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation of 1971 looks at as many turns as one that began last week: no walk from the start."""
    counted = [0]
    begin = rotations._begin

    def counting(*args: Any) -> datetime:
        counted[0] += 1
        return begin(*args)

    monkeypatch.setattr(rotations, "_begin", counting)
    costs = []
    for starts in ("1971-01-04", "2026-03-09"):
        layer = {"people": ["alice", "bob", "carol"], "every": every, "starts": starts}
        schedule = Schedule.model_validate({"timezone": "Europe/Berlin", "rotations": [layer]})
        counted[0] = 0
        for hour in range(200):
            on_call_at(schedule, datetime(2026, 3, 25, tzinfo=UTC) + timedelta(hours=hour))
        costs.append(counted[0])
    assert costs[0] <= costs[1] + 200, "at most one turn more each time"
    assert costs[0] <= 200 * 8

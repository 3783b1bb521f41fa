"""On-call rules that hold for every schedule, in forty zones over two years.

The reference walks every turn from the start, which the rules under test never do.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.on_call import gaps, on_call_at, shifts
from domain.policy.rota import Rotation, Schedule
from domain.wall_clock import instant_of

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Europe/Chisinau",
    "Atlantic/Azores",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/St_Johns",
    "America/Havana",
    "America/Mexico_City",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Asuncion",
    "America/Nuuk",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Tehran",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Gaza",
    "Australia/Adelaide",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Apia",
]
FIRST, DAYS = date(2025, 1, 1), 730
EVERY = ["1h", "5h", "12h", "36h", "day", "3 days", "week", "2 weeks", "month", "3 months"]
PEOPLE = ["alice", "bob", "carol", "dana"]

zones = st.sampled_from(ZONES)
permille = st.integers(0, 999)
dates = st.integers(0, DAYS).map(lambda days: FIRST + timedelta(days=days))
instants = st.integers(0, DAYS * 1440).map(
    lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
clock_times = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
days = st.sets(st.integers(0, 6), max_size=7)
groups = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4)
handovers = st.fixed_dictionaries({"day": st.none() | st.integers(0, 6), "at": clock_times})
turns = st.fixed_dictionaries(
    {"people": groups, "every": st.sampled_from(EVERY), "handover": handovers, "starts": dates}
)
restrictions = st.fixed_dictionaries({"days": days, "from": clock_times, "to": clock_times})
layers = st.builds(
    lambda turn, ends, restrict: {**turn, "ends": ends, "restrict": restrict},
    turns,
    st.none() | dates,
    st.none() | restrictions,
)
moments = st.builds(
    lambda day, at: datetime.combine(day, time.fromisoformat(at)), dates, clock_times
)
overrides = st.fixed_dictionaries(
    {
        "from": moments,
        "to": moments,
        "person": st.none() | st.sampled_from(PEOPLE),
        "instead_of": st.none() | st.sampled_from(PEOPLE),
    }
)
holidays = st.fixed_dictionaries(
    {"country": st.just("DE"), "people": groups, "dates": st.lists(dates, max_size=30)}
)
schedules = st.fixed_dictionaries(
    {
        "timezone": zones,
        "rotations": st.lists(layers, max_size=3),
        "overrides": st.lists(overrides, max_size=4),
        "holidays": st.none() | holidays,
    }
).map(Schedule.model_validate)


def begins_by_walking(rotation: Rotation, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """When every turn begins, from the first to the one after `until`, by adding turn after turn."""
    at = time.fromisoformat(rotation.handover.at)
    count, unit = rotation.every
    day = rotation.starts
    found = [instant_of(datetime.combine(day, at), zone)]
    while rotation.handover.day is not None and day.weekday() != rotation.handover.day:
        day += timedelta(days=1)
    anchor, steps = day, 0 if day > rotation.starts else 1
    while found[-1] <= until:
        if unit == "month":
            months = anchor.month - 1 + steps * count
            year, month = anchor.year + months // 12, months % 12 + 1
            last = calendar.monthrange(year, month)[1]
            wall = datetime.combine(date(year, month, min(anchor.day, last)), at)
        else:
            length = timedelta(**{f"{unit}s": count})
            wall = datetime.combine(anchor, at) + steps * length
        found.append(instant_of(wall, zone))
        steps += 1
    return found


def rotation_by_definition(rotation: Rotation, zone: ZoneInfo, at: datetime) -> str | None:
    """Whose turn it is, from the walk and from every window that may hold the instant."""
    begins = begins_by_walking(rotation, zone, at)
    handover = time.fromisoformat(rotation.handover.at)
    if at < begins[0]:
        return None
    if rotation.ends and at >= instant_of(datetime.combine(rotation.ends, handover), zone):
        return None
    if rotation.restrict is not None:
        today, restrict = at.astimezone(zone).date(), rotation.restrict
        nearby = [today + timedelta(days=offset) for offset in range(-3, 3)]
        opens, closes = time.fromisoformat(restrict.start), time.fromisoformat(restrict.end)
        over_midnight = timedelta(days=1 if closes <= opens else 0)
        if not any(
            instant_of(datetime.combine(day, opens), zone) <= at
            and at < instant_of(datetime.combine(day, closes) + over_midnight, zone)
            for day in nearby
            if day.weekday() in restrict.days
        ):
            return None
    return rotation.people[(sum(begin <= at for begin in begins) - 1) % len(rotation.people)]


def person_by_definition(schedule: Schedule, at: datetime) -> str | None:
    """Who is on by the contract's words, for one instant, without any span."""
    zone = ZoneInfo(schedule.timezone)
    regular: str | None = None
    for rotation in schedule.rotations:
        regular = rotation_by_definition(rotation, zone, at) or regular
    if schedule.holidays is not None:
        for index, day in enumerate(sorted(set(schedule.holidays.dates))):
            midnight = datetime.combine(day, time())
            if instant_of(midnight, zone) <= at < instant_of(midnight + timedelta(days=1), zone):
                regular = schedule.holidays.people[index % len(schedule.holidays.people)]
    person = regular
    for override in schedule.overrides:
        if instant_of(override.start, zone) <= at < instant_of(override.end, zone):
            stands_in = override.instead_of == person and override.person != regular
            removes = override.instead_of == person and override.person is None
            if override.instead_of in (None, regular) or stands_in or removes:
                person = override.person
    return person


@settings(deadline=None, max_examples=60)
@given(zones, moments)
def test_wall_time_is_reached_for_the_first_time(zone: str, wall: datetime) -> None:
    """A wall time is the first instant at which the clock shows it or, where skipped, a later one."""
    place = ZoneInfo(zone)
    instant = instant_of(wall, place)
    shown = instant.astimezone(place).replace(tzinfo=None)
    assert shown >= wall
    for seconds in (1, 900, 1800, 2700, 3600, 5400, 7200):
        earlier = instant - timedelta(seconds=seconds)
        assert earlier.astimezone(place).replace(tzinfo=None) < wall


@settings(deadline=None, max_examples=40)
@given(zones, turns, st.lists(instants, min_size=3, max_size=6))
def test_turn_is_that_of_walking_from_the_start(
    zone: str, turn: dict[str, Any], ats: list[datetime]
) -> None:
    """Arithmetic finds the turn that walking from the start finds; no gap, no overlap, no drift."""
    schedule = Schedule.model_validate({"timezone": zone, "rotations": [turn]})
    rotation = schedule.rotations[0]
    begins = begins_by_walking(rotation, ZoneInfo(zone), max(ats))
    for at in [*ats, *begins[-3:]]:
        if at > max(ats):
            continue
        index = sum(begin <= at for begin in begins) - 1
        shift = on_call_at(schedule, at)
        if index < 0:
            assert (shift.person, shift.until) == (None, begins[0])
        else:
            assert shift.person == rotation.people[index % len(rotation.people)]
            assert (shift.start, shift.until) == (begins[index], begins[index + 1])


@settings(deadline=None, max_examples=40)
@given(zones, turns, instants)
def test_rotation_has_no_gap_after_its_start(zone: str, turn: dict[str, Any], at: datetime) -> None:
    """A rotation without restriction and end leaves nobody out, whatever the clocks do."""
    schedule = Schedule.model_validate({"timezone": zone, "rotations": [turn]})
    missing = gaps(schedule, at, at + timedelta(days=20))
    handover = time.fromisoformat(schedule.rotations[0].handover.at)
    first = instant_of(datetime.combine(turn["starts"], handover), ZoneInfo(zone))
    assert missing == ([(at, min(first, at + timedelta(days=20)))] if at < first else [])


@settings(deadline=None, max_examples=40)
@given(schedules, st.lists(instants, min_size=2, max_size=5))
def test_person_is_that_of_the_definition(schedule: Schedule, ats: list[datetime]) -> None:
    """Overrides win over holidays, holidays over rotations, later layers over earlier ones."""
    for at in ats:
        shift = on_call_at(schedule, at)
        assert shift.person == person_by_definition(schedule, at)
        if shift.until is not None:
            last = shift.until - timedelta(seconds=1)
            assert shift.person == person_by_definition(schedule, last)


@settings(deadline=None, max_examples=60)
@given(schedules, instants, st.lists(permille, min_size=2, max_size=4))
def test_answer_is_constant_until_its_end(
    schedule: Schedule, at: datetime, parts: list[int]
) -> None:
    """From `start` to just before `until` the answer is the same person for the same reason."""
    shift = on_call_at(schedule, at)
    until = shift.until or at + timedelta(days=400)
    assert shift.start <= at < until
    second = timedelta(seconds=1)
    for other in [
        shift.start,
        until - second,
        *(shift.start + part * (until - shift.start) / 1000 for part in parts),
    ]:
        again = on_call_at(schedule, other)
        assert (again.person, again.why) == (shift.person, shift.why)


@settings(deadline=None, max_examples=40)
@given(schedules, instants, st.integers(1, 40 * 24), st.lists(permille, min_size=2, max_size=6))
def test_shifts_agree_with_the_single_answer(
    schedule: Schedule, start: datetime, hours: int, parts: list[int]
) -> None:
    """Calendar and paging say the same: shifts tile the range, and each holds at every instant."""
    end = start + timedelta(hours=hours)
    found = shifts(schedule, start, end)
    assert (found[0].start, found[-1].until) == (start, end)
    for one, two in pairwise(found):
        assert one.until == two.start
        assert (one.person, one.why) != (two.person, two.why)
    missing = gaps(schedule, start, end)
    for at in [start + part * (end - start) / 1000 for part in parts]:
        [shift] = [shift for shift in found if shift.start <= at and at < (shift.until or end)]
        answer = on_call_at(schedule, at)
        assert (answer.person, answer.why) == (shift.person, shift.why)
        assert any(begin <= at < until for begin, until in missing) is (answer.person is None)

"""Turns and windows of rotations: one table for each rule of the contract's schedule section."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain import rotations
from domain.on_call import on_call_at, shifts
from domain.policy.rota import Schedule

WEEKLY = {
    "people": ["alice", "bob"],
    "every": "week",
    "handover": {"day": "monday", "at": "09:00"},
    "starts": "2026-01-05",
}
NIGHT = {
    "people": ["carol"],
    "starts": "2026-01-05",
    "restrict": {"days": ["mon-fri"], "from": "22:00", "to": "06:00"},
}


def a_schedule(*layers: dict[str, Any], zone: str = "Europe/Berlin") -> Schedule:
    """A schedule of rotations as the policy file says it."""
    return Schedule.model_validate({"timezone": zone, "rotations": list(layers)})


def a_rotation(every: str, starts: str, people: str = "abcdefgh", **more: Any) -> dict[str, Any]:
    """A rotation whose people are single letters."""
    return {"people": list(people), "every": every, "starts": starts, **more}


def utc(text: str) -> datetime:
    """An instant, from `2026-01-05T09:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str = "Europe/Berlin") -> datetime:
    """An instant, from wall time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def who(schedule: Schedule, text: str) -> str | None:
    """Who is on at a wall time of the schedule's zone."""
    return on_call_at(schedule, local(text, schedule.timezone)).person


@pytest.mark.parametrize(
    ("wall", "person"),
    [
        ("2026-01-05T08:59", None),
        ("2026-01-05T09:00", "alice"),
        ("2026-01-12T08:59", "alice"),
        ("2026-01-12T09:00", "bob"),
        ("2026-01-19T09:00", "alice"),
        ("2026-07-06T08:59", "bob"),
        ("2026-07-06T09:00", "alice"),
        ("2031-12-29T09:00", "alice"),
    ],
)
def test_weekly_turns(wall: str, person: str | None) -> None:
    """The first turn is the first person's, from `starts` at the handover time, summer and winter."""
    assert who(a_schedule(WEEKLY), wall) == person


@pytest.mark.parametrize(
    ("every", "starts", "handover", "boundaries"),
    [
        ("day", "2026-01-05", {"at": "09:00"}, ["01-05T09:00", "01-06T09:00", "01-07T09:00"]),
        ("2 days", "2026-01-05", {}, ["01-05T00:00", "01-07T00:00", "01-09T00:00"]),
        ("week", "2026-01-07", {}, ["01-07T00:00", "01-14T00:00", "01-21T00:00"]),
        ("2 weeks", "2026-01-05", {}, ["01-05T00:00", "01-19T00:00", "02-02T00:00"]),
        ("12h", "2026-01-05", {"at": "09:00"}, ["01-05T09:00", "01-05T21:00", "01-06T09:00"]),
        ("36h", "2026-01-05", {}, ["01-05T00:00", "01-06T12:00", "01-08T00:00"]),
        ("month", "2026-01-15", {"at": "10:00"}, ["01-15T10:00", "02-15T10:00", "03-15T10:00"]),
        ("2 months", "2026-01-15", {}, ["01-15T00:00", "03-15T00:00", "05-15T00:00"]),
        # `starts` is a Wednesday: the first turn is short and ends at the first Monday.
        (
            "week",
            "2026-01-07",
            {"day": "mon", "at": "09:00"},
            ["01-07T09:00", "01-12T09:00", "01-19T09:00", "01-26T09:00"],
        ),
        (
            "2 weeks",
            "2026-01-07",
            {"day": "mon"},
            ["01-07T00:00", "01-12T00:00", "01-26T00:00"],
        ),
        ("day", "2026-01-07", {"day": "fri"}, ["01-07T00:00", "01-09T00:00", "01-10T00:00"]),
    ],
)
def test_turns_begin(
    every: str, starts: str, handover: dict[str, str], boundaries: list[str]
) -> None:
    """Each turn begins where the contract says, and belongs to the next person."""
    schedule = a_schedule(a_rotation(every, starts, handover=handover))
    walls = [f"2026-{boundary}" for boundary in boundaries]
    for index, wall in enumerate(walls):
        shift = on_call_at(schedule, local(wall))
        assert (shift.person, shift.start) == ("abcdefgh"[index], local(wall))
        before = on_call_at(schedule, local(wall) - timedelta(seconds=1))
        assert before.person == (None if index == 0 else "abcdefgh"[index - 1])
        assert before.until == local(wall)


@pytest.mark.parametrize(
    ("starts", "boundaries"),
    [
        ("2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2027-12-30", ["2028-01-30", "2028-02-29", "2028-03-30"]),
        ("2028-02-29", ["2028-03-29", "2028-04-29", "2028-05-29"]),
        ("2025-08-31", ["2025-09-30", "2025-10-31", "2025-11-30", "2025-12-31", "2026-01-31"]),
    ],
)
def test_month_end(starts: str, boundaries: list[str]) -> None:
    """A month's turn keeps the day of the month, the last one where the month is shorter."""
    schedule = a_schedule(a_rotation("month", starts))
    shift = on_call_at(schedule, local(f"{starts}T00:00"))
    for boundary in boundaries:
        assert shift.until == local(f"{boundary}T00:00")
        shift = on_call_at(schedule, shift.until)


def test_yearly_leap_day() -> None:
    """Twelve months from a leap day end on 28 February, and on the 29th in the next leap year."""
    schedule = a_schedule(a_rotation("12 months", "2024-02-29", "ab"))
    ends = [on_call_at(schedule, utc(f"{year}-06-01T00:00")).until for year in range(2024, 2028)]
    assert ends == [local(f"{day}T00:00") for day in ("2025-02-28", "2026-02-28", "2027-02-28")] + [
        local("2028-02-29T00:00")
    ]


@pytest.mark.parametrize(
    ("zone", "at", "day", "until"),
    [
        ("Europe/Berlin", "09:00", "2026-03-28", "2026-03-29T07:00"),  # spring: 23 hours
        ("Europe/Berlin", "09:00", "2026-10-24", "2026-10-25T08:00"),  # autumn: 25 hours
        ("Europe/Berlin", "02:30", "2026-03-28", "2026-03-29T01:00"),  # skipped: at 03:00
        ("Europe/Berlin", "02:30", "2026-10-24", "2026-10-25T00:30"),  # doubled: the first
        ("Europe/Berlin", "02:00", "2026-03-28", "2026-03-29T01:00"),
        ("Europe/Berlin", "03:00", "2026-10-24", "2026-10-25T02:00"),
        ("America/New_York", "02:30", "2026-03-07", "2026-03-08T07:00"),
        ("America/New_York", "01:30", "2026-10-31", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", "02:15", "2026-10-03", "2026-10-03T15:30"),  # half an hour
        ("Australia/Lord_Howe", "01:45", "2026-04-04", "2026-04-04T14:45"),
        ("America/Santiago", "00:00", "2026-09-05", "2026-09-06T04:00"),  # midnight is skipped
        ("America/St_Johns", "00:00", "2010-11-06", "2010-11-07T02:30"),  # midnight comes twice
        ("Pacific/Apia", "09:00", "2011-12-29", "2011-12-30T10:00"),  # a whole day is skipped
        ("Asia/Kolkata", "09:00", "2026-03-28", "2026-03-29T03:30"),
    ],
)
def test_change_of_clocks(zone: str, at: str, day: str, until: str) -> None:
    """A handover stays at its wall time; skipped is right after the gap, doubled the first time."""
    rotation = a_rotation("day", "2010-01-01", "ab", handover={"at": at})
    schedule = a_schedule(rotation, zone=zone)
    before = on_call_at(schedule, local(f"{day}T12:00", zone))
    assert before.until == utc(until)
    after = on_call_at(schedule, before.until)
    assert after.start == before.until
    assert {before.person, after.person} == {"a", "b"}


def test_second_pass_of_the_doubled_hour() -> None:
    """A handover at 02:30 happened in the first pass; at the second 02:15 it stays done."""
    rotation = a_rotation("day", "2026-10-24", "ab", handover={"at": "02:30"})
    schedule = a_schedule(rotation)
    for at, person in (("00:15", "a"), ("00:30", "b"), ("01:15", "b"), ("01:45", "b")):
        assert on_call_at(schedule, utc(f"2026-10-25T{at}")).person == person


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-28T20:00", [11, 12]),
        ("2026-10-24T20:00", [13, 12]),
        ("2026-06-01T20:00", [12, 12]),
    ],
)
def test_hours_follow_the_wall_clock(day: str, hours: list[int]) -> None:
    """12-hour turns hand over at 08:00 and 20:00 across a change of clocks."""
    schedule = a_schedule(a_rotation("12h", "2020-01-01", "ab", handover={"at": "08:00"}))
    lengths, at = [], local(day)
    for _ in hours:
        shift = on_call_at(schedule, at)
        assert shift.until is not None
        lengths.append((shift.until - shift.start) / timedelta(hours=1))
        at = shift.until
    assert lengths == hours


def test_hourly_turns_across_changes_of_clocks() -> None:
    """The skipped hour's turn has no length, the doubled one's has two; nobody is missing."""
    schedule = a_schedule(a_rotation("1h", "2025-01-01", "abc"))
    spring = shifts(schedule, utc("2026-03-28T23:00"), utc("2026-03-29T03:00"))
    assert [(shift.person, shift.start.hour) for shift in spring] == [
        ("a", 23),
        ("b", 0),
        ("a", 1),  # the turn of c, 02:00 to 03:00, is skipped
        ("b", 2),
    ]
    autumn = shifts(schedule, utc("2026-10-24T22:00"), utc("2026-10-25T03:00"))
    assert [(shift.person, shift.start.hour) for shift in autumn] == [
        ("a", 22),
        ("b", 23),
        ("c", 0),  # 02:00 to 03:00, twice
        ("a", 2),
    ]


def test_old_hourly_rotation_is_found_by_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation of 1990 looks at no more turns than one of today."""
    looked: list[int] = []
    begin = rotations._begin
    monkeypatch.setattr(
        rotations, "_begin", lambda *args: (looked.append(args[2]), begin(*args))[1]
    )
    counts = []
    for starts in ("1990-01-01", "2026-06-01"):
        looked.clear()
        schedule = a_schedule(a_rotation("1h", starts, "abc"), zone="UTC")
        hours = int((utc("2026-06-15T12:30") - utc(f"{starts}T00:00")) / timedelta(hours=1))
        assert who(schedule, "2026-06-15T12:30") == "abc"[hours % 3]
        counts.append(len(looked))
    assert counts[0] == counts[1] < 8


@pytest.mark.parametrize(
    ("ends", "wall", "person"),
    [
        ("2026-01-14", "2026-01-14T08:59", "bob"),
        ("2026-01-14", "2026-01-14T09:00", None),
        ("2026-01-05", "2026-01-06T09:00", None),
        ("2025-01-05", "2026-01-06T09:00", None),
    ],
)
def test_ends_is_exclusive(ends: str, wall: str, person: str | None) -> None:
    """A rotation ends on `ends` at the handover time; one that ends before it starts never is."""
    assert who(a_schedule({**WEEKLY, "ends": ends}), wall) == person


@pytest.mark.parametrize(
    ("wall", "person"),
    [
        ("2026-01-05T21:59", "alice"),
        ("2026-01-05T22:00", "carol"),
        ("2026-01-06T05:59", "carol"),
        ("2026-01-06T06:00", "alice"),
        ("2026-01-10T05:59", "carol"),  # Saturday morning belongs to Friday's window
        ("2026-01-10T22:00", "alice"),
        ("2026-01-12T05:59", "alice"),  # Monday morning would belong to Sunday's
        ("2026-03-27T23:00", "carol"),
    ],
)
def test_overnight_window_above_a_weekly_layer(wall: str, person: str) -> None:
    """A later layer wins in its window; one over midnight belongs to the day on which it begins."""
    assert who(a_schedule(WEEKLY, NIGHT), wall) == person


@pytest.mark.parametrize(
    ("restrict", "at", "start", "until"),
    [
        ({}, "2026-02-04T12:00", "2026-01-05T00:00", "2027-01-05T00:00"),
        (
            {"from": "08:00", "to": "08:00"},
            "2026-02-04T12:00",
            "2026-01-05T00:00",
            "2027-01-05T00:00",
        ),
        ({"days": ["mon-fri"]}, "2026-02-04T12:00", "2026-02-02T00:00", "2026-02-07T00:00"),
        ({"days": ["sat-mon"]}, "2026-02-01T12:00", "2026-01-31T00:00", "2026-02-03T00:00"),
        (
            {"days": ["tue"], "from": "10:00"},
            "2026-02-03T12:00",
            "2026-02-03T10:00",
            "2026-02-04T00:00",
        ),
        (
            {"days": ["tue"], "from": "08:00", "to": "08:00"},
            "2026-02-03T12:00",
            "2026-02-03T08:00",
            "2026-02-04T08:00",  # a whole day
        ),
        (
            {"days": ["sun"], "from": "01:00", "to": "02:30"},
            "2026-03-29T01:30",
            "2026-03-29T01:00",
            "2026-03-29T03:00",  # 02:30 is skipped
        ),
    ],
)
def test_window_is_whole(restrict: dict[str, Any], at: str, start: str, until: str) -> None:
    """Days that touch are one window, and all days and hours are no restriction at all."""
    schedule = a_schedule(a_rotation("12 months", "2026-01-05", "a", restrict=restrict))
    shift = on_call_at(schedule, local(at))
    assert (shift.person, shift.start, shift.until) == ("a", local(start), local(until))


def test_window_without_days_is_never_open() -> None:
    """A restriction to no day leaves the layer below on."""
    schedule = a_schedule(WEEKLY, {**NIGHT, "restrict": {"days": []}})
    assert who(schedule, "2026-01-06T23:00") == "alice"


def test_window_skipped_by_the_clocks_is_no_window() -> None:
    """A window that lies wholly in the skipped hour does not open that day."""
    restrict = {"days": ["sun"], "from": "02:10", "to": "02:50"}
    schedule = a_schedule(a_rotation("week", "2026-01-05", "a", restrict=restrict))
    on = shifts(schedule, utc("2026-03-22T12:00"), utc("2026-04-05T12:00"))
    assert [shift.start for shift in on if shift.person] == [local("2026-04-05T02:10")]


def test_turns_and_windows_are_independent() -> None:
    """A restricted weekly rotation still changes its person each week."""
    schedule = a_schedule({**WEEKLY, "restrict": {"days": ["sat", "sun"]}})
    assert [who(schedule, f"2026-01-{day}T12:00") for day in (10, 12, 17, 25)] == [
        "alice",
        None,
        "bob",
        "alice",
    ]

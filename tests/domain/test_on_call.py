"""Who is on call: one table for each rule of the contract's schedule section.

Turns and windows of one rotation are in `test_rotations.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.on_call import gaps, on_call_at, resolve_target, resolve_targets, shifts
from domain.policy.model import Policy
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


def a_schedule(
    *layers: dict[str, Any],
    zone: str = "Europe/Berlin",
    overrides: list[dict[str, Any]] | None = None,
    holidays: dict[str, Any] | None = None,
) -> Schedule:
    """A schedule as the policy file says it."""
    return Schedule.model_validate(
        {
            "timezone": zone,
            "rotations": list(layers),
            "overrides": overrides or [],
            "holidays": holidays,
        }
    )


def an_override(
    start: str, end: str, person: str | None, instead_of: str | None = None
) -> dict[str, Any]:
    """An override as the policy file says it."""
    return {"from": start, "to": end, "person": person, "instead_of": instead_of}


def utc(text: str) -> datetime:
    """An instant, from `2026-01-05T09:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str = "Europe/Berlin") -> datetime:
    """An instant, from wall time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def who(schedule: Schedule, text: str) -> str | None:
    """Who is on at a wall time of the schedule's zone."""
    return on_call_at(schedule, local(text, schedule.timezone)).person


HOLIDAYS = {
    "country": "DE",
    "people": ["carol", "dana"],
    "dates": ["2026-12-26", "2026-12-25", "2027-01-01"],
}


@pytest.mark.parametrize(
    ("wall", "person"),
    [
        ("2026-12-24T21:59", "alice"),
        ("2026-12-24T23:59", "carol"),
        ("2026-12-25T00:00", "carol"),
        ("2026-12-25T23:59", "carol"),
        ("2026-12-26T00:00", "dana"),
        ("2026-12-27T00:00", "alice"),
        ("2027-01-01T12:00", "carol"),
    ],
)
def test_holidays_win_over_rotations(wall: str, person: str) -> None:
    """On a holiday the holiday people are on in turn, all day in the schedule's zone."""
    assert who(a_schedule(WEEKLY, NIGHT, holidays=HOLIDAYS), wall) == person


def test_holiday_in_the_zone() -> None:
    """A holiday of Auckland begins at its own midnight, and says its date."""
    schedule = a_schedule(WEEKLY, zone="Pacific/Auckland", holidays=HOLIDAYS)
    shift = on_call_at(schedule, utc("2026-12-24T11:00"))
    assert (shift.person, shift.why) == ("carol", "holiday 2026-12-25")
    assert shift.until == utc("2026-12-25T11:00")


DAY = ("2026-12-25T08:00", "2026-12-25T20:00")


@pytest.mark.parametrize(
    ("overrides", "person"),
    [
        ([an_override(*DAY, "dana")], "dana"),
        ([an_override(*DAY, "dana", "alice")], "dana"),
        ([an_override(*DAY, "dana", "bob")], "alice"),
        ([an_override(*DAY, None)], None),
        ([an_override(*DAY, None, "alice")], None),
        ([an_override(*DAY, None, "bob")], "alice"),
        ([an_override(*reversed(DAY), "dana")], "alice"),
        ([an_override(*DAY, "bob"), an_override(*DAY, "carol")], "carol"),
        ([an_override(*DAY, None), an_override(*DAY, "carol")], "carol"),
        ([an_override(*DAY, "bob", "alice"), an_override(*DAY, "carol", "alice")], "carol"),
        ([an_override(*DAY, None, "alice"), an_override(*DAY, "carol", "alice")], "carol"),
        ([an_override(*DAY, "bob", "alice"), an_override(*DAY, "carol", "bob")], "carol"),
        ([an_override(*DAY, "bob"), an_override(*DAY, None, "bob")], None),
        ([an_override(*DAY, "carol", "bob"), an_override(*DAY, "bob", "alice")], "bob"),
        ([an_override(*DAY, "bob", "alice"), an_override(*DAY, "alice", "bob")], "bob"),
        ([an_override(*DAY, "alice", "bob"), an_override(*DAY, "bob", "alice")], "bob"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_overrides_add_remove_replace(overrides: list[dict[str, Any]], person: str | None) -> None:
    """The later override has the last word; a stand-in can be replaced; two make a swap."""
    schedule = a_schedule(WEEKLY, overrides=overrides)
    assert who(schedule, "2026-12-25T07:59") == "alice"
    assert who(schedule, "2026-12-25T08:00") == person
    assert who(schedule, "2026-12-25T19:59") == person
    assert who(schedule, "2026-12-25T20:00") == "alice"


def test_swap_over_two_weeks() -> None:
    """Alice for bob and bob for alice over both their weeks exchange the weeks."""
    weeks = ("2026-01-05T09:00", "2026-01-19T09:00")
    pair = [an_override(*weeks, "alice", "bob"), an_override(*weeks, "bob", "alice")]
    for overrides in (pair, pair[::-1]):
        found = shifts(a_schedule(WEEKLY, overrides=overrides), local(weeks[0]), local(weeks[1]))
        assert [(shift.person, shift.start) for shift in found] == [
            ("bob", local("2026-01-05T09:00")),
            ("alice", local("2026-01-12T09:00")),
        ]


def test_replacement_within_a_longer_override() -> None:
    """Who stands in for all is replaced in the turn of the one whom a later override names."""
    overrides = [
        an_override("2026-01-05T09:00", "2026-01-26T09:00", "dana"),
        an_override("2026-01-05T09:00", "2026-01-26T09:00", "carol", "bob"),
    ]
    schedule = a_schedule(WEEKLY, overrides=overrides)
    found = shifts(schedule, local("2026-01-05T09:00"), local("2026-01-26T09:00"))
    assert [(shift.person, shift.start) for shift in found] == [
        ("dana", local("2026-01-05T09:00")),
        ("carol", local("2026-01-12T09:00")),
        ("dana", local("2026-01-19T09:00")),
    ]


def test_override_wins_over_holiday_and_over_nobody() -> None:
    """An override counts on a holiday, instead of its person too, and adds where nobody is on."""
    overrides = [an_override(*DAY, "bob", "carol"), an_override("2026-12-30T00:00", DAY[1], "bob")]
    assert who(a_schedule(holidays=HOLIDAYS, overrides=overrides), DAY[0]) == "bob"
    assert who(a_schedule(overrides=[an_override(*DAY, "bob")]), DAY[0]) == "bob"
    removed = [an_override(*DAY, "bob"), an_override(*DAY, None, "bob")]
    assert who(a_schedule(overrides=removed), DAY[0]) is None


def test_override_is_wall_time_of_the_zone() -> None:
    """An override in the hour of a change of clocks follows the rule for skipped times."""
    override = an_override("2026-03-29T02:30", "2026-03-29T09:00", "dana")
    shift = on_call_at(a_schedule(WEEKLY, overrides=[override]), utc("2026-03-29T01:00"))
    assert (shift.person, shift.start, shift.until) == (
        "dana",
        utc("2026-03-29T01:00"),
        utc("2026-03-29T07:00"),
    )


@pytest.mark.parametrize(
    ("overrides", "until"),
    [
        ([an_override("2026-12-22T08:00", "2026-12-22T09:00", "bob", "carol")], "2026-12-28T09:00"),
        ([an_override("2026-12-22T08:00", "2026-12-22T09:00", "bob", "alice")], "2026-12-22T08:00"),
        ([an_override("2026-12-22T08:00", "2026-12-22T09:00", "bob")], "2026-12-22T08:00"),
        ([an_override("2026-12-01T08:00", "2027-02-01T09:00", "alice")], "2027-02-01T09:00"),
    ],
)
def test_until_is_the_end_of_the_answer(overrides: list[dict[str, Any]], until: str) -> None:
    """Only what concerns the person who is on ends the answer."""
    shift = on_call_at(a_schedule(WEEKLY, overrides=overrides), local("2026-12-21T12:00"))
    assert (shift.person, shift.until) == ("alice", local(until))


@pytest.mark.parametrize(
    ("override", "why"),
    [
        (None, "rotation 1, turn of alice until Mon 2026-12-28 09:00 Europe/Berlin"),
        (an_override(*DAY, "bob"), "override for bob until Fri 2026-12-25 20:00 Europe/Berlin"),
        (
            an_override(*DAY, "bob", "alice"),
            "override for bob instead of alice until Fri 2026-12-25 20:00 Europe/Berlin",
        ),
        (
            an_override(*DAY, None),
            "override that removes whoever is on until Fri 2026-12-25 20:00 Europe/Berlin",
        ),
        (
            an_override(*DAY, None, "alice"),
            "override that removes alice until Fri 2026-12-25 20:00 Europe/Berlin",
        ),
    ],
)
def test_why_is_a_sentence(override: dict[str, Any] | None, why: str) -> None:
    """The reason names the rule, the person and the end as people say them."""
    schedule = a_schedule(WEEKLY, overrides=[override] if override else [])
    assert on_call_at(schedule, local(DAY[0])).why == why


def test_empty_schedule_has_nobody_for_ever() -> None:
    """A schedule without rotations answers nobody, without an end."""
    at = utc("2026-01-01T00:00")
    shift = on_call_at(a_schedule(), at)
    assert (shift.person, shift.start, shift.until) == (None, at, None)
    assert shift.why == "no rotation is active"


def test_naive_instant_is_refused() -> None:
    """An instant without zone would mean the machine's, so it is refused."""
    with pytest.raises(ValueError, match="no zone"):
        on_call_at(a_schedule(WEEKLY), datetime(2026, 1, 5, 9))  # noqa: DTZ001


def test_shifts_tile_the_range_and_merge() -> None:
    """Shifts follow each other without holes, cut at both ends; the same answer is one shift."""
    irrelevant = an_override("2026-01-08T08:00", "2026-01-08T09:00", "bob", "carol")
    schedule = a_schedule(WEEKLY, overrides=[irrelevant])
    found = shifts(schedule, local("2026-01-05T08:00"), local("2026-01-13T00:00"))
    assert [(shift.person, shift.start, shift.until) for shift in found] == [
        (None, local("2026-01-05T08:00"), local("2026-01-05T09:00")),
        ("alice", local("2026-01-05T09:00"), local("2026-01-12T09:00")),
        ("bob", local("2026-01-12T09:00"), local("2026-01-13T00:00")),
    ]
    assert shifts(schedule, local("2026-01-13T00:00"), local("2026-01-13T00:00")) == []


def test_gaps() -> None:
    """A gap is all the time with nobody, whatever the reasons, within the range."""
    office = {**WEEKLY, "restrict": {"days": ["mon-fri"], "from": "09:00", "to": "17:00"}}
    removed = an_override("2026-01-06T16:00", "2026-01-06T17:00", None)
    schedule = a_schedule(office, overrides=[removed])
    assert gaps(schedule, local("2026-01-06T12:00"), local("2026-01-07T20:00")) == [
        (local("2026-01-06T16:00"), local("2026-01-07T09:00")),
        (local("2026-01-07T17:00"), local("2026-01-07T20:00")),
    ]
    assert gaps(a_schedule(WEEKLY), local("2026-01-06T12:00"), local("2028-01-07T20:00")) == []
    assert gaps(a_schedule(), utc("2026-01-01T00:00"), utc("2027-01-01T00:00")) == [
        (utc("2026-01-01T00:00"), utc("2027-01-01T00:00"))
    ]


def a_policy() -> Policy:
    """Two people, three teams and three schedules, some of which refer to people who left."""
    return Policy.model_validate(
        {
            "people": {"alice": {}, "bob": {}},
            "teams": {"pay": {"members": ["bob", "alice"]}, "old": {"members": ["zed"]}, "new": {}},
            "schedules": {
                "pay": {"rotations": [WEEKLY]},
                "none": {},
                "left": {"rotations": [{**WEEKLY, "people": ["zed"]}]},
                "mars": {"timezone": "Mars/Olympus", "rotations": [WEEKLY]},
            },
        }
    )


@pytest.mark.parametrize(
    ("target", "people", "reasons"),
    [
        ("person:bob", ["bob"], []),
        ("team:pay", ["bob", "alice"], []),
        ("schedule:pay", ["alice"], []),
        ("person:zed", [], ["person zed is no longer in the policy"]),
        ("team:old", [], ["person zed is no longer in the policy"]),
        ("team:new", [], ["team new has no members"]),
        ("team:gone", [], ["team gone is no longer in the policy"]),
        ("schedule:gone", [], ["schedule gone is no longer in the policy"]),
        ("schedule:none", [], ["nobody is on call for schedule none"]),
        ("schedule:left", [], ["person zed is no longer in the policy"]),
        ("schedule:mars", [], ["schedule mars is in the unknown timezone 'Mars/Olympus'"]),
        ("bob", [], ["bob is not a team:, person: or schedule:"]),
    ],
)
def test_target_means_people_or_says_why_not(
    target: str, people: list[str], reasons: list[str]
) -> None:
    """Each kind of target yields its people, or a reason that a person understands; never an error."""
    found, why_not = resolve_target(a_policy(), target, local("2026-01-06T12:00"))
    assert ([entry.person for entry in found], why_not) == (people, reasons)


def test_target_says_until_when_and_why() -> None:
    """A person on call comes with schedule, end and reason; one named in person has no end."""
    at = local("2026-01-06T12:00")
    [entry] = resolve_target(a_policy(), "schedule:pay", at)[0]
    assert (entry.schedule, entry.until) == ("pay", local("2026-01-12T09:00"))
    assert entry.why.startswith("rotation 1, turn of alice")
    [entry] = resolve_target(a_policy(), "person:bob", at)[0]
    assert (entry.schedule, entry.until, entry.why) == (None, None, "named in person")


def test_targets_name_each_person_once() -> None:
    """A person whom several targets mean is one entry, from the first; so is a reason."""
    targets = ["schedule:pay", "team:old", "team:pay", "person:alice", "person:zed"]
    found, why_not = resolve_targets(a_policy(), targets, local("2026-01-06T12:00"))
    assert [(entry.person, entry.schedule) for entry in found] == [("alice", "pay"), ("bob", None)]
    assert why_not == ["person zed is no longer in the policy"]

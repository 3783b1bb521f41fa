"""Absences, people beside, temporary schedules, calendars, holidays by list, and the targets of a step."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.absences import Absences
from domain.coverage import Kind, find_all
from domain.on_call import gaps, next_on, on_call_at, resolve_target, shifts
from domain.policy.model import Policy
from tests.domain.test_on_call import WEEKLY, local

MONDAY = "2026-01-05T12:00"
LEAVE = {"from": "2026-01-07", "to": "2026-01-08", "reason": "leave"}


def a_policy(away: dict[str, list[dict[str, Any]]] | None = None, **schedule: Any) -> Policy:
    """Four people and one schedule, `pay`."""
    people = {
        name: {
            "contacts": [{"channel": "email", "to": f"{name}@example.com"}],
            "absences": (away or {}).get(name, []),
        }
        for name in ("alice", "bob", "carol", "dana")
    }
    whole = {"timezone": "Europe/Berlin", "rotations": [WEEKLY]} | schedule
    return Policy.model_validate({"people": people, "schedules": {"pay": whole}})


def on(policy: Policy, text: str, schedule: str = "pay") -> list[str]:
    """Who is on at a wall time of Berlin."""
    found = policy.schedules[schedule]
    shift = on_call_at(found, local(text), Absences.of(policy))
    return [duty.person for duty in shift.on]


def test_an_absent_persons_turn_is_taken_by_the_next_who_is_present() -> None:
    """The next in the rotation takes it, as long as the absence lasts, and the reason says so."""
    policy = a_policy({"alice": [LEAVE]})
    assert [on(policy, f"2026-01-{day}T12:00") for day in ("06", "07", "08", "09")] == [
        ["alice"],
        ["bob"],
        ["bob"],
        ["alice"],
    ]
    shift = on_call_at(policy.schedules["pay"], local("2026-01-07T12:00"), Absences.of(policy))
    assert (shift.start, shift.until) == (local("2026-01-07T00:00"), local("2026-01-09T00:00"))
    assert shift.why == (
        "rotation 1, turn of alice, who is absent (leave): bob takes it "
        "until Fri 2026-01-09 00:00 Europe/Berlin"
    )


def test_nobody_left_is_a_gap_unless_another_layer_has_somebody() -> None:
    """With everybody of a rotation absent the layer below is on, and without one it is a gap."""
    away = {"alice": [LEAVE], "bob": [LEAVE]}
    policy = a_policy(away)
    found = gaps(
        policy.schedules["pay"],
        local("2026-01-05T09:00"),
        local("2026-01-12T09:00"),
        Absences.of(policy),
    )
    assert found == [(local("2026-01-07T00:00"), local("2026-01-09T00:00"))]
    entries, reasons = resolve_target(policy, "schedule:pay", local("2026-01-07T12:00"))
    assert entries == []
    assert reasons == [
        "nobody is on call for schedule pay: rotation 1, turn of alice, who is absent (leave): "
        "nobody else in it is present"
    ]
    below = a_policy(away, rotations=[{**WEEKLY, "people": ["carol"]}, WEEKLY])
    assert on(below, "2026-01-07T12:00") == ["carol"]


def test_an_absence_is_wall_time_of_the_persons_zone() -> None:
    """A day off in Tokyo begins when it begins there; the organisation's zone is for the rest."""
    policy = a_policy({"alice": [LEAVE]})
    tokyo = policy.people["alice"].model_copy(update={"timezone": "Asia/Tokyo"})
    policy = policy.model_copy(update={"people": {**policy.people, "alice": tokyo}})
    assert on(policy, "2026-01-06T15:59") == ["alice"]
    assert on(policy, "2026-01-06T16:00") == ["bob"]
    assert on(policy, "2026-01-08T16:00") == ["alice"]


def test_an_override_for_an_absent_persons_turn_counts() -> None:
    """Whoever arranged cover before or after they said that they are absent is covered so."""
    window = {"from": "2026-01-07T00:00", "to": "2026-01-09T00:00"}
    cover = {**window, "person": "dana", "instead_of": "alice"}
    assert on(a_policy({"alice": [LEAVE]}, overrides=[cover]), "2026-01-07T12:00") == ["dana"]
    swap = [
        {**window, "person": "bob", "instead_of": "alice"},
        {**window, "person": "alice", "instead_of": "bob"},
    ]
    assert on(a_policy({"alice": [LEAVE]}, overrides=swap), "2026-01-07T12:00") == ["bob"]


DAY = {"from": "2026-01-06T08:00", "to": "2026-01-06T20:00"}


@pytest.mark.parametrize(
    ("overrides", "people"),
    [
        ([{"person": "dana", "also": True}], ["alice", "dana"]),
        ([{"person": "alice", "also": True}], ["alice"]),
        ([{"person": "dana", "also": True}, {"person": "carol"}], ["carol", "dana"]),
        ([{"person": "carol"}, {"person": "dana", "also": True}], ["carol", "dana"]),
        ([{"person": "dana", "also": True}, {"person": None}], ["dana"]),
        ([{"person": "dana", "also": True}, {"person": None, "instead_of": "dana"}], ["alice"]),
        (
            [{"person": "dana", "also": True}, {"person": "carol", "instead_of": "dana"}],
            ["alice", "carol"],
        ),
        (
            [{"person": "dana", "also": True}, {"person": "dana", "also": True}],
            ["alice", "dana"],
        ),
    ],
)
def test_overrides_that_add_remove_and_replace_have_one_answer(
    overrides: list[dict[str, Any]], people: list[str]
) -> None:
    """Who is added stays beside whoever is on; the later word counts; nobody is on twice."""
    policy = a_policy(overrides=[DAY | one for one in overrides])
    assert on(policy, "2026-01-06T07:59") == ["alice"]
    assert on(policy, "2026-01-06T08:00") == people
    assert on(policy, "2026-01-06T19:59") == people
    assert on(policy, "2026-01-06T20:00") == ["alice"]
    found, _ = resolve_target(policy, "schedule:pay", local("2026-01-06T12:00"))
    assert [entry.person for entry in found] == people
    assert {entry.schedule for entry in found} == {"pay"}


def test_a_temporary_schedule_replaces_everything_in_its_window() -> None:
    """Rotations, holidays and overrides do not count inside; outside nothing has changed."""
    window = {"from": "2026-01-06T08:00", "to": "2026-01-06T20:00"}
    listed = [
        {"from": "2026-01-06T08:00", "to": "2026-01-06T14:00", "person": "carol"},
        {"from": "2026-01-06T12:00", "to": "2026-01-06T16:00", "person": "dana"},
    ]
    policy = a_policy(
        temporary=[{**window, "shifts": listed}],
        overrides=[{**window, "person": "bob"}],
        holidays={"people": ["bob"], "dates": ["2026-01-06"]},
    )
    assert on(policy, "2026-01-06T07:59") == ["bob"]
    assert on(policy, "2026-01-06T08:00") == ["carol"]
    assert on(policy, "2026-01-06T12:00") == ["carol", "dana"]
    assert on(policy, "2026-01-06T14:00") == ["dana"]
    assert on(policy, "2026-01-06T16:00") == []
    assert on(policy, "2026-01-06T20:00") == ["bob"]
    shift = on_call_at(policy.schedules["pay"], local("2026-01-06T16:00"))
    assert shift.why == (
        "temporary schedule until Tue 2026-01-06 20:00 Europe/Berlin: nobody has a shift"
    )


def test_one_answer_for_paging_calendar_and_rota() -> None:
    """The rota laid out says at every hour what paging says at that hour."""
    window = {"from": "2026-01-06T08:00", "to": "2026-01-09T20:00"}
    policy = a_policy(
        {"alice": [LEAVE]},
        overrides=[
            {**window, "person": "dana", "also": True},
            {**DAY, "person": "carol", "instead_of": "alice"},
        ],
    )
    start = local("2026-01-05T09:00")
    found = shifts(policy.schedules["pay"], start, start + timedelta(days=7), Absences.of(policy))
    for hour in range(7 * 24):
        at = start + timedelta(hours=hour)
        [shift] = [one for one in found if one.start <= at < (one.until or at)]
        paged, _ = resolve_target(policy, "schedule:pay", at)
        assert [duty.person for duty in shift.on] == [entry.person for entry in paged]


CALENDAR = {
    "file": "x.ics",
    "shifts": [
        {
            "start": "2026-01-05T08:00:00Z",
            "end": "2026-01-06T08:00:00Z",
            "people": [{"person": "carol", "title": "Carol"}, {"person": "dana"}],
        }
    ],
}


def test_a_calendar_is_the_base_layer() -> None:
    """Whom the calendar names is on where no rotation is; a rotation, a holiday, an override win."""
    policy = a_policy(rotations=[], calendar=CALENDAR)
    assert on(policy, MONDAY) == ["carol", "dana"]
    assert on(policy, "2026-01-06T09:00") == []
    shift = on_call_at(policy.schedules["pay"], local(MONDAY))
    assert shift.why == 'calendar, "Carol" until Tue 2026-01-06 09:00 Europe/Berlin'
    assert on(a_policy(calendar=CALENDAR), MONDAY) == ["alice"]
    replaced = {"from": MONDAY, "to": "2026-01-05T13:00", "person": "bob"}
    assert on(a_policy(rotations=[], calendar=CALENDAR, overrides=[replaced]), MONDAY) == ["bob"]
    one = {**replaced, "instead_of": "dana"}
    found = on(a_policy(rotations=[], calendar=CALENDAR, overrides=[one]), MONDAY)
    assert found == ["carol", "bob"]


def test_an_old_copy_of_a_calendar_says_so() -> None:
    """Where the feed is down the last good copy counts, and the reason tells of when it is."""
    fault = "copy of 2026-01-01 00:00 UTC, not read since: it answered 500"
    policy = a_policy(rotations=[], calendar=CALENDAR | {"fault": fault})
    shift = on_call_at(policy.schedules["pay"], local(MONDAY))
    assert shift.person == "carol"
    assert shift.why.endswith(f"({fault})")
    found = find_all(policy, local(MONDAY), local("2026-01-05T13:00"))
    assert [(one.kind, one.detail) for one in found] == [(Kind.CALENDAR, fault)]


def test_next_and_all_of_a_schedule() -> None:
    """`next:` is who comes after the current shift and is somebody else; `all:` is everybody present."""
    policy = a_policy({"bob": [{"from": "2026-01-05", "to": "2026-01-06"}]})
    at = local(MONDAY)
    [entry] = resolve_target(policy, "next:pay", at)[0]
    assert (entry.person, entry.schedule) == ("bob", "pay")
    assert entry.why.startswith("on next for schedule pay: rotation 1, turn of bob")
    people, reasons = resolve_target(policy, "all:pay", at)
    assert ([one.person for one in people], reasons) == (["alice"], ["bob is absent"])
    alone = a_policy(rotations=[{**WEEKLY, "people": ["alice"]}])
    assert next_on(alone.schedules["pay"], at) is None
    assert resolve_target(alone, "next:pay", at) == (
        [],
        ["nobody else is on next for schedule pay"],
    )
    assert resolve_target(policy, "all:gone", at)[1] == ["schedule gone is no longer in the policy"]


def test_everything_wrong_is_found_ahead_of_time() -> None:
    """A rotation that ends, nobody reachable, an empty step, two schedules at once, a calendar's end."""
    week = {**WEEKLY, "ends": "2026-01-19"}
    whole = a_policy(rotations=[week], calendar=CALENDAR)
    other = whole.schedules["pay"].model_copy(update={"calendar": None})
    data = whole.model_dump(by_alias=True, mode="json")
    data["schedules"]["web"] = other.model_dump(by_alias=True, mode="json")
    data["people"]["bob"]["contacts"][0]["verified"] = False
    data["escalation_policies"] = {
        "pay": {
            "steps": [
                {"page": ["schedule:pay"]},
                {"page": ["person:bob"]},
                {"page": ["next:web"]},
                {"page": []},
            ]
        }
    }
    policy = Policy.model_validate(data)
    found = find_all(policy, local("2026-01-05T09:00"), local("2026-01-26T09:00"))
    assert [(one.kind.value, one.schedule or one.person or one.where) for one in found] == [
        ("gap", "pay"),
        ("calendar", "pay"),
        ("gap", "web"),
        ("no_usable_contact", "pay"),
        ("double_booking", "alice"),
        ("double_booking", "bob"),
        ("empty_step", "escalation_policies.pay.steps.1"),
        ("empty_step", "escalation_policies.pay.steps.3"),
    ]
    gap = found[0]
    assert (gap.start, gap.end) == (local("2026-01-19T09:00"), local("2026-01-26T09:00"))
    assert found[4].detail == "is on call for pay and web at once"


def test_all_is_well() -> None:
    """A schedule with somebody who can be reached all the time has no finding."""
    start = local("2026-01-05T09:00")
    assert find_all(a_policy(), start, start + timedelta(days=365)) == []


def test_an_absence_by_dates_includes_its_last_day() -> None:
    """`to: 2026-01-08` is until the end of that day; a time is until that time."""
    policy = a_policy({"alice": [{"from": "2026-01-07", "to": "2026-01-07"}]})
    [one] = policy.people["alice"].absences
    assert (one.start, one.end) == (datetime(2026, 1, 7), datetime(2026, 1, 8))  # noqa: DTZ001
    again = Policy.model_validate_json(policy.model_dump_json(by_alias=True))
    assert again == policy

"""Planned work: what alerts raise in a window pages nobody before its end; what people want pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain import facts as f
from domain.errors import CommandError, TransitionError, UnknownNameError
from domain.facts.maintenance import windows_from
from domain.maintaining import ADD, LONGEST, REMOVE, MadeWindows, parse_maintenance
from domain.maintenance import Window, covering, not_over, window_at, windows_of
from domain.raising import Origin
from tests.domain.story import Story
from tests.factories import HOUR, T0, a_policy, a_policy_slice, an_alert, cleared, minutes


def a_window(start: float = -30, end: float = 60, **fields: Any) -> Window:
    """From half an hour ago to an hour from now; in minutes from T0."""
    whole = {"id": "m1", "reason": "new database", "start": T0 + minutes(start)}
    return Window.model_validate(whole | {"end": T0 + minutes(end)} | fields)


def alerted(*windows: Window, **how: Any) -> Story:
    """An incident that an alert raised at T0."""
    origin = Origin(alerts=[an_alert()], received_at=T0)
    return Story(origin=origin, windows=windows, **how)


# Whom it holds, and until when.


def test_an_alert_in_a_window_is_recorded_and_pages_at_its_end() -> None:
    """On the timeline with reason and end, nobody is paged; at the end the first step is, on time."""
    story = alerted(a_window())
    (held,) = story.of(f.InMaintenance)
    assert (held.window, held.reason, held.until) == ("m1", "new database", T0 + HOUR)
    assert "nobody is paged" in held.sentence()
    story.wait(minutes(59.9))
    assert story.pages == []
    story.wait(minutes(0.2))
    assert [(at, who) for at, who, _ in story.pages] == [(T0 + HOUR, "alice")]
    (ended,) = story.of(f.MaintenanceEnded)
    assert not ended.early
    assert not story.of(f.StepPaged)[0].late
    assert len(story.of(f.InMaintenance)) == 1


def test_what_clears_in_a_window_and_resolves_pages_nobody() -> None:
    """The policy resolves on clearing: nothing is left to page for when the window ends."""
    story = alerted(a_window(), policy=a_policy_slice(on_clear="resolve"))
    story.alert(cleared())
    story.wait(2 * HOUR)
    assert story.pages == []
    assert not story.incident.is_open


def test_an_acknowledgement_in_a_window_ends_the_wait() -> None:
    """Somebody saw it in the list and took it: the end of the window pages nobody."""
    story = alerted(a_window())
    story.do("acknowledge", "bob")
    story.wait(2 * HOUR)
    assert story.pages == []
    assert story.incident.incident_manager == "bob"


def test_windows_that_follow_each_other_hold_until_the_last_end() -> None:
    """At the end of one another lasts: the page waits on, and says so."""
    story = alerted(a_window(end=30), a_window(30, 50, id="m2", reason="and the cache"))
    story.wait(minutes(49))
    assert story.pages == []
    assert [fact.window for fact in story.of(f.InMaintenance)] == ["m1", "m2"]
    story.wait(minutes(2))
    assert story.paged() == ["alice"]


def test_a_page_already_climbing_goes_on() -> None:
    """The window begins after the first page: the second step is paged when it is due."""
    story = alerted(a_window(2, 120))
    story.wait(minutes(6))
    assert story.paged() == ["alice", "alice", "bob"]
    assert not story.of(f.InMaintenance)


def test_a_page_that_was_due_before_the_window_is_owed_though_late() -> None:
    """Tocsin slept through the beginning of the window: what was due before it goes out at once."""
    story = alerted(a_window(6, 120), policy=a_policy_slice(escalation=first_after(5)))
    story.outage(minutes(8))
    assert story.paged() == ["alice"]


def first_after(wait: float) -> Any:
    """The plan of the slice with a wait before its first step."""
    plan = a_policy_slice().escalation
    steps = [plan.steps[0].model_copy(update={"after": minutes(wait)}), *plan.steps[1:]]
    return plan.model_copy(update={"steps": steps})


def test_a_first_step_with_a_wait_is_held_by_a_window_that_begins_meanwhile() -> None:
    """Nobody was paged yet when the work began."""
    story = alerted(a_window(2, 60), policy=a_policy_slice(escalation=first_after(5)))
    story.wait(minutes(30))
    assert story.pages == []
    story.wait(minutes(31))
    assert story.paged() == ["alice"]


# What the desk tells.


def test_a_window_ended_early_lets_the_page_go() -> None:
    """The desk says that there is none any more: the page goes out now, and the timeline says why."""
    story = alerted(a_window())
    story.wait(minutes(10))
    story.record(f.WindowsTold(windows=[]))
    story.settle_down()
    assert [(at, who) for at, who, _ in story.pages] == [(T0 + minutes(10), "alice")]
    assert story.of(f.MaintenanceEnded)[0].early


def test_a_window_made_longer_holds_longer() -> None:
    """Another end in the desk's word counts, and a word that changes nothing says nothing."""
    story = alerted(a_window())
    story.record(f.WindowsTold(windows=[a_window()]))
    story.settle_down()
    assert len(story.of(f.InMaintenance)) == 1
    story.record(f.WindowsTold(windows=[a_window(end=90)]))
    story.wait(minutes(80))
    assert story.pages == []
    assert story.of(f.InMaintenance)[-1].until == T0 + minutes(90)


def test_a_window_that_begins_after_the_page_changes_nothing() -> None:
    """Told in the middle of the climb: the next step is paged all the same."""
    story = alerted()
    story.record(f.WindowsTold(windows=[a_window()]))
    story.wait(minutes(6))
    assert story.paged() == ["alice", "alice", "bob"]


def test_a_word_without_the_policys_windows_keeps_them() -> None:
    """The policy could not be read: those of the policy stay as they were known."""
    known = [a_window(id="db", source="policy"), a_window(id="m1")]
    said = windows_from(
        {"made": [a_window(id="m2").model_dump(mode="json")], "policy": None}, known
    )
    assert [window.id for window in said] == ["db", "m2"]
    assert windows_from({"made": [], "policy": []}, known) == []
    for nonsense in ("text", {"made": [{"id": 7}]}):
        with pytest.raises((TypeError, ValueError)):
            windows_from(nonsense, known)


# What people want.


def test_who_declares_in_a_window_means_it() -> None:
    """A person raised it: the page goes out at once, and the timeline tells of the maintenance."""
    story = Story(windows=[a_window()])
    assert story.paged() == ["alice"]
    (told,) = story.of(f.InMaintenance)
    assert told.run is None
    assert "paged all the same" in told.sentence()
    assert story.refusal("escalate", to="person:dana", reason="r") is None


def test_escalating_in_a_window_is_refused_until_somebody_takes_it() -> None:
    """409 with the reason and what to do; once acknowledged it is in a person's hands."""
    story = alerted(a_window())
    with pytest.raises(TransitionError) as refused:
        story.do("escalate", to="person:dana", reason="r")
    said = str(refused.value)
    assert "in maintenance until 2026-03-02 11:00 UTC (new database)" in said
    assert "acknowledge" in refused.value.allowed
    assert "escalate" not in refused.value.allowed
    assert story.pages == []
    story.do("acknowledge", "bob")
    story.do("escalate", "bob", to="person:dana", reason="r")
    assert story.paged() == ["dana"]


def test_a_person_who_makes_it_major_pages() -> None:
    """Judged worse by a person in a window: that is a wish to page; by an alert it is none."""
    story = alerted(a_window(), policy=a_policy_slice(default_severity="SEV3"))
    story.alert(an_alert(key="disk", severity="SEV1"))
    assert story.pages == []
    minor = Origin(alerts=[an_alert(severity="SEV3")], received_at=T0)
    for actor, paged in (("dana", ["alice"]), ("tocsin", [])):
        story = Story(origin=minor, windows=[a_window()])
        change = f.SeverityChanged(old="SEV3", new="SEV1", reason="r", pages=True)
        story.record(change, actor=actor)
        story.settle_down()
        assert story.paged() == paged


def test_an_alert_that_makes_a_climbing_page_worse_does_not_stop_it() -> None:
    """The page of a minor incident climbed when the work began: the worse one pages, in the window."""
    minor = Origin(alerts=[an_alert(severity="SEV3")], received_at=T0)
    story = Story(origin=minor, windows=[a_window(1, 120)])
    before = len(story.pages)
    assert before == 1
    story.wait(minutes(2))
    story.alert(an_alert(key="disk", severity="SEV1"))
    assert len(story.pages) == before + 1


def test_another_policy_does_not_let_a_held_page_go() -> None:
    """`apply_policy` on an incident in maintenance: the new policy's page waits as well."""
    story = alerted(a_window())
    story.record(f.PolicyApplied(old="1", new="2", pinned=a_policy_slice()), actor="bob")
    story.settle_down()
    assert story.pages == []
    story.wait(minutes(61))
    assert story.paged() == ["alice"]


# Windows of the policy.


def test_windows_are_wall_time_of_their_zone() -> None:
    """Of the organisation's zone unless they name one; `all` is every service."""
    windows = {
        "db": {"services": ["checkout"], "from": "2026-03-02T10:00", "to": "2026-03-02T12:00",
               "reason": "r"},
        "dc": {"services": "all", "from": "2026-03-02T10:00", "to": "2026-03-02T11:00",
               "timezone": "America/New_York", "reason": "r"},
    }  # fmt: skip
    policy = a_policy(maintenance={"windows": windows})
    found = {window.id: (window.start, window.end) for window in windows_of(policy, "checkout")}
    day = datetime(2026, 3, 2, tzinfo=UTC)
    assert found == {
        "db": (day.replace(hour=9), day.replace(hour=11)),
        "dc": (day.replace(hour=15), day.replace(hour=16)),
    }
    assert [window.id for window in windows_of(policy, "search")] == ["dc"]
    now = window_at(policy, "checkout", day.replace(hour=9))
    assert now is not None
    assert now.id == "db"
    assert window_at(policy, "checkout", day.replace(hour=11)) is None, "the end is outside"
    made = [a_window(id="m1", start=-1, end=600)]
    longest = window_at(policy, "checkout", T0, made)
    assert longest is not None
    assert longest.id == "m1", "of several the one that ends last"
    assert not_over([*windows_of(policy, "search"), *made], day.replace(hour=20)) == []
    assert covering([], T0) is None


# Windows made at run time.


def asked(**fields: Any) -> Any:
    return parse_maintenance(ADD, {"reason": "r", "actor": "bob", **fields})


def test_windows_are_numbered_and_never_twice() -> None:
    """A number that was removed is not given again; those that are over make room."""
    made = MadeWindows()
    first = made.add(asked(minutes=30), T0)
    assert (first.id, first.start, first.end, first.by) == ("m1", T0, T0 + minutes(30), "bob")
    gone = made.remove(parse_maintenance(REMOVE, {"id": "m1"}), T0)
    assert gone == first
    assert made.add(asked(to="2026-03-02T13:00:00+01:00"), T0).id == "m2"
    made.add(asked(minutes=5), T0 + 3 * HOUR)
    assert [window.id for window in made.windows] == ["m3"]
    with pytest.raises(UnknownNameError) as error:
        made.remove(parse_maintenance(REMOVE, {"id": "m4"}), T0 + 3 * HOUR)
    assert error.value.near == ("m3",)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({}, "/to"),
        ({"minutes": 5, "to": "2026-03-02T13:00Z"}, "/to"),
        ({"minutes": 0}, "/minutes"),
        ({"to": "tomorrow"}, "/to"),
        ({"minutes": 5, "resaon": "r"}, "/resaon"),
        ({"minutes": 5, "reason": ""}, "/reason"),
        ({"minutes": 5, "actor": 7}, "/actor"),
        ({"from": "2026-03-02T12:00Z", "to": "2026-03-02T11:00Z"}, "/to"),
        ({"from": "2026-03-02T08:00Z", "to": "2026-03-02T09:00Z"}, "/to"),
        ({"to": (T0 + LONGEST + HOUR).isoformat()}, "/to"),
        ({"from": "2028-03-02T08:00Z", "minutes": 5}, "/to"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(fields: dict[str, Any], where: str) -> None:
    """Each mistake is named at its field, and nothing is kept."""
    made = MadeWindows()
    with pytest.raises(CommandError) as error:
        made.add(asked(**fields), T0)
    assert [problem.where for problem in error.value.problems()] == [where]
    assert made.windows == []


def test_a_desk_holds_a_bounded_number() -> None:
    """A script that runs wild does not fill the desk's state."""
    made = MadeWindows()
    for _ in range(100):
        made.add(asked(minutes=30), T0)
    with pytest.raises(CommandError, match="100 windows"):
        made.add(asked(minutes=30), T0)
    assert made.add(asked(minutes=30), T0 + timedelta(hours=1)).id == "m101"


def test_no_object_is_no_request() -> None:
    """Garbage by hand is refused in words."""
    with pytest.raises(CommandError, match="expected one JSON object"):
        parse_maintenance(ADD, [])

"""The incident as the outside sees it, as it is carried, and as its timeline tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain import facts as f
from domain.aggregate import Result
from domain.incident import TRANSITIONS, Incident, Status
from domain.raising import Origin
from domain.workload import workload
from tests.domain.story import Outside, Story
from tests.factories import DAY, HOUR, T0, a_policy_slice, an_alert, an_incident, cleared, minutes

CONTRACT = {
    "id", "service", "summary", "description", "severity", "priority", "type", "major", "status",
    "rank", "raised_at", "detected_at", "impact_started_at", "acknowledged_at", "confirmed_at",
    "resolved_at", "incident_manager", "roles", "responders", "alert_count", "assessment", "updates",
    "theories", "experiments", "links", "next_update_due", "policy_version", "url",
}  # fmt: skip
"""Fields that clients rely on: never renamed, never removed."""
BEYOND = {
    "detected_by", "reporter", "closed_at", "impact_ended_at", "resolution", "open_questions",
    "communications", "firing_count", "service_name", "version", "proposals",
    "public_status", "held",
}  # fmt: skip
"""Fields that may be relied on as little as any addition."""


def a_long_story(*, is_carried: bool = False) -> Story:
    """Everything that can happen to one incident, on two days."""
    outside = Outside(channels={"alice": ["sms", "email"]}, broken={("alice", "sms"): "retryable"})
    story = Story(
        origin=Origin(alerts=[an_alert(starts_at=T0 - minutes(3)), an_alert(key="disk")]),
        outside=outside, is_carried=is_carried,
    )  # fmt: skip
    story.wait(minutes(6))
    story.alert(an_alert(severity="SEV1", notes=["n"]))
    story.do("acknowledge", "bob", key="k1")
    story.do("assess", "bob", symptoms="errors", affected="some", factors=["security"])
    story.do("assess", "bob", started_at="2026-03-02T09:30:00+01:00", confirmed=True, priority="P2")
    story.do("delegate", "bob", role="communications_manager", to="alice")
    story.do("accept_role", "alice", role="communications_manager")
    story.do("delegate", "bob", role="tech_lead", to="carol")
    story.do("escalate", "bob", to="person:dana", reason="r", key="k2")
    story.do("add_theory", "carol", text="t")
    story.do("add_experiment", "carol", theory="t1", text="t")
    story.wait(HOUR)
    story.do("publish_update", "alice", audience="external", text="t", next_update_minutes=45)
    story.do("hand_over", "bob", role="incident_manager", to="dana", briefing="b")
    story.alert(cleared())
    story.alert(cleared(key="disk"))
    story.do("link", "dana", target="checkout-0")
    story.do("resolve", "dana", summary="s")
    story.wait(HOUR)
    story.do("reopen", "dana", reason="r")
    story.outage(DAY)
    story.do("set_severity", "dana", severity="SEV3", reason="r")
    story.do("resolve", "dana", summary="s")
    return story


@pytest.mark.parametrize("build", [an_incident, lambda: a_long_story().incident])
def test_the_view_has_the_fields_of_the_contract(build: Any) -> None:
    """No field is missing, none is unannounced, and all of it is JSON."""
    view = build().view()
    assert set(view) == CONTRACT | BEYOND
    assert json.loads(json.dumps(view)) == view


def test_the_parts_of_the_view_have_their_fields() -> None:
    """The lists and objects inside have at least the fields that clients rely on."""
    story = a_long_story()
    view = story.incident.view()
    parts = {
        "roles": {"role", "person", "state", "at"},
        "responders": {"person", "joined_at"},
        "updates": {"at", "audience", "text", "status", "actor", "next_update_at"},
        "theories": {"id", "text", "state"},
        "experiments": {"id", "theory", "text", "result"},
        "links": {"target", "kind"},
    }
    for name, fields in parts.items():
        assert view[name], name
        assert all(fields <= set(item) for item in view[name]), name
    assert set(view["next_update_due"]) == {"internal", "external"}
    assert {role["state"] for role in view["roles"]} <= {"offered", "accepted", "declined"}
    assert "reminded" not in json.dumps(view["roles"])


def test_what_is_unknown_is_null() -> None:
    """Nobody has acknowledged, ranked, confirmed or resolved yet."""
    view = an_incident().view()
    for name in ("rank", "acknowledged_at", "confirmed_at", "resolved_at", "incident_manager"):
        assert view[name] is None, name
    assert view["assessment"] == {}
    assert view["next_update_due"] == {"internal": None, "external": None}


def test_the_view_grows_a_version_with_every_fact() -> None:
    """An older projection can be told from a newer one."""
    story = Story()
    before = story.incident.view()["version"]
    story.do("note", "bob", text="t")
    assert story.incident.view()["version"] == before + 1 == story.entries[-1].seq


def test_the_rank_shows_position_and_number() -> None:
    """As the page read it, when it did."""
    incident = an_incident()
    incident.record(
        f.StepPaged(
            run="p1", round=1, step=1, targets=[], text={"subject": "s", "text": "t"},
            rank={"position": 2, "of": 3, "first": "checkout-0", "first_severity": "SEV1"},
        ),
        T0,
    )  # fmt: skip
    assert incident.view()["rank"] == {"position": 2, "of": 3}


# Carried state.


def test_the_state_survives_being_carried_at_every_point_of_a_long_story() -> None:
    """Continue-as-new after every single fact: the story goes exactly as without."""
    plain, carried = a_long_story(), a_long_story(is_carried=True)
    assert [e.model_dump() for e in carried.entries] == [e.model_dump() for e in plain.entries]
    assert carried.incident == plain.incident
    assert carried.pages == plain.pages


def test_carried_state_is_equal_state() -> None:
    """Nothing is lost or changed on the way through JSON."""
    for incident in (an_incident(), a_long_story().incident):
        assert (
            Incident.model_validate(json.loads(json.dumps(incident.model_dump(mode="json"))))
            == incident
        )


def test_no_contact_of_anybody_is_carried() -> None:
    """Histories hold no address and no phone number."""
    assert "@" not in a_long_story().incident.model_dump_json()


# The timeline.


def test_the_timeline_counts_from_one_and_repeats_no_number() -> None:
    """Every fact that is shown has its own number; bookkeeping has none."""
    story = a_long_story()
    assert [e.seq for e in story.entries] == list(range(1, len(story.entries) + 1))
    assert "step_due" not in {e.fact for e in story.entries}
    assert len(story.entries) == story.incident.seq


def test_every_entry_is_json_with_words() -> None:
    """Each has a sentence for people, and data for machines."""
    for entry in a_long_story().entries:
        assert entry.text, entry.fact
        assert json.dumps(entry.data)
        assert entry.actor


def test_the_data_of_a_page_does_not_repeat_its_text() -> None:
    """A page's body stands in the message, not on the timeline each time."""
    story = a_long_story()
    for entry in story.entries:
        if entry.fact == "page_failed":
            assert not {"text", "channels"} & set(entry.data)
        if entry.fact == "step_paged":
            assert entry.data["text"] == "page"


def test_results_are_bounded() -> None:
    """The last 200 answers are kept, the oldest go first."""
    incident = an_incident()
    for number in range(205):
        incident.remember(f"k{number}", Result(seq=number))
    assert len(incident.results) == 200
    assert "k4" not in incident.results
    assert incident.results["k204"].seq == 204


def test_the_transitions_are_those_that_facts_make() -> None:
    """Over is over: closed and cancelled lead nowhere."""
    assert TRANSITIONS[Status.CLOSED] == TRANSITIONS[Status.CANCELLED] == frozenset()
    story, seen = Story(), set()
    before = story.incident.status
    for name, body in [
        ("acknowledge", {"actor": "alice"}), ("resolve", {"summary": "s"}),
        ("reopen", {"reason": "r"}), ("cancel", {"reason": "r"}),
    ]:  # fmt: skip
        story.do(name, **body)
        assert story.incident.status in TRANSITIONS[before]
        before = story.incident.status
        seen.add(before)
    assert seen == {Status.FIXING, Status.RESOLVED, Status.CANCELLED}


def test_the_topic_says_what_and_who_and_where() -> None:
    """Short enough for a room's topic: severity, status, summary, roles, link."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("delegate", "alice", role="tech_lead", to="bob")
    topic = story.incident.topic()
    assert topic.startswith("SEV1 fixing: Checkout is down · Incident manager: alice")
    assert "bob" not in topic
    assert topic.endswith(story.incident.url)


def test_a_severity_that_left_the_policy_counts_as_major() -> None:
    """Nobody sleeps through an incident because a word was deleted."""
    incident = an_incident(policy=a_policy_slice())
    incident.severity = "GONE"
    assert incident.is_major


# Workload.


def test_the_load_of_everybody() -> None:
    """Roles, minutes until now or until the end, and incidents at once."""
    story = Story()
    story.do("acknowledge", "alice")
    story.wait(minutes(10))
    story.do("join", "bob")
    story.wait(minutes(5))
    rows = [(x.person, x.roles, x.minutes_active, x.open_incidents)
            for x in workload(story.incident, story.now, {"bob": 2})]  # fmt: skip
    assert rows == [("alice", ["incident_manager"], 15, 1), ("bob", [], 5, 3)]
    story.do("resolve", "alice", summary="s")
    story.wait(HOUR)
    ended = workload(story.incident, story.now, {})
    assert [(x.minutes_active, x.open_incidents) for x in ended] == [(15, 0), (5, 0)]

"""Roles offered, taken, declined and handed over; joining and leaving."""

from __future__ import annotations

import pytest

from domain import facts as f
from domain.errors import TransitionError
from domain.incident import RoleState
from tests.domain.story import Story
from tests.factories import T0, a_policy, a_policy_slice, minutes

LEAD = {"role": "tech_lead"}
MANAGER = {"role": "incident_manager"}


def fixing() -> Story:
    """An incident that alice manages."""
    story = Story()
    story.do("acknowledge", "alice")
    return story


def test_an_offered_role_is_nobodys_until_it_is_accepted() -> None:
    """Offered, then accepted: the person holds it and is a responder."""
    story = fixing()
    story.do("delegate", "alice", **LEAD, to="bob")
    assert story.incident.holders("tech_lead") == []
    assert not story.incident.is_responder("bob")
    story.do("accept_role", "bob", **LEAD)
    assert story.incident.holders("tech_lead") == ["bob"]
    assert story.incident.is_responder("bob")


def test_a_role_offered_to_oneself_is_taken() -> None:
    """Nobody has to answer their own offer; the duties come all the same."""
    story = fixing()
    facts = story.do("delegate", "bob", **LEAD, to="bob")
    assert [x.name for x in facts] == ["delegated", "role_accepted"]
    assert story.incident.holders("tech_lead") == ["bob"]


def test_offering_what_somebody_holds_is_no_fact() -> None:
    """A holder is not asked again."""
    story = fixing()
    assert story.do("delegate", "bob", **MANAGER, to="alice") == []


@pytest.mark.parametrize("command", ["accept_role", "decline_role"])
def test_only_an_offer_can_be_answered(command: str) -> None:
    """What was not offered is refused as a matter of state, with the way to get it."""
    refused = fixing().refusal(command, "bob", **LEAD)
    assert isinstance(refused, TransitionError)
    assert refused.allowed == ["delegate tech_lead to bob first"]


def test_answers_repeat_without_a_fact() -> None:
    """Accepting or declining twice is answered and changes nothing."""
    story = fixing()
    story.do("delegate", "alice", **LEAD, to="bob")
    story.do("accept_role", "bob", **LEAD)
    assert story.do("accept_role", "bob", **LEAD) == []
    story.do("decline_role", "bob", **LEAD, reason="tired")
    assert story.do("decline_role", "bob", **LEAD) == []
    assert story.incident.holders("tech_lead") == []


def test_the_incident_manager_hears_of_a_declined_role() -> None:
    """A refusal, or a role put down, is somebody's to solve."""
    story = fixing()
    story.do("delegate", "alice", **LEAD, to="bob")
    story.do("decline_role", "bob", **LEAD, reason="on a train")
    assert [to for _, to in story.reminders("role_declined")] == [["person:alice"]]
    assert "on a train" in story.entries[-2].text


def test_who_declined_may_still_accept_and_is_then_last_in_line() -> None:
    """A change of mind is welcome, and takes nobody's place."""
    story = fixing()
    for person in ("bob", "carol"):
        story.do("delegate", "alice", **LEAD, to=person)
        story.do("accept_role", person, **LEAD)
    story.do("decline_role", "bob", **LEAD)
    story.do("accept_role", "bob", **LEAD)
    assert story.incident.holders("tech_lead") == ["carol", "bob"]


def test_the_second_to_accept_is_the_deputy_whoever_was_asked_first() -> None:
    """Bob was asked first and answers last: carol holds the role, bob is her deputy."""
    story = fixing()
    story.do("delegate", "alice", **LEAD, to="bob")
    story.do("delegate", "alice", **LEAD, to="carol")
    story.do("accept_role", "carol", **LEAD)
    story.do("accept_role", "bob", **LEAD)
    assert story.incident.holders("tech_lead") == ["carol", "bob"]


def test_a_role_for_one_passes_on() -> None:
    """Where the policy allows one holder, accepting takes it from the one before."""
    policy = a_policy(roles={"tech_lead": {"many": False}})
    story = Story(policy=a_policy_slice(policy=policy))
    story.do("acknowledge", "alice")
    for person in ("bob", "carol"):
        story.do("delegate", "alice", **LEAD, to=person)
        story.do("accept_role", person, **LEAD)
    assert story.incident.holders("tech_lead") == ["carol"]
    assert [h.person for h in story.incident.roles if h.role == "tech_lead"] == ["carol"]


@pytest.mark.parametrize("command", ["decline_role", "leave"])
def test_an_open_incident_keeps_its_only_incident_manager(command: str) -> None:
    """The last one in the chair hands over before going."""
    story = fixing()
    body = MANAGER if command == "decline_role" else {}
    refused = story.refusal(command, "alice", **body)
    assert isinstance(refused, TransitionError)
    assert "hand over first" in str(refused)
    story.do("resolve", "alice", summary="s")
    assert story.refusal(command, "alice", **body) is None


def test_with_a_deputy_the_incident_manager_may_go() -> None:
    """The deputy is in charge from then on."""
    story = fixing()
    story.do("delegate", "alice", **MANAGER, to="bob")
    story.do("accept_role", "bob", **MANAGER)
    assert story.incident.incident_manager == "alice"
    story.do("leave", "alice")
    assert story.incident.incident_manager == "bob"
    assert not story.incident.is_responder("alice")


def test_a_handover_is_at_once_and_carries_the_briefing() -> None:
    """The two have spoken: no answer is waited for."""
    story = fixing()
    story.wait(minutes(3))
    story.do("hand_over", "alice", **MANAGER, to="bob", briefing="rolling back now")
    assert story.incident.incident_manager == "bob"
    assert story.incident.holding("incident_manager", "alice") is None
    assert story.incident.is_responder("alice")
    assert story.incident.is_responder("bob")
    assert story.incident.roles[0].at == T0 + minutes(3)
    assert "rolling back now" in story.of(f.HandedOver)[0].sentence()


def test_a_deputys_handover_leaves_who_is_in_charge() -> None:
    """The deputy passes the seat of the deputy on, not the chair."""
    story = fixing()
    story.do("delegate", "alice", **LEAD, to="dana")
    for person in ("bob",):
        story.do("delegate", "alice", **MANAGER, to=person)
        story.do("accept_role", person, **MANAGER)
    story.do("hand_over", "bob", **MANAGER, to="carol", briefing="b")
    assert story.incident.holders("incident_manager") == ["alice", "carol"]
    assert [h.state for h in story.incident.roles if h.person == "dana"] == [RoleState.OFFERED]


def test_a_handover_by_somebody_else_takes_it_from_who_is_in_charge() -> None:
    """The operator puts somebody else in the chair."""
    story = fixing()
    story.do("hand_over", **MANAGER, to="bob", briefing="alice is unreachable")
    assert story.of(f.HandedOver)[0].old == "alice"
    assert story.incident.incident_manager == "bob"


def test_a_handover_to_the_deputy_leaves_one() -> None:
    """Nobody holds a role twice."""
    story = fixing()
    story.do("delegate", "alice", **MANAGER, to="bob")
    story.do("accept_role", "bob", **MANAGER)
    story.do("hand_over", "alice", **MANAGER, to="bob", briefing="b")
    assert story.incident.holders("incident_manager") == ["bob"]
    assert len([h for h in story.incident.roles if h.role == "incident_manager"]) == 1


def test_what_nobody_holds_cannot_be_handed_over() -> None:
    """It is offered instead."""
    refused = fixing().refusal("hand_over", "alice", **LEAD, to="bob", briefing="b")
    assert isinstance(refused, TransitionError)
    assert refused.allowed == ["delegate"]


def test_a_handover_to_oneself_is_no_fact() -> None:
    """Nothing passes."""
    assert fixing().do("hand_over", "alice", **MANAGER, to="alice", briefing="b") == []


def test_joining_and_leaving_are_said_once() -> None:
    """Twice is answered and is no second fact; leaving puts every role down."""
    story = fixing()
    assert [x.name for x in story.do("join", "bob")] == ["joined"]
    assert story.do("join", "bob") == []
    story.do("delegate", "bob", **LEAD, to="bob")
    facts = story.do("leave", "bob")
    assert [(x.name, x.roles) for x in facts] == [("left", ["tech_lead"])]
    assert story.incident.holders("tech_lead") == []
    assert story.do("leave", "bob") == []

"""Acknowledging, and calling in others by hand."""

from __future__ import annotations

import pytest

from domain import facts as f
from domain.incident import RoleState, Status
from tests.domain.story import Story
from tests.factories import T0, an_alert, minutes


def test_the_first_acknowledgement_puts_its_person_in_charge_and_ends_every_page() -> None:
    """Whoever takes the page is incident manager, the incident is being fixed, nobody is paged any more."""
    story = Story()
    story.wait(minutes(6))
    story.do("acknowledge", "bob")
    incident = story.incident
    assert incident.status is Status.FIXING
    assert incident.incident_manager == "bob"
    assert incident.acknowledged_at == T0 + minutes(6)
    assert [r.person for r in incident.responders] == ["bob"]
    assert not incident.active_pages()
    assert "paged" not in " ".join(story.names(f.StepPaged)[2:])
    story.wait(minutes(120))
    assert story.paged(minutes(6)) == []
    assert not story.of(f.PolicyExhausted)


def test_somebody_who_was_not_paged_may_take_it() -> None:
    """A volunteer's acknowledgement counts like any other: the page is answered."""
    story = Story()
    story.do("acknowledge", "dana")
    assert story.incident.incident_manager == "dana"
    assert not story.incident.active_pages()


def test_everybody_else_who_was_paged_hears_who_took_it() -> None:
    """The others can go back to sleep: they are told, the acknowledger is not."""
    story = Story()
    story.wait(minutes(16))
    story.do("acknowledge", "alice")
    told = [m for _, m in story.messages if m.purpose == "page_update"]
    assert [m.recipients for m in told] == [["person:bob", "person:carol"]]
    assert told[0].context["taken_by"] == "alice"


def test_nobody_is_told_when_nobody_else_was_paged() -> None:
    """One page, one answer: no message about it."""
    story = Story()
    story.do("acknowledge", "alice")
    assert not [m for _, m in story.messages if m.purpose == "page_update"]


def test_a_later_acknowledgement_adds_a_responder_and_changes_nothing_else() -> None:
    """The second to answer helps; the first stays in charge, and the time of answer stays."""
    story = Story()
    story.do("acknowledge", "alice")
    story.wait(minutes(1))
    story.do("acknowledge", "bob")
    incident = story.incident
    assert incident.incident_manager == "alice"
    assert incident.acknowledged_at == T0
    assert [r.person for r in incident.responders] == ["alice", "bob"]
    assert len(story.of(f.CommsOpened)) == 1


def test_acknowledging_again_is_answered_and_is_no_fact() -> None:
    """Pressing twice does not fill the timeline."""
    story = Story()
    story.do("acknowledge", "alice")
    assert story.do("acknowledge", "alice") == []


def test_an_escalation_pages_its_target_and_leaves_the_incident_as_it_is() -> None:
    """An expert is called in: status and incident manager stay, the page runs until somebody answers."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:bob", reason="knows the database")
    assert story.incident.status is Status.FIXING
    assert story.incident.incident_manager == "alice"
    assert story.paged() == ["alice", "bob"]
    run = story.incident.active_pages()[0]
    assert run.reason == "alice: knows the database"
    story.wait(minutes(5))
    assert story.paged() == ["alice", "bob", "bob"]


def test_the_expert_answers_their_own_page_only() -> None:
    """Two experts are called in; one answers, the other is still paged."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:bob", reason="r")
    story.do("escalate", "alice", to="person:carol", reason="r")
    story.do("acknowledge", "bob")
    assert [run.paged for run in story.incident.active_pages()] == [["carol"]]
    assert story.incident.incident_manager == "alice"
    story.wait(minutes(6))
    assert story.paged(minutes(1)) == ["carol"]


def test_whoever_called_for_help_does_not_end_the_call() -> None:
    """The incident manager pressing acknowledge does not stop the expert's page: they still need them."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:bob", reason="r")
    assert story.do("acknowledge", "alice") == []
    assert len(story.incident.active_pages()) == 1


def test_a_new_responder_answers_a_page_that_nobody_has_answered() -> None:
    """Somebody comes in for the one who was called: the page is answered."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:bob", reason="r")
    story.do("acknowledge", "carol")
    assert not story.incident.active_pages()


def test_a_page_for_a_severity_that_became_major_is_anybodys_to_answer() -> None:
    """Who leads already says that they know: the page that came of it ends."""
    story = Story(severity="SEV3")
    story.do("acknowledge", "dana")
    story.do("set_severity", "dana", severity="SEV1", reason="r")
    assert story.incident.active_pages()
    assert story.incident.status is Status.FIXING
    story.do("acknowledge", "dana")
    assert not story.incident.active_pages()
    assert story.incident.incident_manager == "dana"


def test_two_runs_page_and_are_answered_side_by_side() -> None:
    """An escalation while nobody has acknowledged: the first acknowledgement ends both."""
    story = Story()
    story.do("escalate", "dana", to="person:carol", reason="r")
    assert len(story.incident.active_pages()) == 2
    story.do("acknowledge", "carol")
    assert not story.incident.active_pages()
    assert story.incident.status is Status.FIXING


def test_an_unanswered_escalation_climbs_like_any_page() -> None:
    """The target is paged again as the policy repeats, then the catch-all hears of it."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:bob", reason="r")
    story.wait(minutes(60))
    assert story.paged(minutes(1))[:3] == ["bob", "bob", "carol"]
    assert len(story.of(f.PolicyExhausted)) == 1


@pytest.mark.parametrize("status", ["resolve", "cancel"])
def test_what_is_over_is_not_acknowledged(status: str) -> None:
    """Nobody becomes incident manager of what is over."""
    story = Story()
    story.do(status, "dana", **({"summary": "s"} if status == "resolve" else {"reason": "r"}))
    assert story.refusal("acknowledge", "alice") is not None
    assert story.incident.incident_manager is None


def test_the_acknowledger_takes_the_chair_from_whoever_was_offered_it_before() -> None:
    """A role accepted before the acknowledgement makes a deputy, the acknowledger is in charge."""
    story = Story()
    story.do("delegate", "bob", role="incident_manager", to="bob")
    story.do("delegate", "alice", role="incident_manager", to="alice")
    story.do("acknowledge", "alice")
    assert story.incident.holders("incident_manager") == ["alice", "bob"]
    assert [h.person for h in story.incident.roles if h.state is RoleState.ACCEPTED] == [
        "alice",
        "bob",
    ]


def test_what_was_reopened_without_anybody_in_charge_is_paged_and_taken() -> None:
    """Resolved before anybody took it, then not over after all: somebody is paged, and takes charge."""
    story = Story()
    story.do("resolve", "dana", summary="s")
    story.wait(minutes(1))
    story.do("reopen", "dana", reason="r")
    assert story.incident.status is Status.FIXING
    assert story.paged(minutes(1)) == ["alice"]
    story.do("acknowledge", "alice")
    assert story.incident.incident_manager == "alice"
    assert story.incident.acknowledged_at == T0 + minutes(1)
    assert story.incident.communications.opened_at is not None
    assert not story.incident.active_pages()


def test_reopening_with_somebody_in_charge_pages_nobody() -> None:
    """The incident manager is still there: no page."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("resolve", "alice", summary="s")
    story.do("reopen", "alice", reason="r")
    story.wait(minutes(4))
    assert story.paged() == ["alice"]
    assert not story.incident.active_pages()


def test_an_alert_that_raises_a_fixing_incident_to_major_pages_at_once() -> None:
    """The severity of a joined alert counts: it became major, so somebody is paged."""
    story = Story(severity="SEV3")
    story.do("acknowledge", "dana")
    story.wait(minutes(1))
    story.alert(an_alert(severity="SEV1"))
    assert story.incident.severity == "SEV1"
    assert story.paged(minutes(1)) == ["alice"]

"""Audiences: who hears which side, how often, and what waits for a second person."""

from __future__ import annotations

from typing import Any

import pytest

from domain import facts as f
from domain.audiences import groups_told, hearing, interval, owners, pinned_audiences
from domain.errors import CommandError, TransitionError, UnknownNameError
from domain.incident import Incident
from domain.policy.model import Policy
from domain.policy.slice import PolicySlice
from domain.updates import Audience, UpdateStatus
from tests.domain.story import Story
from tests.factories import a_policy, a_policy_slice, minutes

SOCIAL = {
    "hears": "external",
    "severities": ["SEV1"],
    "to": [{"channel": "mastodon", "to": "example"}],
    "approval": True,
}
COMPANY = {"hears": "internal", "to": [{"channel": "slack", "to": "C0ALL"}], "owner": "tech_lead"}


def policy_with(**audiences: Any) -> Policy:
    """The small organisation with more audiences."""
    return a_policy(audiences=audiences)


def story_with(severity: str = "SEV1", **audiences: Any) -> Story:
    """A confirmed incident that alice manages, under such a policy."""
    pinned = a_policy_slice(policy=policy_with(**audiences))
    story = Story(policy=pinned, severity=severity)
    story.do("acknowledge", "alice")
    return story


def outside(incident: Incident) -> list[tuple[str, list[str] | None, bool]]:
    return [
        (one.text, one.audiences, one.on_status_page)
        for one in incident.updates
        if one.audience is Audience.EXTERNAL
    ]


def test_without_a_word_in_the_policy_room_page_and_subscribers_hear() -> None:
    """Nobody has to write down that the status page hears what is said outside."""
    pinned = pinned_audiences(a_policy(), "checkout", "default")
    assert list(hearing(pinned, Audience.INTERNAL, "SEV1")) == ["responders"]
    assert list(hearing(pinned, Audience.EXTERNAL, "SEV3")) == ["customers", "subscribers"]
    assert not any(one.approval for one in pinned.values())


def test_an_audience_hears_its_severities_and_services_only() -> None:
    """Social networks hear of a SEV1 on checkout and of nothing else."""
    policy = policy_with(social=SOCIAL | {"services": ["checkout"]})
    pinned = pinned_audiences(policy, "checkout", "default")
    assert "social" in hearing(pinned, Audience.EXTERNAL, "SEV1")
    assert "social" not in hearing(pinned, Audience.EXTERNAL, "SEV2")
    assert "social" not in pinned_audiences(policy, "search", "default")


def test_a_private_process_speaks_only_to_whom_it_names() -> None:
    """The company does not hear of a security incident; those who work on it do."""
    policy = a_policy(
        audiences={"company": COMPANY, "board": COMPANY},
        processes={"security": {"audiences": ["board"], "external": "never"}},
    )
    inside = hearing(pinned_audiences(policy, "checkout", "security"), Audience.INTERNAL, "SEV1")
    assert list(inside) == ["responders", "board"]


def test_a_process_that_names_only_stakeholders_keeps_its_outside() -> None:
    """Who hears inside says nothing about the status page: that is `external`."""
    policy = a_policy(
        audiences={"company": COMPANY},
        stakeholders={"leadership": {}},
        processes={"light": {"audiences": ["leadership"]}},
    )
    pinned = pinned_audiences(policy, "checkout", "light")
    assert list(hearing(pinned, Audience.INTERNAL, "SEV1")) == ["responders"]
    assert list(hearing(pinned, Audience.EXTERNAL, "SEV1")) == ["customers", "subscribers"]


def test_the_shortest_interval_runs_the_clock_of_a_side() -> None:
    """Leadership wants a word every 15 minutes: the internal clock of a SEV1 runs at 15, not at 20."""
    policy = policy_with(company=COMPANY | {"update_every": {"SEV1": "15m"}})
    pinned = a_policy_slice(policy=policy)
    assert pinned.cadence("SEV1", Audience.INTERNAL) == minutes(15)
    assert pinned.cadence("SEV1", Audience.EXTERNAL) == minutes(20)
    assert pinned.cadence("SEV2", Audience.INTERNAL) == minutes(30)
    level = pinned.level("SEV3")
    assert interval(pinned.audiences, Audience.INTERNAL, "SEV3", level) is None
    assert owners(pinned.audiences, Audience.INTERNAL, "SEV1") == ["tech_lead"]


def test_a_text_for_some_goes_out_and_for_others_waits() -> None:
    """The status page has it at once; the social network only after a second person's word."""
    story = story_with(social=SOCIAL)
    story.do("publish_update", "alice", audience="external", text="We look into it.")
    assert outside(story.incident) == [("We look into it.", ["customers", "subscribers"], True)]
    (waiting,) = story.incident.proposals
    assert (waiting.id, waiting.audiences, waiting.by) == ("u1", ["social"], "alice")
    story.do("approve_update", "bob", update="u1")
    assert outside(story.incident)[1:] == [("We look into it.", ["social"], False)]
    assert story.incident.proposals == []
    assert story.incident.updates[-1].approved_by == "bob"


def test_a_page_that_asks_for_approval_says_nothing_until_then() -> None:
    """The public status stays unknown, the clock goes on, and nothing counts as published."""
    story = story_with(customers={"approval": True}, subscribers={"approval": True})
    story.do("publish_update", "alice", audience="external", text="We look into it.")
    assert outside(story.incident) == []
    assert story.incident.public_status is None
    story.do("approve_update", "bob", update="u1")
    assert outside(story.incident) == [("We look into it.", ["customers", "subscribers"], True)]
    assert story.incident.public_status is UpdateStatus.INVESTIGATING


@pytest.mark.parametrize(
    "changes",
    [
        {"services": {"checkout": {"name": "Checkout", "escalation": "payments", "public": False}}},
        {"channels": {"status_page": False}},
        {"processes": {"default": {"channels": ["room"]}}},
    ],
)
def test_what_the_page_may_not_show_is_not_said_to_stand_on_it(changes: dict[str, Any]) -> None:
    """The card never names a public status that no reader of the page finds."""
    story = Story(policy=a_policy_slice(policy=a_policy(**changes)), severity="SEV1")
    story.do("acknowledge", "alice")
    story.do("publish_update", "alice", audience="external", text="We look into it.")
    assert [on_page for _, _, on_page in outside(story.incident)] == [False]
    assert story.incident.public_status is None


def test_what_was_pinned_before_goes_on_as_it_was() -> None:
    """An incident that runs keeps what it said: its pinned policy knows nothing of the question."""
    pinned = a_policy_slice().model_dump(mode="json", exclude={"on_status_page"})
    assert PolicySlice.model_validate(pinned).on_status_page


def test_nobody_approves_their_own_text() -> None:
    """Two people means two people."""
    story = story_with(social=SOCIAL)
    story.do("publish_update", "alice", audience="external", text="t")
    refusal = story.refusal("approve_update", "alice", update="u1")
    assert isinstance(refusal, TransitionError)
    assert "somebody else" in str(refusal)


def test_what_does_not_wait_cannot_be_approved() -> None:
    """An id that is unknown, approved or withdrawn is named as unknown."""
    story = story_with(social=SOCIAL)
    story.do("publish_update", "alice", audience="external", text="t")
    story.do("withdraw_update", "bob", update="u1", reason="wrong number")
    for update in ("u1", "u2"):
        refusal = story.refusal("approve_update", "bob", update=update)
        assert isinstance(refusal, UnknownNameError)
    assert outside(story.incident)[1:] == []


@pytest.mark.parametrize("end", ["resolve", "cancel"])
def test_the_end_withdraws_what_waits(end: str) -> None:
    """A text that says we look into it does not go out after the all-clear."""
    story = story_with(social=SOCIAL)
    story.do("publish_update", "alice", audience="external", text="t")
    story.do(end, "alice", **({"summary": "s"} if end == "resolve" else {"reason": "r"}))
    assert story.incident.proposals == []
    assert "update_withdrawn" in [entry.fact for entry in story.entries]


def test_the_last_word_goes_to_those_who_heard_the_first() -> None:
    """A network that was told nothing is not told that it is over; one that was is, once somebody agrees."""
    story = story_with(social=SOCIAL)
    story.do("publish_update", "alice", audience="external", text="t")
    story.do("approve_update", "bob", update="u1")
    story.do("resolve", "alice", summary="s")
    (waiting,) = story.incident.proposals
    assert (waiting.audiences, waiting.status) == (["social"], UpdateStatus.RESOLVED)
    assert story.incident.public_status is UpdateStatus.RESOLVED
    story.do("approve_update", "bob", update="u2")
    assert story.incident.updates[-1].audiences == ["social"]


def test_a_cancelled_incident_takes_its_words_back_at_once() -> None:
    """Nobody can approve any more, and the page must not say for ever that we look into it."""
    story = story_with(customers={"approval": True}, subscribers={"approval": True})
    story.do("publish_update", "alice", audience="external", text="t")
    story.do("approve_update", "bob", update="u1")
    story.do("cancel", "alice", reason="false alarm")
    assert story.incident.public_status is UpdateStatus.RESOLVED
    assert story.incident.proposals == []


def test_reopening_asks_for_a_correction() -> None:
    """A text is ready and its owner is told; a person publishes it, and what was said stays as it was."""
    story = story_with()
    story.do("publish_update", "alice", audience="external", text="t")
    story.do("resolve", "alice", summary="s")
    story.do("reopen", "alice", reason="it is back")
    assert story.incident.public_status is UpdateStatus.RESOLVED
    assert story.names(f.UpdateDrafted) == ["update_drafted"]
    assert story.reminders("draft")[-1][1] == ["person:alice"]
    story.do("publish_update", "alice", audience="external", text="It is back.")
    said = [one.status for one in story.incident.updates if one.audience is Audience.EXTERNAL]
    assert said == ["investigating", "resolved", "investigating"]


def test_a_text_too_long_for_a_network_is_refused_before_anybody_has_it() -> None:
    """The field and the network are named, with how long it may be; the status page has nothing of it yet."""
    story = story_with(social=SOCIAL)
    refusal = story.refusal("publish_update", "alice", audience="external", text="x" * 600)
    assert isinstance(refusal, CommandError)
    (problem,) = refusal.problems()
    assert problem.where == "/text"
    assert "Mastodon" in problem.detail
    # Inside nobody posts, and a severity that the network does not hear of has room.
    assert story.refusal("publish_update", "alice", audience="internal", text="x" * 600) is None
    mild = story_with(severity="SEV2", social=SOCIAL)
    assert mild.refusal("publish_update", "alice", audience="external", text="x" * 600) is None


def test_without_anybody_to_hear_it_nothing_is_published_outside() -> None:
    """A text that would reach nobody is refused, not lost."""
    everybody = {"severities": ["SEV1"]}
    story = story_with(severity="SEV3", customers=everybody, subscribers=everybody)
    refusal = story.refusal("publish_update", "alice", audience="external", text="t")
    assert isinstance(refusal, TransitionError)
    assert "no audience" in str(refusal)


def test_five_minutes_without_a_reader_are_told_once() -> None:
    """The second reminder goes to the incident manager too, and there is no third."""
    story = story_with(social=SOCIAL)
    story.do("publish_update", "bob", audience="external", text="t")
    story.wait(minutes(4.9))
    assert "approval_due" not in [entry.fact for entry in story.entries]
    story.wait(minutes(120))
    assert [entry.fact for entry in story.entries].count("approval_due") == 1


def test_a_process_that_names_nobody_speaks_to_nobody() -> None:
    """An empty list is no oversight: neither company, stakeholders nor the public hear, only responders."""
    policy = a_policy(
        audiences={"company": COMPANY}, stakeholders={"leadership": {}},
        processes={"secret": {"audiences": []}},
    )  # fmt: skip
    assert list(pinned_audiences(policy, "checkout", "secret")) == ["responders"]
    view = {"type": "secret", "service": "checkout", "severity": "SEV1"}
    assert list(groups_told(policy, view)) == []


def test_naming_who_hears_outside_takes_nothing_from_the_inside() -> None:
    """Company and stakeholders alike: on a side of which a process names nobody, all hear."""
    policy = a_policy(
        audiences={"company": COMPANY}, stakeholders={"leadership": {}},
        processes={"open": {"audiences": ["customers"]}},
    )  # fmt: skip
    assert list(pinned_audiences(policy, "checkout", "open")) == [
        "responders", "customers", "company",
    ]  # fmt: skip
    view = {"type": "open", "service": "checkout", "severity": "SEV1"}
    assert [name for name, _ in groups_told(policy, view)] == ["leadership"]


def test_nobody_is_reminded_of_an_update_that_nobody_hears() -> None:
    """At a severity of which no audience hears outside nothing is published there, and no clock runs."""
    worst = {"severities": ["SEV1"]}
    story = story_with(severity="SEV2", customers=worst, subscribers=worst)
    story.do("assess", "alice", confirmed=True)
    assert outside(story.incident) == []
    assert set(story.incident.clocks) == {Audience.INTERNAL}
    story.do("set_severity", "alice", severity="SEV1", reason="worse")
    assert Audience.EXTERNAL in story.incident.clocks
    story.do("set_severity", "alice", severity="SEV2", reason="milder")
    assert Audience.EXTERNAL not in story.incident.clocks


def test_who_heard_that_it_began_hears_that_it_is_over() -> None:
    """A page that hears of SEV1 only does not say for ever that we look into what became a SEV2."""
    worst = {"severities": ["SEV1"]}
    story = story_with(customers=worst, subscribers=worst)
    story.do("publish_update", "alice", audience="external", text="t")
    story.do("set_severity", "alice", severity="SEV2", reason="milder")
    story.do("resolve", "alice", summary="s")
    assert story.incident.public_status is UpdateStatus.RESOLVED


def test_a_late_reader_puts_nothing_off() -> None:
    """Customers were told when they hear next: that a network has the text later moves no clock."""
    story = story_with(social=SOCIAL)
    story.do("assess", "alice", confirmed=True)
    story.do("withdraw_update", "bob", update="u1")
    story.do("publish_update", "alice", audience="external", text="t")
    promised = story.incident.clocks[Audience.EXTERNAL]
    story.wait(minutes(7))
    story.do("approve_update", "bob", update="u2")
    assert story.incident.clocks[Audience.EXTERNAL] == promised
    assert story.incident.updates[-1].next_update_at == promised.due_at


def test_the_clock_of_a_text_that_all_waited_for_starts_when_they_have_it() -> None:
    """Nobody had it before: the interval runs from the approval."""
    story = story_with(customers={"approval": True}, subscribers={"approval": True})
    story.do("publish_update", "alice", audience="external", text="t")
    story.do("assess", "alice", confirmed=True)
    story.wait(minutes(3))
    story.do("approve_update", "bob", update="u1")
    assert story.incident.clocks[Audience.EXTERNAL].due_at == story.now + minutes(20)


def test_an_old_text_is_not_approved_after_a_newer_one() -> None:
    """The last that a network hears is the newest: the older text can only be withdrawn."""
    story = story_with(social=SOCIAL)
    story.do("publish_update", "alice", audience="external", text="We look into it.")
    story.wait(minutes(1))
    story.do("publish_update", "alice", audience="external", text="We have found it.")
    story.wait(minutes(1))
    story.do("approve_update", "bob", update="u2")
    refusal = story.refusal("approve_update", "bob", update="u1")
    assert isinstance(refusal, TransitionError)
    assert "something newer" in str(refusal)
    assert story.refusal("withdraw_update", "bob", update="u1") is None


@pytest.mark.parametrize("text", ["\u200b", "\u202e \u2066", "\u0301", "\ufeff\n\u200d"])
def test_a_text_that_nobody_can_see_is_empty(text: str) -> None:
    """Characters without any ink are refused as an empty text is, before anything leaves."""
    refusal = story_with().refusal  # the incident would take any other text
    with pytest.raises(CommandError, match="nothing of it can be seen"):
        raise refusal("publish_update", "alice", audience="external", text=text) or AssertionError

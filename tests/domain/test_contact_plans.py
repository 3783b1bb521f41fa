"""A person's planned contacts in an incident: waits, failures, receipts, several acknowledgements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import facts as f
from domain.incident import Incident, Status
from domain.policy.slice import PlanStep
from tests.domain.story import Outside, Story
from tests.factories import T0, a_plan, a_policy_slice, minutes

SECOND = timedelta(seconds=1)
RULE: list[tuple[str, float | None]] = [("push", 0), ("sms", 120), ("voice", 180)]
"""Push at once, an SMS two minutes later, a call after three more."""


def a_story(plan: Any = None, outside: Outside | None = None, **fields: Any) -> Story:
    """Bob is paged by his rule; dana by mail after twenty minutes."""
    outside = outside or Outside()
    outside.plans.setdefault("bob", RULE)
    steps = plan or a_plan((["person:bob"], 0), (["person:dana"], 20))
    return Story(policy=a_policy_slice(escalation=steps), outside=outside, **fields)


def sent(story: Story, person: str = "bob") -> list[tuple[float, str]]:
    """Minutes after raising and channel of each page that left for a person."""
    return [((at - T0) / minutes(1), c) for at, who, c in story.pages if who == person]


@pytest.mark.parametrize("is_carried", [False, True])
def test_each_contact_goes_out_after_its_wait_and_only_once(is_carried: bool) -> None:
    """Nobody answers: push, SMS two minutes later, the call three after that, and nothing more."""
    story = a_story(is_carried=is_carried)
    story.wait(minutes(19))
    assert sent(story) == [(0, "push"), (2, "sms"), (5, "voice")]
    due = [e.text for e in story.entries if e.fact == "contact_due"]
    assert due == [
        "No answer of bob after 2m: sms is next",
        "No answer of bob after 5m: voice is next",
    ]


def test_an_acknowledgement_stops_the_contacts_that_were_to_come() -> None:
    """Answered after a minute: neither the SMS nor the call goes out."""
    story = a_story()
    story.wait(minutes(1))
    story.do("acknowledge", "dana")
    story.wait(minutes(60))
    assert sent(story) == [(0, "push")]


def test_an_acknowledgement_stops_the_contacts_of_a_page_by_hand_too() -> None:
    """An expert who was called in answers: their later contacts stay silent."""
    story = a_story(a_plan((["person:dana"], 0)))
    story.do("acknowledge", "dana")
    story.do("escalate", "dana", to="person:bob", reason="r")
    story.wait(minutes(1))
    story.do("acknowledge", "bob")
    story.wait(minutes(60))
    assert sent(story) == [(0, "push")]


def test_contacts_planned_together_go_out_together() -> None:
    """No wait between them: both leave, and one that fails is not repeated beside one that arrived."""
    outside = Outside(plans={"bob": [("email", 0), ("push", 0), ("voice", 300)]})
    story = a_story(outside=outside)
    assert sent(story) == [(0, "email"), (0, "push")]
    outside.broken["bob", "email"] = "retryable"
    again = a_story(outside=outside)
    again.wait(minutes(4))
    assert sent(again) == [(0, "push")]
    again.wait(minutes(1))
    assert sent(again) == [(0, "push"), (5, "voice")]


def test_a_failing_contact_brings_the_next_one_at_once() -> None:
    """Push fails: the SMS does not wait for its two minutes, nor for the end of the retries."""
    outside = Outside(broken={("bob", "push"): "retryable"})
    story = a_story(outside=outside)
    assert sent(story) == [(0, "sms")]
    story.wait(minutes(19))
    assert sent(story) == [(0, "sms"), (3, "voice")]


def test_what_failure_brought_forward_waits_its_turn_again_once_the_earlier_one_arrives() -> None:
    """Both fail; push comes back first: bob has his page, and the SMS its two minutes."""
    outside = Outside(broken={("bob", c): "retryable" for c in ("push", "sms", "voice")})
    story = a_story(a_plan((["person:bob"], 0)), outside)
    story.wait(30 * SECOND)
    del outside.broken["bob", "push"]
    story.wait(15 * SECOND)
    outside.broken.clear()
    story.wait(minutes(1))
    assert [channel for _, channel in sent(story)] == ["push"]
    story.wait(minutes(1))
    assert [channel for _, channel in sent(story)] == ["push", "sms"]


def test_a_planned_contact_that_fails_is_retried_though_an_earlier_one_arrived() -> None:
    """The push did not wake bob; the SMS hiccups, and is not given up because of the push."""
    outside = Outside()
    story = a_story(outside=outside)
    outside.broken["bob", "sms"] = outside.broken["bob", "voice"] = "retryable"
    story.wait(minutes(2) + 5 * SECOND)
    outside.broken.clear()
    story.wait(20 * SECOND)
    assert [channel for _, channel in sent(story)][:2] == ["push", "sms"]


def test_a_persons_contacts_go_on_while_the_next_step_is_paged() -> None:
    """Bob's call comes at its time though dana was paged meanwhile; nobody gets anything twice."""
    story = a_story(a_plan((["person:bob"], 0), (["person:dana"], 3)))
    story.wait(minutes(6))
    assert sent(story) == [(0, "push"), (2, "sms"), (5, "voice")]
    assert sent(story, "dana") == [(3, "email")]


def test_paged_again_by_the_next_step_the_plan_begins_anew() -> None:
    """The team's step pages bob too: the rest of his first plan is forgotten, no two come together."""
    story = a_story(a_plan((["person:bob"], 0), (["person:bob"], 3), repeat=0))
    story.wait(minutes(7))
    assert sent(story) == [(0, "push"), (2, "sms"), (3, "push"), (5, "sms")]


def test_after_an_outage_a_person_gets_the_contact_that_is_due_now_and_no_burst() -> None:
    """Down from minute one to ten: the SMS was overtaken, the call goes out, once."""
    story = a_story()
    story.wait(minutes(1))
    facts = story.outage(minutes(9))
    (due,) = [x for x in facts if isinstance(x, f.ContactDue)]
    assert (due.channel, due.overtaken) == ("voice", ["sms"])
    assert [c for at, c in sent(story) if at > 0] == ["voice"]
    assert "overtaken: sms" in due.sentence()


def test_after_an_outage_over_the_next_step_one_message_goes_to_each() -> None:
    """The step that is due now pages bob anew: his overdue contacts do not come beside it."""
    story = a_story(a_plan((["person:bob"], 0), (["person:bob", "person:dana"], 5)))
    story.outage(minutes(6))
    assert [c for at, c in sent(story) if at > 0] == ["push"]
    assert len(sent(story, "dana")) == 1


def test_a_contact_that_is_due_before_anything_left_says_how_long_it_was_waited() -> None:
    """The vendor of the first one hangs, or it has a wait: since the step was paged, not no time at all."""
    story = a_story(outside=Outside(plans={"bob": [("sms", 60)]}))
    story.wait(minutes(2))
    (due,) = [x for x in story.facts if isinstance(x, f.ContactDue)]
    assert due.waited_seconds == 60


def test_a_first_contact_with_a_wait_waits() -> None:
    """Bob is reached a minute later, as he wants; nothing counts as failed meanwhile."""
    story = a_story(outside=Outside(plans={"bob": [("sms", 60)]}))
    assert sent(story) == []
    story.wait(minutes(1))
    assert sent(story) == [(1, "sms")]
    assert story.paged() == ["bob"]


def test_when_every_contact_of_everybody_fails_the_next_step_is_paged_now() -> None:
    """No method of bob's works: dana does not wait for her twenty minutes."""
    outside = Outside(broken={("bob", c): "permanent" for c in ("push", "sms", "voice")})
    story = a_story(outside=outside)
    assert story.paged() == ["dana"]


# Receipts.


def receipts() -> Outside:
    return Outside(awaits={("bob", "push"), ("bob", "sms")})


KEY = "checkout-1/p1/r1/s1/bob/push-0"


def test_without_a_receipt_the_page_is_unconfirmed_and_the_next_contact_goes_out() -> None:
    """Taken by the vendor and never seen again: after a minute the SMS goes, then the call."""
    story = a_story(outside=receipts())
    story.wait(minutes(1))
    assert sent(story) == [(0, "push"), (1, "sms")]
    (fact,) = story.of(f.PageUnconfirmed)
    assert "not confirmed within 1m" in fact.sentence()
    story.wait(minutes(1))
    assert sent(story) == [(0, "push"), (1, "sms"), (2, "voice")]
    story.wait(minutes(10))
    assert len(sent(story)) == 3


def test_a_receipt_in_time_leaves_the_plan_as_it_is() -> None:
    """It has arrived: the SMS keeps its two minutes, and the timeline says how long it took."""
    story = a_story(outside=receipts())
    story.wait(10 * SECOND)
    (fact,) = story.receipt(KEY)
    assert (fact.name, fact.took_seconds) == ("page_delivered", 10)
    story.wait(minutes(2))
    assert sent(story) == [(0, "push"), (2, "sms")]


def test_a_receipt_that_says_no_is_a_failed_page() -> None:
    """The vendor could not deliver: the next contact at once, and no retry of this one."""
    story = a_story(outside=receipts())
    (fact,) = story.receipt(KEY, "failed", "unreachable handset")
    assert (fact.name, fact.will_retry, fact.detail) == (
        "page_failed",
        False,
        "unreachable handset",
    )
    assert sent(story) == [(0, "push"), (0, "sms")]
    assert story.receipt(KEY, "failed") == []


@pytest.mark.parametrize("state", ["delivered", "failed"])
def test_a_receipt_knows_which_message_held_the_page(state: str) -> None:
    """A page that left with others keeps the bundle's id, so that a reply still means all of them."""
    story = a_story(outside=receipts())
    left = next(fact for fact in story.of(f.PageSent) if fact.deliveries[0].key == KEY)
    of_bundle = left.deliveries[0].model_copy(update={"bundle": "bob/20261124T140000-1"})
    story.record(left.model_copy(update={"deliveries": [of_bundle]}))
    (fact,) = story.receipt(KEY, state)
    assert [one.bundle for one in fact.deliveries] == ["bob/20261124T140000-1"]  # type: ignore[attr-defined]


def test_receipts_that_say_no_for_everything_bring_the_next_step() -> None:
    """All that left has not arrived: bob is unreachable, and dana is paged now."""
    outside = Outside(plans={"bob": [("push", 0)]}, awaits={("bob", "push")})
    story = a_story(outside=outside)
    story.receipt(KEY, "failed")
    assert story.paged() == ["bob", "dana"]


@pytest.mark.parametrize(("key", "state"), [("nonsense", "delivered"), (KEY, "queued")])
def test_a_receipt_of_nothing_is_no_news(key: str, state: str) -> None:
    """An unknown key, or a state on the way: nothing happens, and nothing is a fault."""
    story = a_story(outside=receipts())
    assert story.receipt(key, state) == []


def test_a_late_receipt_is_told_all_the_same() -> None:
    """After the next contact has gone out, and even after the acknowledgement."""
    story = a_story(outside=receipts())
    story.wait(minutes(1))
    story.do("acknowledge", "bob")
    assert [x.name for x in story.receipt(KEY)] == ["page_delivered"]
    assert [x.name for x in story.receipt("checkout-1/p1/r1/s1/bob/sms-1", "failed")] == [
        "page_failed"
    ]
    story.wait(minutes(60))
    assert len(sent(story)) == 2


def test_after_the_acknowledgement_no_receipt_is_missed() -> None:
    """Somebody has it: silence of the vendor brings nothing more."""
    story = a_story(outside=receipts())
    story.do("acknowledge", "bob")
    story.wait(minutes(5))
    assert not story.of(f.PageUnconfirmed)


# Several acknowledgements.


def two_needed(**fields: Any) -> Story:
    """Step one pages bob, dana and carol and needs two of them; step two pages alice after ten."""
    steps = [
        PlanStep(
            targets=["person:bob", "person:dana", "person:carol"], after=timedelta(0),
            acknowledgements=2,
        ),
        PlanStep(targets=["team:payments"], after=minutes(10)),
    ]  # fmt: skip
    plan = a_plan().model_copy(update={"steps": steps})
    outside = Outside(plans={p: [("push", 0), ("sms", 120)] for p in ("bob", "dana", "carol")})
    return a_story(plan, outside, **fields)


@pytest.mark.parametrize("is_carried", [False, True])
def test_the_first_of_two_goes_quiet_and_the_others_are_still_paged(is_carried: bool) -> None:
    """Bob answers: no SMS for him; dana and carol get theirs, until one of them answers."""
    story = two_needed(is_carried=is_carried)
    story.do("acknowledge", "bob")
    assert (story.incident.status, story.incident.incident_manager) == (Status.FIXING, "bob")
    story.wait(minutes(3))
    assert [c for _, c in sent(story)] == ["push"]
    assert [c for _, c in sent(story, "dana")] == ["push", "sms"]
    story.do("acknowledge", "dana")
    assert not story.incident.active_pages()
    story.wait(minutes(60))
    assert [c for _, c in sent(story, "carol")] == ["push", "sms"]
    assert [x.person for x in story.of(f.Acknowledged)] == ["bob", "dana"]
    assert story.incident.incident_manager == "bob"


def test_a_step_that_lacks_an_acknowledgement_climbs_on_without_those_who_gave_one() -> None:
    """Only bob answers: step two pages the team after its wait, but not bob again."""
    story = two_needed()
    story.do("acknowledge", "bob")
    story.wait(minutes(10))
    assert len(sent(story)) == 1
    assert len(sent(story, "alice")) == 1
    assert "bob has acknowledged" in story.of(f.StepPaged)[-1].skipped
    story.do("acknowledge", "alice")
    assert not story.incident.active_pages()


def test_the_same_person_twice_is_one_acknowledgement() -> None:
    """Pressing again does not stand for somebody else."""
    story = two_needed()
    story.do("acknowledge", "bob")
    assert story.do("acknowledge", "bob") == []
    assert story.incident.active_pages()


# State of before.


def test_a_state_of_before_the_plans_loads_and_goes_on() -> None:
    """A page that left under the old release is neither sent again nor forgotten."""
    story = Story(outside=Outside(channels={"alice": ["sms", "email"]}))
    state = story.incident.model_dump(mode="json")
    for name in ("reached", "awaited", "early_receipts", "refused_channels", "acknowledged_by",
                 "last_sign_at", "sign_asked_at"):  # fmt: skip
        state.pop(name)
    for run in state["pages"]:
        for name in ("earlier", "text", "text_at", "late", "asked_at", "needed", "acknowledged_by",
                     "first_sent", "failing_since", "is_failing"):  # fmt: skip
            run.pop(name)
        for person in run["current"]:
            for name in ("plan", "failing", "arrived", "next_at", "is_quiet"):
                person.pop(name)
    story.incident = Incident.model_validate(state)
    story.wait(minutes(4))
    assert story.paged() == ["alice"]
    story.wait(minutes(1))
    assert story.paged() == ["alice", "alice", "bob"]
    story.do("acknowledge", "alice")
    assert not story.incident.active_pages()

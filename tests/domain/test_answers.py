"""Acknowledged how, and by which page; gone silent; taken back; and when no page leaves at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import facts as f
from domain.errors import CommandError, UnknownNameError
from domain.incident import Status
from domain.policy.model import Limits, PageWhen, SignOfLife
from domain.policy.slice import PlanStep, plan_for
from tests.domain.story import Outside, Story
from tests.factories import DAY, HOUR, a_plan, a_policy, a_policy_slice, minutes

SECOND = timedelta(seconds=1)
PAGE = "checkout-1/p1/r1/s1/alice/email-0"


# How it was acknowledged.


def test_an_acknowledgement_says_who_how_and_how_long_it_took() -> None:
    """From the person's own page on: alice got hers at once, bob his after five minutes."""
    story = Story()
    story.wait(minutes(7))
    (fact,) = story.do("acknowledge", "bob", via="keypress")
    assert (fact.via, fact.took_seconds, fact.after_seconds) == ("keypress", 120, 420)
    assert fact.sentence() == "bob acknowledged after 2m by keypress, now incident manager"


def test_who_was_not_paged_is_timed_from_the_beginning() -> None:
    """Dana saw it on the board: since the incident was raised."""
    story = Story()
    story.wait(minutes(3))
    (fact,) = story.do("acknowledge", "dana", via="web")
    assert (fact.took_seconds, fact.page) == (180, None)


def test_the_page_that_was_answered_is_on_the_timeline() -> None:
    """A link or a keypress names its page."""
    story = Story()
    story.wait(minutes(1))
    (fact,) = story.do("acknowledge", "alice", via="link", page=PAGE)
    assert (fact.page, fact.took_seconds) == (PAGE, 60)
    assert story.entries[-1].fact != "command_refused"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("search-2/p1/r1/s1/alice/email-0", "belongs to 'search-2', not to checkout-1"),
        ("checkout-1/p1/r1/s1/bob/email-0", "went to 'bob', so alice cannot answer it"),
        ("checkout-1/x", "no page has this key"),
        ("", "belongs to ''"),
    ],
)
def test_a_page_that_is_not_theirs_is_refused_clearly(page: str, said: str) -> None:
    """Another incident's, another person's, or none at all: nothing happens, and it is said why."""
    story = Story()
    refused = story.refusal("acknowledge", "alice", page=page)
    assert isinstance(refused, CommandError)
    assert said in str(refused)
    assert refused.problems()[0].where == "/page"


def test_an_unknown_way_of_acknowledging_is_refused() -> None:
    """Naming what there is."""
    refused = Story().refusal("acknowledge", "alice", via="telepathy")
    assert refused is not None
    assert "keypress" in str(refused)


def test_somebody_who_is_not_in_the_policy_cannot_acknowledge() -> None:
    """They left, or were mistyped: refused with the nearest names."""
    refused = Story().refusal("acknowledge", "alicia")
    assert isinstance(refused, UnknownNameError)
    assert "alice" in str(refused)


# Escalating takes an acknowledgement back, where policy says so.


def unacknowledging(**fields: Any) -> Story:
    plan = a_plan((["person:alice"], 0), (["person:bob"], 5), (["person:carol"], 10))
    plan = plan.model_copy(update={"escalating_unacknowledges": True})
    return Story(policy=a_policy_slice(escalation=plan, **fields))


def test_by_default_a_manual_escalation_leaves_the_acknowledgement() -> None:
    """The target is paged, and nobody else."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:dana", reason="r")
    story.wait(minutes(4))
    assert story.incident.status is Status.FIXING
    assert story.paged() == ["alice", "dana"]


def test_where_policy_says_so_an_escalation_takes_it_back_and_pages_the_next_step() -> None:
    """Raised again; the target and the step that was next are paged; the next to answer leads."""
    story = unacknowledging()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:dana", reason="help")
    assert (story.incident.status, story.incident.acknowledged_at) == (Status.RAISED, None)
    assert sorted(story.paged()) == ["alice", "bob", "dana"]
    (fact,) = story.of(f.Unacknowledged)
    assert (fact.person, fact.reason) == ("alice", "alice escalated to person:dana")
    story.wait(minutes(1))
    (taken,) = story.do("acknowledge", "bob")
    assert (taken.first, taken.again) == (True, True)
    assert story.incident.incident_manager == "bob"
    assert not story.incident.active_pages()
    assert len(story.of(f.CommsOpened)) == 1


def test_escalating_what_nobody_has_acknowledged_takes_nothing_back() -> None:
    """There is nothing to take back: the climb goes on as it is."""
    story = unacknowledging()
    story.do("escalate", "dana", to="person:dana", reason="r")
    assert not story.of(f.Unacknowledged)
    assert len(story.incident.active_pages()) == 2


def test_the_policy_file_reaches_the_plan() -> None:
    """`escalating_unacknowledges` and `acknowledgements` are pinned with the rest."""
    policies = {
        "payments": {
            "escalating_unacknowledges": True,
            "steps": [{"page": ["team:payments"], "acknowledgements": 2}],
        }
    }
    plan = plan_for(a_policy(escalation_policies=policies), "checkout")
    assert plan.escalating_unacknowledges
    assert plan.steps == [
        PlanStep(targets=["team:payments"], after=timedelta(0), acknowledgements=2)
    ]


# Signs of life.


def watched(**sign: timedelta) -> Story:
    """Alice has taken it; after half an hour of silence she is asked, ten minutes later paged on."""
    asked = {"remind_after": minutes(30), "unacknowledge_after": minutes(10)} | sign
    limits = Limits(sign_of_life=SignOfLife(**asked), confirm_within=DAY, shift=timedelta(0))
    plan = a_plan((["person:alice"], 0), (["person:bob"], 5))
    story = Story(policy=a_policy_slice(limits=limits, escalation=plan))
    story.do("acknowledge", "alice")
    return story


def test_by_default_nobody_is_asked_for_a_sign_of_life() -> None:
    """Off, as an acknowledgement is a promise between people."""
    story = Story()
    story.do("acknowledge", "alice")
    story.wait(DAY)
    assert not story.of(f.SignOfLifeAsked)
    assert story.incident.status is Status.FIXING


def test_acknowledged_and_silent_is_asked_and_then_paged_on() -> None:
    """A reminder to alice, no answer, and the page goes to the step that was next."""
    story = watched()
    story.wait(minutes(39))
    assert story.reminders("sign_of_life") == [(minutes(30), ["person:alice"])]
    assert story.paged() == ["alice"]
    story.wait(minutes(1))
    assert story.incident.status is Status.RAISED
    assert story.paged() == ["alice", "bob"]
    story.do("acknowledge", "bob")
    assert story.incident.incident_manager == "bob"
    assert story.incident.acknowledged_by == "bob"


def test_acknowledging_again_is_an_answer() -> None:
    """Alice says that she is on it: nothing is taken back, and she is asked again after a while."""
    story = watched()
    story.wait(minutes(35))
    (fact,) = story.do("acknowledge", "alice")
    assert fact.sentence() == "alice is still on it"
    story.wait(minutes(29))
    assert story.incident.status is Status.FIXING
    story.wait(minutes(1))
    assert len(story.of(f.SignOfLifeAsked)) == 2


@pytest.mark.parametrize("when", [10, 35])
def test_an_incident_whose_work_goes_on_is_left_alone(when: int) -> None:
    """Any command of any responder counts, before the question and after it."""
    story = watched()
    story.do("join", "bob")
    story.wait(minutes(when))
    story.do("note", "bob", text="restarting")
    story.wait(minutes(29))
    assert story.incident.status is Status.FIXING
    assert len(story.of(f.SignOfLifeAsked)) == (when > 30)
    assert story.paged() == ["alice"]


def test_what_others_do_is_no_sign_of_life_of_the_responders() -> None:
    """Dana only comments; an alert is folded: alice is asked all the same."""
    story = watched()
    story.wait(minutes(20))
    story.do("note", "dana", text="any news?")
    story.wait(minutes(10))
    assert len(story.of(f.SignOfLifeAsked)) == 1


def test_asked_without_a_limit_for_the_answer_takes_nothing_back() -> None:
    """`unacknowledge_after` left out: one question, and no more."""
    limits = Limits(sign_of_life=SignOfLife(remind_after=minutes(30)))
    story = Story(policy=a_policy_slice(limits=limits))
    story.do("acknowledge", "alice")
    story.wait(5 * HOUR)
    assert len(story.of(f.SignOfLifeAsked)) == 1
    assert story.incident.status is Status.FIXING


@pytest.mark.parametrize(("days", "asked"), [(29, 1), (31, 0)])
def test_too_old_an_incident_is_left_alone(days: int, asked: int) -> None:
    """Nobody is asked about what has been open for more than 30 days when the question is due."""
    story = watched(remind_after=days * DAY)
    story.wait(days * DAY + minutes(5))
    assert len(story.of(f.SignOfLifeAsked)) == asked
    assert story.incident.status is Status.FIXING
    assert story.paged() == ["alice"]


def test_a_resolved_incident_is_asked_nothing() -> None:
    """It is over."""
    story = watched()
    story.do("resolve", "alice", summary="s")
    story.wait(2 * HOUR)
    assert not story.of(f.SignOfLifeAsked)


def test_a_severity_that_never_pages_is_not_taken_back() -> None:
    """Taking it back would mean paging somebody, which policy forbids."""
    levels = a_policy_slice().severities
    never = levels["SEV3"].model_copy(update={"page": PageWhen.NEVER})
    limits = Limits(
        sign_of_life=SignOfLife(remind_after=minutes(30), unacknowledge_after=minutes(5))
    )
    policy = a_policy_slice(severities=levels | {"SEV3": never}, limits=limits)
    story = Story(severity="SEV3", policy=policy)
    story.do("acknowledge", "alice")
    story.wait(2 * HOUR)
    assert story.incident.status is Status.FIXING
    assert story.paged() == []


# When no page leaves.


def all_down() -> Outside:
    people = ("alice", "bob", "carol")
    return Outside(broken={(person, "email"): "retryable" for person in people})


def test_when_no_page_leaves_for_a_minute_the_operator_is_told_once() -> None:
    """PAGING FAILED on the timeline and to the operator, and it is tried without end."""
    outside = all_down()
    story = Story(outside=outside)
    story.wait(59 * SECOND)
    assert not story.of(f.PagingFailed)
    story.wait(minutes(10))
    (fact,) = story.of(f.PagingFailed)
    assert fact.sentence().startswith("PAGING FAILED: no page to ")
    told = [m for _, m in story.messages if m.recipients == ["operator"]]
    assert ["PAGING FAILED" in m.context["what"] for m in told] == [True]
    outside.broken.clear()
    story.wait(20 * SECOND)
    assert sorted(set(story.paged())) == sorted(story.paged())


def test_a_page_that_leaves_ends_the_failure_and_the_next_one_is_told_again() -> None:
    """Said once per outage, not once per incident."""
    outside = all_down()
    story = Story(outside=outside, policy=a_policy_slice(escalation=a_plan((["person:bob"], 0))))
    story.wait(minutes(2))
    outside.broken.clear()
    story.wait(minutes(1))
    outside.broken = all_down().broken
    story.wait(minutes(10))
    assert len(story.of(f.PagingFailed)) == 2


def test_while_somebody_is_reached_paging_has_not_failed() -> None:
    """One of the team got it: that the other cannot be reached is said, but not as an outage."""
    outside = Outside(broken={("alice", "email"): "retryable"})
    plan = a_plan((["team:payments"], 0), repeat=0)
    story = Story(outside=outside, policy=a_policy_slice(escalation=plan))
    story.wait(minutes(4))
    assert not story.of(f.PagingFailed)


def test_an_acknowledgement_ends_the_alarm_before_it_is_given() -> None:
    """Somebody saw it on the board: nobody has to be paged any more."""
    story = Story(outside=all_down())
    story.wait(30 * SECOND)
    story.do("acknowledge", "dana")
    story.wait(minutes(5))
    assert not story.of(f.PagingFailed)


def test_a_vendor_that_does_not_know_us_is_told_to_the_operator_once() -> None:
    """The key was revoked: final for the channel, the next contact at once, one message."""
    outside = Outside(channels={"bob": ["sms", "email"], "dana": ["sms", "email"]})
    outside.broken = {("bob", "sms"): "unauthorised", ("dana", "sms"): "unauthorised"}
    plan = a_plan((["person:bob"], 0), (["person:dana"], 5))
    story = Story(outside=outside, policy=a_policy_slice(escalation=plan))
    story.wait(minutes(6))
    assert [(p, c) for _, p, c in story.pages] == [("bob", "email"), ("dana", "email")]
    failed = story.of(f.PageFailed)
    assert [(x.will_retry, x.tells_operator) for x in failed] == [(False, True), (False, False)]
    told = [m.context["what"] for _, m in story.messages if m.recipients == ["operator"]]
    assert ["channel sms" in what for what in told] == [True]

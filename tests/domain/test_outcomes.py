"""What the answers of the outside world amount to: contacts that fail, messages that do not arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import facts as f
from domain.aggregate import Effect
from domain.messages import Announced, Announcement, Delivery, DeliveryState, Purpose
from domain.outcomes import GIVE_UP_MESSAGE_AFTER, announced, describe, unanswered
from domain.page_outcomes import page_attempted
from tests.domain.story import Outside, Story
from tests.factories import T0, a_plan, a_policy_slice, minutes

CONTACTS = {"bob": ["sms", "email", "voice"], "dana": ["email"]}
PLAN = a_plan((["person:bob"], 0), (["person:dana"], 5))


def a_story(**broken: str) -> Story:
    """Bob is paged first, over sms, then email, then voice; dana after five minutes."""
    failing = {("bob", channel): how for channel, how in broken.items()}
    outside = Outside(channels=CONTACTS, broken=failing)
    return Story(policy=a_policy_slice(escalation=PLAN), outside=outside)


def channels(story: Story) -> list[str]:
    """Over what bob was reached, in order."""
    return [channel for _, person, channel in story.pages if person == "bob"]


def test_one_message_to_the_first_contact_is_enough() -> None:
    """The first usable contact works: no other one is tried, ever."""
    story = a_story()
    story.wait(minutes(4))
    assert channels(story) == ["sms"]
    assert not story.incident.effects


def test_a_contact_that_fails_for_good_makes_way_to_the_next() -> None:
    """Not retried, the next one is tried at once, and the timeline says so."""
    story = a_story(sms="permanent")
    assert channels(story) == ["email"]
    failed = story.of(f.PageFailed)
    assert [(x.channel, x.will_retry, x.next_contact) for x in failed] == [("sms", False, 1)]
    story.wait(minutes(4))
    assert channels(story) == ["email"]


def test_a_contact_that_hiccups_is_retried_while_the_next_is_tried() -> None:
    """Both at once: whichever gets through first is the page, and the other is given up."""
    story = a_story(sms="retryable")
    assert channels(story) == ["email"]
    assert not story.incident.effects, "the failing contact is not retried once the page is out"
    story.outside.broken.clear()
    story.wait(minutes(4))
    assert channels(story) == ["email"]


def test_every_contact_is_tried_and_the_failing_ones_again_and_again() -> None:
    """All three hiccup: each is started once, and retried until one gets through."""
    story = a_story(sms="retryable", email="retryable", voice="retryable")
    assert [x.channel for x in story.of(f.PageFailed)] == ["sms", "email", "voice"]
    assert len(story.incident.effects) == 3
    story.wait(minutes(2))
    story.outside.broken = {("bob", "sms"): "permanent", ("bob", "email"): "retryable"}
    story.wait(timedelta(seconds=15))
    assert channels(story) == ["voice"]
    assert not [e for e in story.incident.effects.values() if e.kind == "send_page"]


def test_retries_are_not_facts_each() -> None:
    """Minutes of failing tries are a line at the first two and at each tenth, not at every one."""
    story = a_story(sms="retryable", email="retryable", voice="retryable")
    story.wait(minutes(4))
    attempts = [x.attempt for x in story.of(f.PageFailed) if x.channel == "sms"]
    assert attempts[:2] == [1, 2]
    assert all(a % 10 == 0 for a in attempts[2:])
    assert len(attempts) <= 4


def test_a_hiccup_of_two_seconds_is_no_dead_end() -> None:
    """The second try gets through: dana keeps her five minutes."""
    story = a_story(sms="retryable", email="permanent", voice="permanent")
    story.outside.broken.clear()
    story.wait(minutes(5) - timedelta(seconds=1))
    assert story.paged() == ["bob"]
    story.wait(timedelta(seconds=1))
    assert story.paged() == ["bob", "dana"]


def test_the_next_step_is_due_once_every_contact_has_failed_though_one_is_still_retried() -> None:
    """It does not wait for the end of the retries: dana is paged at bob's second failed try."""
    story = a_story(sms="retryable", email="permanent", voice="permanent")
    story.wait(timedelta(seconds=1))
    assert story.paged() == []
    story.wait(timedelta(seconds=1))
    assert story.paged() == ["dana"]
    story.outside.broken.clear()
    story.wait(minutes(1))
    assert story.paged() == ["dana", "bob"]  # and bob's own page comes as soon as it can


def test_an_outage_of_every_vendor_uses_no_round_up() -> None:
    """What is only retried brings the next step of the round, and neither a round nor the catch-all."""
    story = a_story(sms="retryable", email="retryable", voice="retryable")
    story.outside.broken["dana", "email"] = "retryable"
    story.wait(minutes(4))
    assert [(x.round, x.step) for x in story.of(f.StepPaged)] == [(1, 1), (1, 2)]
    assert not story.of(f.PolicyExhausted)


def test_an_acknowledgement_ends_the_retries() -> None:
    """What has not left does not leave any more."""
    story = a_story(sms="retryable", email="retryable", voice="retryable")
    story.do("acknowledge", "dana")
    story.outside.broken.clear()
    story.wait(minutes(10))
    assert story.paged() == []


def test_a_retry_waits_longer_and_longer_and_never_long() -> None:
    """2 s at first, at most 15 s: somebody must be reached."""
    story = a_story(sms="retryable", email="permanent", voice="permanent")
    waits, last = [], T0
    for _ in range(12):
        at = next(iter(story.incident.effects.values())).next_try
        assert at is not None
        waits.append((at - last).total_seconds())
        last = at
        story.wait(at - story.now)
    assert waits[:3] == [2, 3, 4.5]
    assert waits[-1] == 15


def attempt(story: Story, contact: int = 0, **delivery: Any) -> Any:
    """One attempt at a page of the current step, with what came of it."""
    key = f"checkout-1/p1/r1/s1/bob/x-{contact}"
    data = {
        "run": "p1", "round": 1, "step": "s1", "person": "bob", "channels": CONTACTS["bob"],
        "contact": contact, "channel": "sms", "text": {"subject": "s", "text": "t"}, "late": False,
    }  # fmt: skip
    effect = Effect(key=key, kind="send_page", input=data)
    story.incident.effects[key] = effect
    whole = {"key": key, "recipient": "person:bob", "channel": "sms", "state": "failed"} | delivery
    return page_attempted(story.incident, effect, Delivery.model_validate(whole), 1, T0)


def test_a_vendor_that_asks_for_patience_gets_some() -> None:
    """Retry-After counts, up to a minute: another contact is in use by then."""
    story = a_story(sms="retryable", email="retryable", voice="retryable")
    soon = attempt(story, retryable=True, retry_after_seconds=30)
    late = attempt(story, retryable=True, retry_after_seconds=3600)
    assert (soon.retry_at, late.retry_at) == (T0 + timedelta(seconds=30), T0 + minutes(1))


def test_an_attempt_without_an_answer_comes_again() -> None:
    """It may have gone out; a duplicate beats a miss for a page."""
    story = a_story(sms="retryable", email="retryable", voice="retryable")
    outcome = attempt(story, state=DeliveryState.UNCERTAIN, retryable=True)
    assert outcome.retry_at is not None
    assert outcome.facts[0].reason == "uncertain"


def test_an_attempt_that_ends_after_its_page_was_dropped_is_only_recorded() -> None:
    """Acknowledged while it was under way: the timeline has it, nothing is tried again."""
    story = a_story(sms="retryable", email="retryable", voice="retryable")
    effect = next(iter(story.incident.effects.values()))
    story.do("acknowledge", "dana")
    delivery = Delivery(
        key=effect.key, recipient="person:bob", channel="sms", state=DeliveryState.FAILED,
        retryable=True,
    )  # fmt: skip
    outcome = page_attempted(story.incident, effect, delivery, 1, T0)
    assert outcome.retry_at is None
    assert [(x.name, x.will_retry, x.next_contact) for x in outcome.facts] == [
        ("page_failed", False, None)
    ]


def test_a_later_step_takes_over_what_an_earlier_one_could_not_deliver() -> None:
    """Paged again by the next step: the old try is forgotten, so that no two arrive together later."""
    outside = Outside(channels={"bob": ["sms", "email"]})
    outside.broken = {("bob", "sms"): "retryable", ("bob", "email"): "retryable"}
    plan = a_plan((["person:bob"], 0), (["person:bob"], 5))
    story = Story(policy=a_policy_slice(escalation=plan), outside=outside)
    old = next(iter(story.incident.effects.values()))
    story.wait(minutes(5))
    assert {e.input["step"] for e in story.incident.effects.values()} == {"s2"}
    delivery = Delivery(
        key=old.key, recipient="person:bob", channel="sms", state=DeliveryState.FAILED,
        retryable=True,
    )  # fmt: skip
    late = page_attempted(story.incident, old, delivery, 1, story.now)
    assert late.retry_at is None
    assert late.facts[0].next_contact is None


def test_a_page_that_left_after_the_end_is_recorded() -> None:
    """It went out, so the timeline says so, whatever happened meanwhile."""
    story = a_story(sms="retryable", email="permanent", voice="permanent")
    story.do("resolve", "dana", summary="s")
    outcome = attempt(story, state=DeliveryState.SENT)
    assert [x.name for x in outcome.facts] == ["page_sent"]
    story.record(*outcome.facts)
    assert not story.incident.active_pages()


# Announcements.


def an_announcement(**fields: Any) -> Announcement:
    whole = {
        "key": "k", "purpose": Purpose.ROLE, "template": "role",
        "recipients": ["person:a", "person:b"], "context": {"title": "Tech lead"},
    }  # fmt: skip
    return Announcement.model_validate(whole | fields)


def an_effect(**fields: Any) -> Effect:
    return Effect(key="k", kind="delegate", input=an_announcement(**fields).model_dump(mode="json"))


def a_delivery(who: str, state: str = "sent", *, retryable: bool = False) -> Delivery:
    return Delivery.model_validate(
        {"key": f"k/{who}", "recipient": f"person:{who}", "channel": "email", "state": state,
         "reason": None if state == "sent" else "timed_out", "retryable": retryable}
    )  # fmt: skip


def test_a_message_that_reached_everybody_is_settled() -> None:
    """One fact, no retry."""
    outcome = announced(an_effect(), Announced(deliveries=[a_delivery("a")]), 1, T0)
    assert ([x.name for x in outcome.facts], outcome.retry_at) == (["message_sent"], None)


def test_who_has_a_message_does_not_get_it_twice() -> None:
    """One of two failed: the other is tried again, the one who has it is left alone."""
    result = Announced(deliveries=[a_delivery("a"), a_delivery("b", "failed", retryable=True)])
    outcome = announced(an_effect(), result, 1, T0)
    assert [x.name for x in outcome.facts] == ["message_sent", "message_failed"]
    assert outcome.retry_at == T0 + timedelta(seconds=5)
    assert outcome.input is not None
    assert outcome.input["settled"] == ["k/a"]


def test_what_failed_for_good_is_not_tried_again() -> None:
    """Said once, and over."""
    result = Announced(deliveries=[a_delivery("a", "failed")])
    outcome = announced(an_effect(), result, 1, T0)
    assert ([x.name for x in outcome.facts], outcome.retry_at) == (["message_failed"], None)


def test_a_failing_message_is_said_at_first_and_when_it_is_given_up() -> None:
    """In between the timeline is not filled; after some hours it is given up, loudly."""
    result = Announced(deliveries=[a_delivery("a", "failed", retryable=True)])
    at = {
        attempt: announced(an_effect(), result, attempt, T0)
        for attempt in (1, 2, 30, GIVE_UP_MESSAGE_AFTER)
    }
    assert [len(at[n].facts) for n in at] == [1, 0, 0, 1]
    assert [at[n].retry_at is None for n in at] == [False, False, False, True]
    assert at[30].retry_at == T0 + minutes(5)


def test_a_note_without_a_delivery_is_said() -> None:
    """Nobody to send to: the timeline says why, and it is not silent."""
    outcome = announced(an_effect(), Announced(notes=["leadership has no contact"]), 1, T0)
    assert [x.name for x in outcome.facts] == ["message_failed"]
    assert "leadership has no contact" in outcome.facts[0].sentence()


def test_an_attempt_that_never_answered_is_uncertain_and_comes_again() -> None:
    """Whether it went out is not known: the same key again."""
    outcome = announced(an_effect(), unanswered(an_announcement(), "worker died"), 1, T0)
    assert outcome.retry_at is not None
    assert outcome.facts[0].will_retry


@pytest.mark.parametrize("purpose", list(Purpose))
def test_every_message_has_words(purpose: Purpose) -> None:
    """The timeline names each kind of message."""
    assert describe(an_announcement(purpose=purpose, context={"topic": "a_b", "variant": "final"}))


@pytest.mark.parametrize(("asked", "seconds"), [(None, 5), (2, 5), (40, 40), (3600, 300)])
def test_a_message_waits_as_long_as_its_vendor_asks(asked: float | None, seconds: int) -> None:
    """Not shorter than for any failure, and five minutes at most; before that was heeded, as before."""
    limited = a_delivery("a", "failed", retryable=True)
    limited = limited.model_copy(update={"retry_after_seconds": asked})
    result = Announced(deliveries=[limited, a_delivery("b")])
    assert announced(an_effect(), result, 1, T0).retry_at == T0 + timedelta(seconds=seconds)
    old = announced(an_effect(), result, 1, T0, heeds_wait=False)
    assert old.retry_at == T0 + timedelta(seconds=5)

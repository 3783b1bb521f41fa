"""A public message of which nobody knows whether it is out: it is held until a person has looked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain import facts as f
from domain.aggregate import Effect
from domain.errors import TransitionError, UnknownNameError
from domain.held import held_id
from domain.messages import Announced, Announcement, Delivery, DeliveryState, Purpose
from domain.outcomes import announced
from domain.updates import Audience
from tests.domain.story import Story
from tests.factories import T0

KEY = "checkout-1/update/external/1"
DELIVERY = f"{KEY}/audience:customers/0/statuspage"


def an_effect(**fields: object) -> Effect:
    announcement = Announcement(
        key=KEY, purpose=Purpose.EXTERNAL_UPDATE, template="external_update",
        recipients=["status_page", "audience:customers"],
        context={"number": 1, "text": "We look into it", "variant": "initial"},
    )  # fmt: skip
    whole = announcement.model_copy(update=fields)
    return Effect(key=KEY, kind="publish_update", input=whole.model_dump(mode="json"))


def a_delivery(state: DeliveryState, key: str = DELIVERY) -> Delivery:
    return Delivery(
        key=key, recipient="audience:customers/0", channel="statuspage", state=state,
        detail="no answer from Statuspage within 10 s",
    )  # fmt: skip


def a_story() -> Story:
    """An incident that alice manages, with one public message held."""
    story = Story(severity="SEV1")
    story.do("acknowledge", "alice")
    story.do("publish_update", "alice", audience="external", text="We look into it")
    held = announced(an_effect(), Announced(deliveries=[a_delivery(DeliveryState.HELD)]), 1, T0)
    story.record(*held.facts)
    story.wait(timedelta(0))
    return story


def release(story: Story, verdict: str, message: str = held_id(DELIVERY)) -> list[Effect]:
    before = set(story.incident.effects)
    story.do("release_message", "alice", message=message, verdict=verdict)
    return [effect for key, effect in story.incident.effects.items() if key not in before]


def test_a_held_message_is_a_fact_beside_what_went_out() -> None:
    """Nothing is sent again by itself: the announcement is settled, and a fact names the message."""
    out = a_delivery(DeliveryState.SENT, f"{KEY}/status_page/status_page")
    result = Announced(deliveries=[out, a_delivery(DeliveryState.HELD)])
    outcome = announced(an_effect(), result, 1, T0)
    assert [fact.name for fact in outcome.facts] == ["message_sent", "message_held"]
    assert outcome.retry_at is None
    assert "no answer from Statuspage" in outcome.facts[1].sentence()


def test_a_held_message_does_not_stop_the_others() -> None:
    """Another place that failed is tried again, and the held one is not among those that are."""
    failed = Delivery(key="k/x", recipient="x", channel="webhook", state=DeliveryState.FAILED,
                      retryable=True)  # fmt: skip
    result = Announced(deliveries=[failed, a_delivery(DeliveryState.HELD)])
    outcome = announced(an_effect(), result, 1, T0)
    assert outcome.retry_at == T0 + timedelta(seconds=5)
    assert outcome.input is not None
    assert outcome.input["settled"] == [DELIVERY]


def test_whoever_owes_the_outside_its_updates_is_told_where_to_look() -> None:
    """The reminder says where it may stand and why nobody knows; the view lists what waits."""
    story = a_story()
    assert [to for _, to in story.reminders("held")] == [["person:alice"]]
    (shown,) = story.incident.view()["held"]
    assert (shown["id"], shown["channel"]) == (held_id(DELIVERY), "statuspage")
    assert "announcement" not in shown


def test_what_is_out_is_not_sent_again() -> None:
    """A person found it in public: that is all, and it no longer waits."""
    story = a_story()
    assert release(story, "it_is_out") == []
    assert story.incident.held == []


def test_what_is_not_out_goes_once_more_to_that_place_alone() -> None:
    """Sent again under a key of its own, to the one recipient and nobody else."""
    story = a_story()
    story.do("release_message", "alice", message=held_id(DELIVERY), verdict="send_again")
    again = [m for _, m in story.messages if m.key.startswith(f"{KEY}/again-")]
    assert [one.only for one in again] == [["audience:customers/0"]]
    assert (again[0].context["number"], again[0].settled) == (1, [])


def test_an_old_word_is_not_said_after_a_newer_one() -> None:
    """Meanwhile the outside was told something else: the old text may only be dropped or be out."""
    story = a_story()
    story.do("publish_update", "alice", audience="external", text="Found it")
    refused = story.refusal(
        "release_message", "alice", message=held_id(DELIVERY), verdict="send_again"
    )
    assert isinstance(refused, TransitionError)
    assert release(story, "drop") == []


@pytest.mark.parametrize("message", ["m000000", held_id(DELIVERY)])
def test_only_what_is_held_can_be_released(message: str) -> None:
    """An id that is unknown, or that was decided about already, is named as unknown."""
    story = a_story()
    release(story, "it_is_out")
    refused = story.refusal("release_message", "alice", message=message, verdict="drop")
    assert isinstance(refused, UnknownNameError)


def test_a_held_message_says_nothing_about_the_page() -> None:
    """Its timeline entry carries neither the text nor what would send it: those are in the update."""
    story = a_story()
    (entry,) = [one for one in story.entries if one.fact == "message_held"]
    assert "announcement" not in entry.data
    assert story.incident.updates[-1].audience is Audience.EXTERNAL


def test_the_fact_and_the_verdict_survive_a_roll_over() -> None:
    """What waits for a person is part of the state that is carried on."""
    story = a_story()
    kept = type(story.incident).model_validate_json(story.incident.model_dump_json())
    assert kept.held == story.incident.held
    assert isinstance(story.of(f.MessageHeld)[0].announcement, dict)

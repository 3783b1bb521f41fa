"""What the timeline says of messages: to whom, by which way, and what became of them."""

from __future__ import annotations

from domain.facts import MessageFailed, MessageSent
from domain.messages import Delivery, DeliveryState, Purpose


def _delivery(recipient: str, channel: str, state: DeliveryState, detail: str = "") -> Delivery:
    return Delivery(
        key="k", recipient=recipient, channel=channel, state=state, detail=detail,
        reason=None if state is DeliveryState.SENT else "timed_out",
    )  # fmt: skip


def test_subscribers_are_counted_on_the_timeline() -> None:
    """All of them are one delivery; how many have it, and how many have not, stands in its sentence."""
    fact = MessageSent(
        purpose=Purpose.EXTERNAL_UPDATE,
        what="Follow-up external update",
        deliveries=[
            _delivery("audience:partners/0", "email", DeliveryState.SENT),
            _delivery("subscribers", "subscribers", DeliveryState.SENT, "498 sent, 2 failed"),
        ],
    )
    assert fact.sentence() == (
        "Follow-up external update sent to partners/0 by email, subscribers (498 sent, 2 failed)"
    )


def test_how_far_subscribers_were_told_is_said_where_it_is_tried_again() -> None:
    """Of a crowd `timed out` says too little: some have it."""
    fact = MessageFailed(
        purpose=Purpose.EXTERNAL_UPDATE,
        what="Follow-up external update",
        will_retry=True,
        deliveries=[
            _delivery("subscribers", "subscribers", DeliveryState.FAILED, "300 sent, 200 not yet")
        ],
    )
    assert fact.sentence() == (
        "Follow-up external update not delivered (subscribers: 300 sent, 200 not yet), trying again"
    )


def test_a_failure_for_good_says_what_to_do() -> None:
    """Only a person can mend it, and reads here how; what is tried again says only what it was."""
    gone = _delivery(
        "audience:partners/1", "webhook", DeliveryState.FAILED, "take it out of the policy"
    )
    fact = MessageFailed(
        purpose=Purpose.EXTERNAL_UPDATE, what="External update", will_retry=False, deliveries=[gone]
    )
    assert fact.sentence() == (
        "External update not delivered (audience:partners/1: timed_out, take it out of the policy)"
    )
    again = fact.model_copy(
        update={"will_retry": True, "deliveries": [gone.model_copy(update={"retryable": True})]}
    )
    assert again.sentence() == (
        "External update not delivered (audience:partners/1: timed_out), trying again"
    )


def test_the_status_page_and_its_copies_are_told_apart() -> None:
    """The page itself needs no channel; a copy names the way to it."""
    fact = MessageSent(
        purpose=Purpose.EXTERNAL_UPDATE,
        what="External update",
        deliveries=[
            _delivery("status_page", "status_page", DeliveryState.SENT),
            _delivery("status_page", "folder", DeliveryState.SENT),
        ],
    )
    assert fact.sentence() == "External update sent to the status page, the status page by folder"

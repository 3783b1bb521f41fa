"""An update that bounced is a fact; what is said of anything else changes nothing."""

from __future__ import annotations

import pytest

from domain.messages import DeliveryState, Purpose
from tests.domain.story import Story

KEY = "checkout-1/update/internal/2/audience:staff/7/email"


def test_an_update_that_bounced_stands_on_the_timeline() -> None:
    """Who it was for, by which way, and why; it is not sent again."""
    story = Story()
    (fact,) = story.receipt(KEY, "failed", detail="bounce 550")
    assert (
        fact.sentence()
        == "Internal update 2 not delivered (audience:staff/7: rejected, bounce 550)"
    )
    assert (fact.purpose, fact.will_retry) == (Purpose.INTERNAL_UPDATE, False)
    (delivery,) = fact.deliveries
    assert (delivery.key, delivery.state, delivery.channel) == (KEY, DeliveryState.FAILED, "email")


def test_one_that_a_person_had_sent_again_is_told_of_too() -> None:
    """A held mail that went out by somebody's verdict, and bounced, was said to nobody."""
    key = "checkout-1/update/external/2/again-m3f9a2c/audience:partners/0/email"
    (fact,) = Story().receipt(key, "failed", detail="bounce 550")
    assert "audience:partners/0" in fact.sentence()
    assert fact.purpose is Purpose.EXTERNAL_UPDATE


@pytest.mark.parametrize(
    ("key", "state"),
    [
        (KEY, "delivered"),
        (KEY, "opened"),
        ("checkout-2/update/internal/2/audience:staff/7/email", "failed"),
        ("checkout-1/update/internal/2/status_page/status_page", "failed"),
        ("checkout-1/update/sideways/2/person:alice/email", "failed"),
        ("checkout-1/p9/r1/s1/alice/email-0", "failed"),
        ("", "failed"),
    ],
)
def test_other_receipts_change_nothing(key: str, state: str) -> None:
    """Another incident's, a place's, a page's that nobody waits for, nonsense."""
    assert Story().receipt(key, state) == []

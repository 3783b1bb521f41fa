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
    assert fact.sentence() == "Internal update 2 not delivered (audience:staff/7: rejected)"
    assert (fact.purpose, fact.will_retry) == (Purpose.INTERNAL_UPDATE, False)
    (delivery,) = fact.deliveries
    assert (delivery.key, delivery.state, delivery.channel) == (KEY, DeliveryState.FAILED, "email")


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

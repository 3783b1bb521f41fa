"""How a page can be answered: which links it carries, and that a page without them is still a page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from activities.answer_links import AnswerLinks
from activities.channels.outbox import Outbox
from activities.delivery import Postman
from activities.page import PageSending
from domain.messages import DeliveryState, PageText, SendPage
from tests.fakes.organisation import NOW, FixedPolicy, RecordingChannel, a_clock, a_policy

KEY = "checkout-1/p1/r1/s1/alice/email-1"


def a_page(**changes: Any) -> SendPage:
    text = PageText(subject="page", text="page")
    fields: dict[str, Any] = {
        "key": KEY, "incident_id": "checkout-1", "severity": "SEV1", "person": "bob",
        "channel": "email", "contact": 0, "text": text,
    }  # fmt: skip
    return SendPage(**(fields | changes))


def sign(incident: str, person: str, key: str, at: datetime) -> str:
    assert at == NOW
    return f"token-of-{person}"


@pytest.mark.parametrize(
    ("public_url", "is_reachable"),
    [
        ("https://tocsin.example.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://tocsin.example.com", False),
        (None, False),
    ],
)
def test_vendors_are_given_addresses_that_they_can_use(public_url, is_reachable) -> None:
    """Only where the operator named the public address, and not over an open line."""
    own_url = public_url or "http://127.0.0.1:8080"
    answer = AnswerLinks(sign, own_url, public_url)(a_page(), NOW)
    assert answer is not None
    assert (answer.url, answer.code, answer.token) == (
        f"{own_url}/answer/token-of-bob", "checkout-1", "token-of-bob",
    )  # fmt: skip
    assert answer.receipt_url == (
        f"{own_url}/answer/receipt/token-of-bob" if is_reachable else None
    )
    assert answer.voice_url == (f"{own_url}/answer/voice/token-of-bob" if is_reachable else None)


def test_a_test_page_has_nothing_to_acknowledge() -> None:
    """It belongs to no incident."""
    page = a_page(incident_id="test", key="test/bob/1")
    assert AnswerLinks(sign, "http://x", None)(page, NOW) is None


async def test_a_page_carries_its_answer(tmp_path: Path) -> None:
    """The channel gets the link of this person and this page."""
    channel = RecordingChannel()
    postman = Postman("live", {"email": channel}, Outbox(tmp_path), a_clock)
    answer_for = AnswerLinks(sign, "http://x", None)
    sending = PageSending(FixedPolicy(a_policy()), postman, a_clock, answer_for)
    delivery = await sending.send_page(a_page())
    assert delivery.state is DeliveryState.SENT
    assert channel.sent[0].answer == answer_for(a_page(), NOW)


async def test_a_page_without_its_link_is_a_page(tmp_path: Path) -> None:
    """A secret that cannot be read costs the link, is told with the delivery, and holds nothing up."""

    def broken(*_: Any) -> str:
        raise OSError("the disk is gone")

    channel = RecordingChannel()
    postman = Postman("live", {"email": channel}, Outbox(tmp_path), a_clock)
    answer_for = AnswerLinks(broken, "http://x", None)
    sending = PageSending(FixedPolicy(a_policy()), postman, a_clock, answer_for)
    delivery = await sending.send_page(a_page())
    assert delivery.state is DeliveryState.SENT
    assert "without a link to acknowledge" in delivery.detail
    assert channel.sent[0].answer is None

"""The outbox: one key is one file, whole or not there, and the numbers it remembers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from activities.channels.outbox import Outbox
from domain.messages import DeliveryState, Purpose
from tests.fakes.organisation import NOW, an_outgoing


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def test_a_message_is_one_file_with_every_field(outbox: Outbox) -> None:
    """The file holds what the interface promises."""
    file = outbox.write(an_outgoing(), DeliveryState.SENT, NOW, "by SMTP")
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content.pop("id")
    assert content == {
        "at": "2026-11-24T14:07:00Z",
        "incident": "checkout-17",
        "purpose": "page",
        "channel": "email",
        "to": "alice@example.com",
        "recipient": "person:alice",
        "person": "alice",
        "subject": "checkout-17 SEV1 P1",
        "text": "Card payments are refused",
        "html": "<p>Card payments are refused</p>",
        "severity": "SEV1",
        "idempotency_key": "checkout-17/p1/r1/s1/alice/email-0",
        "state": "sent",
        "detail": "by SMTP",
        "bundle": None,
        "bundle_incidents": [],
    }


def test_one_key_is_one_file(outbox: Outbox) -> None:
    """Attempts of one message share a file, which tells the latest state; no half file stays."""
    for state in (DeliveryState.SENDING, DeliveryState.FAILED, DeliveryState.SENT):
        outbox.write(an_outgoing(), state, NOW)
        assert outbox.state_of(an_outgoing()) is state
    assert len(list(outbox.folder.iterdir())) == 1


def test_another_key_is_another_file(outbox: Outbox) -> None:
    """Two recipients never share a file."""
    outbox.write(an_outgoing(), DeliveryState.SENT, NOW)
    assert outbox.state_of(an_outgoing(key="checkout-17/p1/r1/s1/bob/email-0")) is None


@pytest.mark.parametrize("incident", ["../../etc/x-1", "a/b-2", ".", "", "x" * 400, "a\0b"])
def test_no_name_leads_out_of_the_folder(outbox: Outbox, incident: str) -> None:
    """Whatever an incident is called, its file stands in the outbox."""
    file = outbox.write(an_outgoing(incident=incident), DeliveryState.SENT, NOW)
    assert file.resolve().parent == outbox.folder.resolve()


def test_half_a_character_is_no_reason_not_to_write(outbox: Outbox) -> None:
    """A text that is no proper Unicode is written with replacements."""
    outbox.write(an_outgoing(text="\ud800"), DeliveryState.SENT, NOW)
    assert outbox.state_of(an_outgoing()) is DeliveryState.SENT


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "lost"}', '{"state": null}'])
def test_a_damaged_file_counts_as_none(outbox: Outbox, content: str) -> None:
    """A file that cannot be understood does not hold up the message."""
    outbox.write(an_outgoing(), DeliveryState.SENT, NOW).write_text(content)
    assert outbox.state_of(an_outgoing()) is None


def test_the_highest_number_of_a_service_is_remembered(outbox: Outbox) -> None:
    """Numbers are compared as numbers, and services whose names begin alike are kept apart."""
    assert outbox.highest_number("checkout") == 0
    for incident in ("checkout-9", "checkout-10", "checkout-eu-77", "pre-checkout-99", "test"):
        outbox.write(an_outgoing(incident=incident), DeliveryState.SENT, NOW)
    outbox.write(
        an_outgoing(incident="checkout-12", purpose=Purpose.ROLE), DeliveryState.FAILED, NOW
    )
    assert outbox.highest_number("checkout") == 12
    assert outbox.highest_number("checkout-eu") == 77

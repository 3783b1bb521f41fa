"""Hostile texts on their way to subscribers, and on the pages that they see: nothing in them is alive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.channels.sms import MAX_CHARS, as_sms
from tests.activities.test_subscribers import Readers, an_update, build
from tests.fakes.sendgrid import SendGridFake, sendgrid_fake
from tests.security.hostile_words import HOSTILE, refuse_active, refuse_controls

OWN = frozenset({"style", "meta", "form", "input", "button", "a", "label", "fieldset"})
"""What our own pages hold that a text may not."""


@pytest.fixture
def sendgrid() -> Iterator[SendGridFake]:
    with sendgrid_fake() as fake:
        yield fake


@pytest.fixture
def readers(tmp_path: Path, sendgrid: SendGridFake) -> Readers:
    """One by each way."""
    made = build(tmp_path, sendgrid)
    made.subscribed("kim@example.com")
    made.subscribed("+4915550001", "sms")
    made.subscribed("https://hooks.example.com/a", "webhook")
    return made


async def test_an_update_in_each_form(readers: Readers, sendgrid: SendGridFake) -> None:
    """Mail, text message and post: no active node, no control character, no header, no second recipient."""
    for number, (label, text) in enumerate(HOSTILE.items()):
        told = await readers.fan_out.tell(
            an_update(text=text, title=text, service_name=text),
            f"checkout-17/update/external/{number}/subscribers/subscribers",
            60,
        )
        assert told is not None, label
        assert told.detail == "3 sent", label
    assert sendgrid.refused == []
    assert len(sendgrid.accepted) == len(HOSTILE)
    for label, mail in zip(HOSTILE, sendgrid.accepted, strict=True):
        plain, html = (part["value"] for part in mail["content"])
        refuse_active(html, own=frozenset({"a"}))
        refuse_controls(plain)
        refuse_controls(mail["subject"], lines=False)
        (person,) = mail["personalizations"]
        assert [one["email"] for one in person["to"]] == ["kim@example.com"], label
        for value in person["headers"].values():
            refuse_controls(value, lines=False)
    for message in readers.sms.sent:
        said = as_sms(message)
        refuse_controls(said)
        assert len(said) <= MAX_CHARS
        assert readers.links.manage("reader-1") in said, "there is always a way out"
    for _, body, headers in readers.hooks.got:
        posted = json.loads(body)
        refuse_controls(posted["data"]["text"])
        refuse_controls(posted["data"]["title"], lines=False)
        assert set(headers) == {
            "webhook-id", "webhook-timestamp", "webhook-signature", "Content-Type",
        }  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_form_shows_what_was_typed_as_text(stranger, text: str) -> None:
    """What somebody types as an address comes back as text, and nothing is kept of it."""
    address = text.encode("utf-8", "replace").decode()
    answer = stranger.post("/status/subscribe", data={"kind": "email", "address": address})
    assert answer.status_code == 422
    refuse_active(answer.text.replace(' action="/status/subscribe"', ""), own=OWN)

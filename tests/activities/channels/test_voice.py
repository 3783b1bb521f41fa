"""Calls: what the voice says, what a key does, and that a mailbox is only left a message."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.channels.speech import as_twiml, speakable
from activities.channels.voice import VoiceChannel, VoiceSettings
from tests.activities.channels.rigs import ANSWER, RIGS
from tests.fakes.organisation import an_outgoing
from tests.fakes.twilio import twilio_fake


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("checkout-17 SEV1 P1", "checkout 17 severity 1, priority 1"),
        ("order-api-3 sev2 #2 of 3", "order api 3 severity 2, number 2 of 3"),
        ("db_main/eu: 38% of requests", "db main eu: 38% of requests"),
        ("see https://x.test/a?b=c&d now", "see a link now"),
        ("R&D <b>down</b>", "R and D b down b"),
        ("Zahlung gestört 🔥", "Zahlung gestört"),
    ],
)
def test_a_text_is_said_as_one_would_read_it_out(text: str, said: str) -> None:
    """Ids, severities and links become words; signs that a voice would spell are left out."""
    assert speakable(text) == said


def test_the_incident_is_said_twice_and_a_key_is_asked_for() -> None:
    """Whoever is woken misses the first words; the key goes to the address of this page."""
    root = ET.fromstring(as_twiml(an_outgoing(answer=ANSWER)))
    (gather,) = root.findall("Gather")
    assert gather.attrib["action"] == ANSWER.voice_url
    assert (gather.attrib["numDigits"], gather.attrib["method"]) == ("1", "POST")
    first, second = gather.findall("Say")
    assert first.text == second.text
    assert first.text == (
        "This is Tocsin. checkout 17 severity 1, priority 1. "
        "Press 1 to acknowledge. Press 2 to escalate."
    )
    assert "Nobody has acknowledged" in (root.findall("Say")[0].text or "")


@pytest.mark.parametrize("answer", [None, ANSWER.model_copy(update={"voice_url": None})])
def test_without_an_address_for_keys_none_is_asked_for(answer: object) -> None:
    """A key that nobody would hear must not be offered; the incident is still said twice."""
    root = ET.fromstring(as_twiml(an_outgoing(answer=answer)))
    assert root.findall("Gather") == []
    first, second = root.findall("Say")
    assert first.text == second.text
    assert "Press" not in (first.text or "")


@given(st.text(max_size=5000))
def test_whatever_is_said_it_is_a_document_that_twilio_takes(text: str) -> None:
    """No text breaks out of what is said, and none makes the document too long."""
    document = as_twiml(an_outgoing(subject=text, answer=ANSWER))
    assert len(document) <= 4000
    assert {part.tag for part in ET.fromstring(document).iter()} <= {
        "Response", "Gather", "Say", "Pause",
    }  # fmt: skip


async def test_a_mailbox_is_told_from_a_person() -> None:
    """Machine detection is on for every call, and the phone does not ring until the mailbox answers."""
    with twilio_fake() as fake:
        channel = VoiceChannel(VoiceSettings.model_validate(RIGS["voice"].settings(fake.url)))
        await channel.send(an_outgoing(to="+4915550001", answer=ANSWER))
        await channel.aclose()
        (call,) = fake.accepted
    assert (call["MachineDetection"], call["Timeout"]) == ("Enable", "30")
    assert call["StatusCallback"] == ANSWER.receipt_url

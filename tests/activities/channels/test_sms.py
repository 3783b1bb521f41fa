"""Text messages: what is in one, how it is answered, and who it comes from."""

from __future__ import annotations

import pytest

from activities.channels import ChannelSettingsError, read_settings
from activities.channels.base import Outgoing
from activities.channels.sms import MAX_CHARS, SmsChannel, SmsSettings, as_sms, as_update
from activities.channels.voice import VoiceSettings
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.text_limits import SMS_PARTS, sms_parts
from tests.activities.channels.rigs import ANSWER, RIGS, an_update
from tests.fakes.organisation import an_outgoing
from tests.fakes.twilio import ACCOUNT, OURS, twilio_fake

TEXT = """checkout-17 SEV1 P1

checkout-17 is SEV1, priority P1, #1 of 3 open.
Summary: Card payments are refused

Incident: http://127.0.0.1:8080/i/checkout-17/x
Acknowledge: tocsin ack checkout-17 --as YOU
"""


def test_a_page_by_sms_is_short_and_can_be_answered() -> None:
    """Incident, severity and the way to answer; no second link, and nothing for a terminal."""
    assert as_sms(an_outgoing(text=TEXT, answer=ANSWER)) == (
        "checkout-17 SEV1 P1\n"
        "checkout-17 is SEV1, priority P1, #1 of 3 open.\n"
        "Summary: Card payments are refused\n"
        "Reply ack checkout-17 or open http://tocsin.test/answer/TOKEN-of-alice"
    )


def test_a_message_that_needs_no_answer_keeps_its_link() -> None:
    """Where there is nothing to acknowledge the text goes out as it is."""
    said = as_sms(an_outgoing(text=TEXT))
    assert "http://127.0.0.1:8080/i/checkout-17/x" in said
    assert "Reply" not in said


def test_a_long_page_loses_text_and_not_its_answer() -> None:
    """However long the text, it is paid for as three parts, and can be answered."""
    said = as_sms(an_outgoing(text="The database is slow. " * 90, answer=ANSWER))
    assert len(said) <= MAX_CHARS
    assert said.startswith("checkout-17 SEV1 P1\n")
    assert said.endswith(ANSWER.url)


def test_typography_does_not_double_the_price() -> None:
    """A dash or an ellipsis would make the vendor send it in an alphabet of half the length."""
    assert as_sms(an_outgoing(subject="checkout-17 SEV1 – “down” …", text="")).isascii()


async def test_the_vendor_gets_our_sender_and_where_to_report() -> None:
    """The receipt is posted to the address of this page; without one nothing is reported."""
    with twilio_fake() as fake:
        channel = SmsChannel(SmsSettings.model_validate(RIGS["sms"].settings(fake.url)))
        for answer in (ANSWER, None):
            await channel.send(an_outgoing(to="+4915550001", answer=answer))
        await channel.aclose()
        with_answer, without = fake.accepted
    assert (with_answer["From"], with_answer["To"]) == (OURS, "+4915550001")
    assert with_answer["StatusCallback"] == ANSWER.receipt_url
    assert "StatusCallback" not in without


async def test_a_messaging_service_sends_instead_of_a_number() -> None:
    """Large accounts let a service choose the number."""
    service = "MG" + "0" * 32
    with twilio_fake() as fake:
        settings = RIGS["sms"].settings(fake.url) | {"twilio_from": service}
        channel = SmsChannel(SmsSettings.model_validate(settings))
        await channel.send(an_outgoing(to="+4915550001"))
        await channel.aclose()
        assert fake.accepted[0]["MessagingServiceSid"] == service
        assert fake.refused == []


async def test_a_number_that_twilio_does_not_know_is_refused_with_its_code() -> None:
    """The code is what Twilio's documentation is sorted by."""
    with twilio_fake() as fake:
        channel = SmsChannel(SmsSettings.model_validate(RIGS["sms"].settings(fake.url)))
        with pytest.raises(DeliveryError, match="21211") as caught:
            await channel.send(an_outgoing(to="0155 50001"))
        await channel.aclose()
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.REJECTED, False)


async def test_a_message_that_was_taken_and_failed_at_once_was_not_sent() -> None:
    """Twilio may say in its success that the message is a failure."""
    with twilio_fake() as fake:
        fake.status = 201
        fake.body = '{"sid": "SM1", "status": "failed", "error_code": 30003}'
        channel = SmsChannel(SmsSettings.model_validate(RIGS["sms"].settings(fake.url)))
        with pytest.raises(DeliveryError, match="30003"):
            await channel.send(an_outgoing(to="+4915550001"))
        await channel.aclose()


async def test_a_storm_of_pages_shares_its_connections() -> None:
    """A client for each page would open a connection for each page."""
    with twilio_fake() as fake:
        channel = SmsChannel(SmsSettings.model_validate(RIGS["sms"].settings(fake.url)))
        for _ in range(5):
            await channel.send(an_outgoing(to="+4915550001"))
        await channel.aclose()
        assert (fake.calls, fake.connections) == (5, 1)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TWILIO_ACCOUNT_SID", "SK0123"),
        ("TWILIO_FROM", "015550100"),
        ("TWILIO_VOICE_FROM", "12345"),
        ("TWILIO_BASE_URL", "api.twilio.com"),
        ("TWILIO_TIMEOUT", "0"),
        ("NTFY_BASE_URL", "ntfy"),
        ("APPRISE_SCHEMAS", "discord://"),
        ("TOCSIN_CHANNEL_PROXY", "squid:3128"),
    ],
)
def test_a_wrong_setting_is_named_once_and_not_shown(variable: str, value: str) -> None:
    """Whoever starts the worker reads which variable is wrong and what it should look like."""
    with pytest.raises(ChannelSettingsError) as caught:
        read_settings({variable: value})
    assert str(caught.value).count(variable) == 1
    assert value == "0" or value not in str(caught.value)


def test_calls_come_from_a_number_only() -> None:
    """A messaging service can send texts and cannot call: without a number there are no calls."""
    service = {"twilio_account_sid": ACCOUNT, "twilio_from": "MG" + "0" * 32}
    assert VoiceSettings.model_validate(service).caller is None
    both = service | {"twilio_voice_from": OURS}
    assert VoiceSettings.model_validate(both).caller == OURS


def _update(text: str, purpose: Purpose = Purpose.EXTERNAL_UPDATE) -> Outgoing:
    return an_outgoing(purpose=purpose, subject="Working on issues with Checkout", text=text)


@pytest.mark.parametrize("purpose", [Purpose.INTERNAL_UPDATE, Purpose.EXTERNAL_UPDATE])
def test_an_update_goes_out_in_its_short_form(purpose: Purpose) -> None:
    """As the template has it, without a head of ours; typography does not double the price."""
    body, note = as_update(_update("Checkout: cause found – we are on it…", purpose))
    assert (body, note) == ("Checkout: cause found - we are on it...", "")


def test_what_an_update_costs_is_told() -> None:
    """Each part is paid for: how many there were stands with the delivery."""
    assert as_update(_update("Card payments fail. " * 12))[1] == "in 2 parts"


@pytest.mark.parametrize("text", ["The database is slow. " * 200, "決済が遅い。" * 300])
def test_an_update_never_becomes_a_novel(text: str) -> None:
    """Beyond six parts it is cut where a sentence ends, and that is told."""
    body, note = as_update(_update(text))
    assert sms_parts(body) <= SMS_PARTS
    assert note == "cut to 6 parts"
    assert body.endswith("...")


def test_what_was_found_to_fit_is_not_cut() -> None:
    """A text of six parts goes out whole: title and next update, which stand around it, give way."""
    said = ("Card payments fail for some. " * 31).strip()
    assert sms_parts(said) == SMS_PARTS
    framed = _update(f"Working on issues with Checkout: {said}\nNext update: 2026-11-24 14:37 UTC")
    body, note = as_update(framed.model_copy(update={"update": an_update(text=said)}))
    assert body == said
    assert note == "sent without title and when the next one comes"


async def test_the_vendor_gets_an_update_without_a_receipt() -> None:
    """Updates ask for no receipt, and the note of their price comes back."""
    with twilio_fake() as fake:
        channel = SmsChannel(SmsSettings.model_validate(RIGS["sms"].settings(fake.url)))
        message = _update("Card payments fail. " * 12).model_copy(update={"to": "+4915550001"})
        receipt = await channel.send(message)
        await channel.aclose()
    assert (receipt.detail, receipt.awaits_receipt) == ("in 2 parts", False)
    assert fake.refused == []

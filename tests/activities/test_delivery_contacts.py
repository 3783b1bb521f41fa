"""Which contacts the postman uses, by which channel, and that channels do not stand in each other's way."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from activities.channels.base import Capabilities, Outgoing, Receipt
from activities.channels.outbox import Outbox
from activities.delivery import Mode, Postman
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import DeliveryState
from domain.policy.person import Contact
from tests.activities.channels.rigs import ANSWER, Bench
from tests.fakes.ntfy import ntfy_fake
from tests.fakes.organisation import RecordingChannel, a_clock, an_outgoing
from tests.fakes.twilio import twilio_fake

PHONE = Contact(channel="sms", to="+4915550001")
MAIL = Contact(channel="email", to="alice@example.com")
PUSH = Contact(channel="push", to="alice-k7Qz3w")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def _channel(name: str, **capabilities: bool) -> RecordingChannel:
    channel = RecordingChannel(name)
    channel.capabilities = Capabilities.model_validate({"pages": True} | capabilities)
    return channel


def _postman(outbox: Outbox, *channels: RecordingChannel, mode: Mode = "live") -> Postman:
    return Postman(mode, {channel.name: channel for channel in channels}, outbox, a_clock)


@pytest.mark.parametrize("mode", ["live", "outbox"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [({"verified": False}, "verified: false"), ({"enabled": False}, "enabled: false")],
)
def test_a_contact_that_is_barred_is_never_used(
    outbox: Outbox, mode: Mode, changes: dict[str, bool], why: str
) -> None:
    """Unverified or switched off: skipped with a sentence, whatever the channel and the mode."""
    postman = _postman(outbox, _channel("sms"), _channel("email"), mode=mode)
    usable = postman.usable_contacts("alice", [PHONE.model_copy(update=changes), MAIL])
    assert usable.contacts == [(1, MAIL)]
    (sentence,) = usable.skipped
    assert sentence.startswith("contact 1 of alice is skipped: ")
    assert why in sentence


async def test_push_is_what_ntfy_sends(outbox: Outbox) -> None:
    """A contact says push; it goes out by ntfy, and is told of as push."""
    ntfy = _channel("ntfy")
    postman = _postman(outbox, ntfy)
    assert postman.usable_contacts("alice", [PUSH]).contacts == [(0, PUSH)]
    delivery = await postman.deliver(an_outgoing(channel="push", to=PUSH.to))
    assert (delivery.state, delivery.channel) == (DeliveryState.SENT, "push")
    assert [message.to for message in ntfy.sent] == [PUSH.to]


def test_what_channels_can_do_is_told_by_the_names_of_contacts(outbox: Outbox) -> None:
    """Whoever plans a page knows what costs money; a channel that is not set up is not offered."""
    unset = RecordingChannel("voice", configured=False)
    channels = [_channel("sms", is_paid=True), _channel("ntfy"), unset]
    found = _postman(outbox, *channels).capabilities()
    assert {name: can.is_paid for name, can in found.items()} == {
        "sms": True, "ntfy": False, "push": False,
    }  # fmt: skip
    assert "voice" in _postman(outbox, *channels, mode="outbox").capabilities()


def test_nobody_is_rung_up_for_what_a_mail_can_say(outbox: Outbox) -> None:
    """To inform, what costs nothing comes first; to page, the order of the policy holds."""
    postman = _postman(outbox, _channel("sms", is_paid=True), _channel("email"))
    informs = postman.usable_contacts("alice", [PHONE, MAIL], pages=False)
    assert informs.contacts == [(1, MAIL), (0, PHONE)]
    assert postman.usable_contacts("alice", [PHONE, MAIL]).contacts == [(0, PHONE), (1, MAIL)]


async def test_an_awaited_receipt_is_told_with_the_delivery(outbox: Outbox) -> None:
    """Whoever asked for the page knows whether the vendor will say more."""

    class Confirming(RecordingChannel):
        async def send(self, message: Outgoing) -> Receipt:
            return Receipt(vendor_id="SM1", awaits_receipt=True)

    delivery = await _postman(outbox, Confirming("sms")).deliver(an_outgoing(channel="sms"))
    assert (delivery.state, delivery.awaits_receipt) == (DeliveryState.SENT, True)
    assert not (
        await _postman(outbox, _channel("email")).deliver(an_outgoing(key="k"))
    ).awaits_receipt


async def test_a_vendors_sentence_is_told_without_the_address(outbox: Outbox) -> None:
    """Details stand in histories and on timelines, which hold no phone numbers."""
    channel = _channel("sms")
    detail = "Twilio answered 400: 21211 The 'To' number +4915550001 is not valid"
    channel.fails[PHONE.to] = DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
    delivery = await _postman(outbox, channel).deliver(an_outgoing(channel="sms", to=PHONE.to))
    assert delivery.detail == "Twilio answered 400: 21211 The 'To' number the address is not valid"


async def test_no_file_of_the_outbox_holds_a_secret(outbox: Outbox) -> None:
    """The token of an answer and the password in a URL are not written down."""
    message = an_outgoing(channel="apprise", to="json://user:hunter2@host/x", answer=ANSWER)
    await _postman(outbox, mode="outbox").deliver(message)
    text = outbox.path_of(message).read_text(encoding="utf-8")
    assert json.loads(text)["to"] == "json://…"
    assert "hunter2" not in text
    assert "TOKEN-of-alice" not in text


async def test_a_channel_that_hangs_does_not_hold_up_another(outbox: Outbox) -> None:
    """While 100 calls of one vendor hang, a page by another goes out at once."""
    with twilio_fake() as twilio, ntfy_fake() as ntfy:
        hanging, quick = Bench("sms", twilio, twilio_timeout=8.0), Bench("ntfy", ntfy)
        twilio.mood = "hang"
        postman = Postman(
            "live", {"sms": hanging.channel, "ntfy": quick.channel}, outbox, a_clock, 8.0
        )
        hung = [
            asyncio.create_task(postman.deliver(hanging.message(key=f"k{n}"))) for n in range(100)
        ]
        async with asyncio.timeout(30):
            while twilio.calls < 100:  # noqa: ASYNC110 - the calls are counted in another thread
                await asyncio.sleep(0.01)
        started = time.monotonic()
        delivery = await postman.deliver(quick.message())
        took = time.monotonic() - started
        hang_on = not any(task.done() for task in hung)
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)
        await hanging.aclose()
        await quick.aclose()
    assert delivery.state is DeliveryState.SENT
    assert took < 6 or hang_on

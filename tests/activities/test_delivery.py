"""The postman: what is sent again and what is not, and that a page goes out in spite of its outbox."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from activities.channels.base import AnswerLostError, Outgoing, Receipt
from activities.channels.outbox import Outbox
from activities.delivery import Mode, Postman
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import DeliveryState, Purpose
from domain.policy.person import Contact
from tests.fakes.organisation import NOW, RecordingChannel, a_clock, an_outgoing


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


def _postman(
    outbox: Outbox, *channels: RecordingChannel, mode: Mode = "live", **options: Any
) -> Postman:
    return Postman(mode, {c.name: c for c in channels}, outbox, a_clock, **options)


async def test_live_sends_and_leaves_a_file(outbox: Outbox, channel: RecordingChannel) -> None:
    """A live message is sent once and its file says sent."""
    delivery = await _postman(outbox, channel).deliver(an_outgoing())
    assert (delivery.state, delivery.at) == (DeliveryState.SENT, NOW)
    assert channel.sent == [an_outgoing()]
    assert outbox.state_of(an_outgoing()) is DeliveryState.SENT


async def test_a_public_message_is_noted_before_the_call(outbox: Outbox) -> None:
    """A worker killed during the call leaves a trace that the public may have it."""
    seen: list[DeliveryState | None] = []

    class Watching(RecordingChannel):
        async def send(self, message: Outgoing) -> Receipt:
            seen.append(outbox.state_of(message))
            return await super().send(message)

    update = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE)
    await _postman(outbox, Watching()).deliver(update)
    assert seen == [DeliveryState.SENDING]


async def test_a_page_is_noted_beside_the_call(outbox: Outbox) -> None:
    """No page waits for the disk; a call that lasts is noted as being sent."""

    class Watching(RecordingChannel):
        async def send(self, message: Outgoing) -> Receipt:
            async with asyncio.timeout(30):
                while outbox.state_of(message) is not DeliveryState.SENDING:  # noqa: ASYNC110 - a file
                    await asyncio.sleep(0.01)
            return await super().send(message)

    delivery = await _postman(outbox, Watching()).deliver(an_outgoing())
    assert delivery.state is DeliveryState.SENT
    assert outbox.state_of(an_outgoing()) is DeliveryState.SENT


async def test_outbox_mode_sends_nothing(outbox: Outbox, channel: RecordingChannel) -> None:
    """With delivery `outbox` the file is all, also for a channel that does not exist here."""
    postman = _postman(outbox, channel, mode="outbox")
    message = an_outgoing(channel="sms", to="+4915550001")
    assert (await postman.deliver(message)).state is DeliveryState.SENT
    assert channel.sent == []
    assert outbox.state_of(message) is DeliveryState.SENT


async def test_a_sent_page_is_not_sent_again(outbox: Outbox, channel: RecordingChannel) -> None:
    """A retry whose first attempt is known to have succeeded is answered without a second page."""
    postman = _postman(outbox, channel)
    for _ in range(2):
        assert (await postman.deliver(an_outgoing())).state is DeliveryState.SENT
    assert len(channel.sent) == 1


async def test_a_page_from_a_crashed_attempt_is_sent_again(
    outbox: Outbox, channel: RecordingChannel
) -> None:
    """A worker died while paging: the page goes again, for a duplicate beats a miss."""
    outbox.write(an_outgoing(), DeliveryState.SENDING, NOW)
    assert (await _postman(outbox, channel).deliver(an_outgoing())).state is DeliveryState.SENT
    assert len(channel.sent) == 1


@pytest.mark.parametrize("noted", [DeliveryState.SENDING, DeliveryState.UNCERTAIN])
async def test_a_public_update_from_a_crashed_attempt_is_not(
    outbox: Outbox, channel: RecordingChannel, noted: DeliveryState
) -> None:
    """The public may have it and nobody can tell: it is held, then and at every later attempt."""
    message = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE)
    outbox.write(message, noted, NOW)
    for _ in range(2):
        delivery = await _postman(outbox, channel).deliver(message)
        assert (delivery.state, delivery.retryable) == (DeliveryState.HELD, False)
    assert outbox.state_of(message) is DeliveryState.HELD
    assert channel.sent == []


class ReadableChannel(RecordingChannel):
    """A channel that can say what the public has."""

    def __init__(self, finds: Receipt | Exception | None) -> None:
        super().__init__()
        self.finds, self.looks = finds, 0

    async def find(self, message: Outgoing) -> Receipt | None:
        self.looks += 1
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds


@pytest.mark.parametrize("noted", [DeliveryState.SENDING, DeliveryState.UNCERTAIN])
async def test_what_the_public_has_is_read_back_and_not_sent_again(
    outbox: Outbox, noted: DeliveryState
) -> None:
    """The worker died after the vendor took it: found under its key, it counts as sent."""
    message, channel = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE), ReadableChannel(Receipt())
    outbox.write(message, noted, NOW)
    for _ in range(2):
        delivery = await _postman(outbox, channel).deliver(message)
        assert delivery.state is DeliveryState.SENT
    assert (channel.sent, channel.looks) == ([], 1)
    assert outbox.state_of(message) is DeliveryState.SENT


async def test_what_the_public_certainly_has_not_is_sent(outbox: Outbox) -> None:
    """The worker died before the vendor had it: it goes out, once."""
    message, channel = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE), ReadableChannel(None)
    outbox.write(message, DeliveryState.SENDING, NOW)
    assert (await _postman(outbox, channel).deliver(message)).state is DeliveryState.SENT
    assert len(channel.sent) == 1


async def test_a_first_attempt_reads_nothing_back(outbox: Outbox) -> None:
    """Nothing was tried, so there is nothing to find; a page is never read back at all."""
    channel = ReadableChannel(RuntimeError("asked"))
    await _postman(outbox, channel).deliver(an_outgoing(purpose=Purpose.EXTERNAL_UPDATE))
    page = an_outgoing(key="page")
    outbox.write(page, DeliveryState.SENDING, NOW)
    await _postman(outbox, channel).deliver(page)
    assert (len(channel.sent), channel.looks) == (2, 0)


@pytest.mark.parametrize(
    "error",
    [
        DeliveryError(DeliveryReason.UNREACHABLE, "nobody there", retryable=True),
        KeyError("secret"),
        TimeoutError(),
    ],
)
async def test_what_cannot_be_read_back_is_held(outbox: Outbox, error: Exception) -> None:
    """Nobody knows whether the public has it: nothing is sent, and the detail says what to look at."""
    message, channel = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE), ReadableChannel(error)
    outbox.write(message, DeliveryState.SENDING, NOW)
    delivery = await _postman(outbox, channel).deliver(message)
    assert (delivery.state, delivery.retryable, channel.sent) == (DeliveryState.HELD, False, [])
    assert "an earlier attempt ended without an answer" in delivery.detail
    assert "secret" not in delivery.detail


async def test_a_vendor_with_too_many_questions_is_asked_later(outbox: Outbox) -> None:
    """A limit on requests says nothing about the message: it is neither sent nor held, but asked about."""
    limited = DeliveryError(
        DeliveryReason.RATE_LIMITED, "slow down", retryable=True, retry_after_seconds=3
    )
    message, channel = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE), ReadableChannel(limited)
    outbox.write(message, DeliveryState.SENDING, NOW)
    delivery = await _postman(outbox, channel).deliver(message)
    assert (delivery.state, delivery.retryable) == (DeliveryState.UNCERTAIN, True)
    channel.finds = Receipt()
    assert (await _postman(outbox, channel).deliver(message)).state is DeliveryState.SENT
    assert channel.sent == []


async def test_an_answer_lost_in_public_is_read_back_at_the_next_attempt(outbox: Outbox) -> None:
    """A channel that can be asked is asked, instead of a person."""
    message, channel = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE), ReadableChannel(Receipt())
    channel.fails["alice@example.com"] = AnswerLostError(DeliveryReason.TIMED_OUT, "no answer")
    lost = await _postman(outbox, channel).deliver(message)
    assert (lost.state, lost.retryable) == (DeliveryState.UNCERTAIN, True)
    assert (await _postman(outbox, channel).deliver(message)).state is DeliveryState.SENT


async def test_a_public_update_that_failed_is_sent_again(
    outbox: Outbox, channel: RecordingChannel
) -> None:
    """What certainly did not go out may be posted."""
    message = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE)
    outbox.write(message, DeliveryState.FAILED, NOW)
    assert (await _postman(outbox, channel).deliver(message)).state is DeliveryState.SENT


@pytest.mark.parametrize("mode", ["outbox", "live"])
async def test_the_status_page_is_a_file_in_both_modes(outbox: Outbox, mode: Mode) -> None:
    """What is published leaves a file that says sent, whatever the mode, and once only."""
    message = an_outgoing(
        purpose=Purpose.EXTERNAL_UPDATE, channel="status_page", recipient="status_page"
    )
    postman = _postman(outbox, mode=mode)
    for _ in range(2):
        assert (await postman.deliver(message)).state is DeliveryState.SENT
    assert len(list(outbox.folder.iterdir())) == 1


async def test_a_broken_outbox_does_not_stop_a_page(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """Disk full or folder gone: the page goes out, and its outcome tells of the fault."""
    (tmp_path / "outbox").write_text("a file where the folder should be")
    delivery = await _postman(Outbox(tmp_path / "outbox"), channel).deliver(an_outgoing())
    assert delivery.state is DeliveryState.SENT
    assert "the outbox could not be used" in delivery.detail
    assert len(channel.sent) == 1


async def test_a_broken_outbox_stops_a_public_update(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """Without a note nobody could tell later whether the public has it: it waits."""
    (tmp_path / "outbox").write_text("a file where the folder should be")
    message = an_outgoing(purpose=Purpose.EXTERNAL_UPDATE)
    delivery = await _postman(Outbox(tmp_path / "outbox"), channel).deliver(message)
    assert (delivery.state, delivery.retryable) == (DeliveryState.FAILED, True)
    assert channel.sent == []


async def test_a_disk_that_hangs_does_not_hold_up_a_page(
    tmp_path: Path, channel: RecordingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at a hung disk costs a moment, then the page goes."""

    over = threading.Event()

    class Hanging(Outbox):
        def state_of(self, message: Outgoing) -> DeliveryState | None:
            over.wait(20.0)
            return None

        def write(self, *args: Any, **kwargs: Any) -> Path:
            over.wait(20.0)
            return tmp_path

    monkeypatch.setattr("activities.delivery.NOTE_SECONDS", 0.05)
    started = time.monotonic()
    delivery = await _postman(Hanging(tmp_path), channel).deliver(an_outgoing())
    took = time.monotonic() - started
    over.set()
    assert delivery.state is DeliveryState.SENT
    assert took < 15


async def test_failure_is_an_answer(outbox: Outbox, channel: RecordingChannel) -> None:
    """The reason, whether to retry and when come back, and the file says failed."""
    channel.fails["alice@example.com"] = DeliveryError(
        DeliveryReason.RATE_LIMITED, "too many", retryable=True, retry_after_seconds=7
    )
    delivery = await _postman(outbox, channel).deliver(an_outgoing())
    assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, "rate_limited")
    assert (delivery.retryable, delivery.retry_after_seconds) == (True, 7)
    assert outbox.state_of(an_outgoing()) is DeliveryState.FAILED


@pytest.mark.parametrize(
    ("purpose", "state", "retryable"),
    [
        (Purpose.PAGE, DeliveryState.UNCERTAIN, True),
        (Purpose.EXTERNAL_UPDATE, DeliveryState.HELD, False),
    ],
)
async def test_what_a_lost_answer_leaves_behind(
    outbox: Outbox,
    channel: RecordingChannel,
    purpose: Purpose,
    state: DeliveryState,
    retryable: bool,
) -> None:
    """What may have gone out is sent again as a page; in public it is held."""
    channel.fails["alice@example.com"] = AnswerLostError(DeliveryReason.TIMED_OUT, "no answer")
    delivery = await _postman(outbox, channel).deliver(an_outgoing(purpose=purpose))
    assert (delivery.state, delivery.retryable) == (state, retryable)
    assert outbox.state_of(an_outgoing(purpose=purpose)) is state


@pytest.mark.parametrize(
    ("purpose", "state", "retryable"),
    [
        (Purpose.PAGE, DeliveryState.FAILED, True),
        (Purpose.EXTERNAL_UPDATE, DeliveryState.HELD, False),
    ],
)
async def test_an_unknown_fault_in_a_channel_is_not_lost(
    outbox: Outbox,
    channel: RecordingChannel,
    purpose: Purpose,
    state: DeliveryState,
    retryable: bool,
) -> None:
    """A channel with a bug fails that attempt, and names the exception without its text."""
    channel.fails["alice@example.com"] = KeyError("secret")
    delivery = await _postman(outbox, channel).deliver(an_outgoing(purpose=purpose))
    assert (delivery.state, delivery.retryable) == (state, retryable)
    assert delivery.reason == "server_error"
    assert "KeyError" in delivery.detail
    assert "secret" not in delivery.detail


async def test_no_attempt_outlives_its_deadline(outbox: Outbox) -> None:
    """A channel that never answers is timed out by the postman."""

    class Endless(RecordingChannel):
        async def send(self, message: Outgoing) -> Receipt:
            await asyncio.sleep(60)
            return Receipt()

    delivery = await _postman(outbox, Endless(), deadline_seconds=0.1).deliver(an_outgoing())
    assert (delivery.state, delivery.reason) == (DeliveryState.UNCERTAIN, "timed_out")
    assert delivery.retryable
    assert outbox.state_of(an_outgoing()) is DeliveryState.UNCERTAIN


async def test_a_channel_that_is_not_configured_says_so(outbox: Outbox) -> None:
    """A live message for a channel without settings fails for good, with that reason."""
    postman = _postman(outbox, RecordingChannel(configured=False))
    for message in (an_outgoing(), an_outgoing(channel="pigeon")):
        delivery = await postman.deliver(message)
        assert (delivery.reason, delivery.retryable) == ("not_configured", False)


def test_usable_contacts_keep_their_number(outbox: Outbox) -> None:
    """Live skips what cannot page, each with a sentence; `outbox` takes every contact."""
    contacts = [Contact(channel=c, to="x") for c in ("sms", "email", "feed", "fax")]
    channels = [
        RecordingChannel(),
        RecordingChannel("feed", pages=False),
        RecordingChannel("fax", configured=False),
    ]
    usable = _postman(outbox, *channels).usable_contacts("alice", contacts)
    assert [index for index, _ in usable.contacts] == [1]
    assert usable.skipped == [
        "contact 1 of alice is skipped: this Tocsin has no channel sms",
        "contact 3 of alice is skipped: channel feed is not fit for pages",
        "contact 4 of alice is skipped: channel fax is not configured",
    ]
    informing = _postman(outbox, *channels).usable_contacts("alice", contacts, pages=False)
    assert [index for index, _ in informing.contacts] == [1, 2]
    every = _postman(outbox, *channels, mode="outbox").usable_contacts("alice", contacts)
    assert len(every.contacts) == 4
    assert every.skipped == []


async def test_a_slow_file_that_is_the_message_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With delivery `outbox` a slow disk delays a message, where it would not delay a live page."""

    class Slow(Outbox):
        def write(self, *args: Any, **kwargs: Any) -> Path:
            time.sleep(0.1)
            return super().write(*args, **kwargs)

    monkeypatch.setattr("activities.delivery.NOTE_SECONDS", 0.02)
    postman = _postman(Slow(tmp_path / "outbox"), mode="outbox")
    assert (await postman.deliver(an_outgoing())).state is DeliveryState.SENT

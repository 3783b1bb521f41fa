"""What holds for every channel: each way a vendor can answer, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from activities.channels import CHANNELS
from activities.channels.base import AnswerLostError, Channel
from activities.channels.email import EmailChannel, EmailSettings
from domain.errors import DeliveryError, DeliveryReason
from tests.fakes.organisation import an_outgoing
from tests.fakes.sendgrid import KEY, SendGridFake, closed_port, sendgrid_fake


class Rig(NamedTuple):
    """A channel in front of a fake of its vendor."""

    channel: Channel
    fake: SendGridFake


@asynccontextmanager
async def _email() -> AsyncIterator[Rig]:
    with sendgrid_fake() as fake:
        settings = {"sendgrid_api_key": KEY, "sendgrid_base_url": fake.url, "sendgrid_timeout": 0.4}
        yield Rig(EmailChannel(EmailSettings.model_validate(settings)), fake)


RIGS: dict[str, Callable[[], Any]] = {"email": _email}


@pytest.fixture(params=sorted(CHANNELS))
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    assert request.param in RIGS, f"give channel {request.param} a fake vendor in RIGS"
    async with RIGS[request.param]() as made:
        yield made


async def _error(rig: Rig) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await rig.channel.send(an_outgoing(channel=rig.channel.name))
    return caught.value


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_a_channel_is_registered_under_its_own_name(name: str) -> None:
    """The registry's name is the channel's, and without settings nothing is configured."""
    registered = CHANNELS[name]
    channel = registered.channel(registered.settings())
    assert (channel.name, channel.is_configured) == (name, False)


async def test_a_message_that_is_taken_yields_a_receipt(rig: Rig) -> None:
    """A success carries the vendor's id, and the vendor holds key and incident."""
    receipt = await rig.channel.send(an_outgoing(channel=rig.channel.name))
    assert receipt.vendor_id
    assert len(rig.fake.accepted) == 1


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (400, DeliveryReason.REJECTED, False),
        (401, DeliveryReason.UNAUTHORISED, False),
        (403, DeliveryReason.UNAUTHORISED, False),
        (404, DeliveryReason.REJECTED, False),
        (413, DeliveryReason.REJECTED, False),
        (429, DeliveryReason.RATE_LIMITED, True),
        (500, DeliveryReason.SERVER_ERROR, True),
        (503, DeliveryReason.SERVER_ERROR, True),
    ],
)
async def test_a_refusal_is_sorted_by_whether_it_may_pass(
    rig: Rig, status: int, reason: DeliveryReason, retryable: bool
) -> None:
    """What may succeed later is retried, what stays wrong is not; no attempt retries by itself."""
    rig.fake.status = status
    error = await _error(rig)
    assert (error.reason, error.retryable, rig.fake.calls) == (reason, retryable, 1)
    assert KEY not in error.detail


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("99999", 3600.0), ("soon", None)])
async def test_the_wait_that_a_vendor_asks_for_is_handed_on(
    rig: Rig, value: str, seconds: float | None
) -> None:
    """Retry-After of a 429 reaches whoever retries; nonsense in it is ignored."""
    rig.fake.status, rig.fake.headers = 429, {"Retry-After": value}
    assert (await _error(rig)).retry_after_seconds == seconds


async def test_a_date_as_retry_after_is_understood(rig: Rig) -> None:
    """Retry-After may be a date; one that has passed means now."""
    rig.fake.status, rig.fake.headers = 429, {"Retry-After": "Mon, 23 Nov 2020 10:00:00 GMT"}
    assert (await _error(rig)).retry_after_seconds == 0.0


async def test_a_vendor_that_hangs_is_given_up_in_time(rig: Rig) -> None:
    """A hung vendor costs the timeout, and may have taken the message."""
    rig.fake.mood = "hang"
    started = time.monotonic()
    error = await _error(rig)
    assert time.monotonic() - started < 2
    assert (error.reason, error.retryable) == (DeliveryReason.TIMED_OUT, True)
    assert isinstance(error, AnswerLostError)


async def test_a_hung_vendor_does_not_hold_up_other_messages(rig: Rig) -> None:
    """Forty calls that hang at once all end in about the time of one."""
    rig.fake.mood = "hang"
    started = time.monotonic()
    await asyncio.gather(*(_error(rig) for _ in range(40)))
    assert time.monotonic() - started < 3


async def test_a_connection_that_drops_may_have_delivered(rig: Rig) -> None:
    """A connection closed without an answer is retried, and says that it may have gone out."""
    rig.fake.mood = "drop"
    error = await _error(rig)
    assert (error.reason, error.retryable) == (DeliveryReason.UNREACHABLE, True)
    assert isinstance(error, AnswerLostError)


async def test_a_redirect_is_not_followed(rig: Rig) -> None:
    """The key never travels to another address, and a redirect is no success."""
    rig.fake.status, rig.fake.headers = 302, {"Location": f"{rig.fake.url}/elsewhere"}
    error = await _error(rig)
    assert (error.reason, error.retryable) == (DeliveryReason.REJECTED, False)


async def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    """A refused connection certainly delivered nothing, and is retried."""
    url = f"http://127.0.0.1:{closed_port()}"
    settings = {"sendgrid_api_key": KEY, "sendgrid_base_url": url, "sendgrid_timeout": 2}
    with pytest.raises(DeliveryError) as caught:
        await EmailChannel(EmailSettings.model_validate(settings)).send(an_outgoing())
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.UNREACHABLE, True)
    assert not isinstance(caught.value, AnswerLostError)

"""What holds for every channel: each way a vendor can answer, on real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from activities.channels import CHANNELS
from activities.channels.base import AnswerLostError
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from tests.activities.channels.rigs import LINK, RIGS, Bench, given_up
from tests.patience import a_closed_port

HOSTILE = "<!channel> & <script>alert(1)</script> \x1b[31m\x00\u202e" + "Zahlung gestört. " * 400


@asynccontextmanager
async def at_the_bench(name: str, url: str = "", **settings: Any) -> AsyncIterator[Bench]:
    """The channel before its fake, which must not have been asked for anything that it would refuse."""
    assert name in RIGS, f"give channel {name} a fake vendor: an entry in RIGS, rigs.py"
    with RIGS[name].fake() as fake:
        bench = Bench(name, fake, url, **settings)
        try:
            yield bench
            assert fake.refused == []
        finally:
            await bench.aclose()


PAGING = sorted(name for name in CHANNELS if CHANNELS[name].channel.capabilities.pages)


@pytest.fixture(params=sorted(CHANNELS))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with at_the_bench(request.param) as made:
        yield made


async def _error(bench: Bench, **changes: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await bench.channel.send(bench.message(**changes))
    return caught.value


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_every_channel_has_a_fake_vendor(name: str) -> None:
    """A channel without a strict fake has never been seen to fail: give it an entry in `RIGS`."""
    assert name in RIGS, (
        f"channel {name} has no fake vendor: write tests/fakes/{name}.py with `VendorFake` "
        "and add an entry to RIGS in tests/activities/channels/rigs.py"
    )


def test_no_fake_vendor_is_left_over() -> None:
    """What is tested here is what is registered."""
    assert set(RIGS) == set(CHANNELS)


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_a_channel_is_registered_under_its_own_name(name: str) -> None:
    """The registry's name is the channel's, and without settings nothing is configured."""
    registered = CHANNELS[name]
    channel = registered.channel(registered.settings())
    assert (channel.name, channel.is_configured) == (name, False)


@pytest.mark.parametrize("name", sorted(CHANNELS))
async def test_an_unset_channel_says_so(name: str) -> None:
    """A channel without settings refuses at once and for good, instead of failing in its vendor's way."""
    registered = CHANNELS[name]
    async with at_the_bench(name) as bench:
        with pytest.raises(DeliveryError) as caught:
            await registered.channel(registered.settings()).send(bench.message())
        assert bench.fake.calls == 0
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.NOT_CONFIGURED, False)


async def test_a_message_that_is_taken_yields_a_receipt(bench: Bench) -> None:
    """One page is one request, and where the vendor names its messages the receipt has that name."""
    assert bench.channel.is_configured
    receipt = await bench.channel.send(bench.message())
    assert bool(receipt.vendor_id) or not bench.rig.names_its_messages
    assert (bench.fake.calls, len(bench.fake.accepted)) == (1, 1)


async def test_a_receipt_is_awaited_only_where_one_comes(bench: Bench) -> None:
    """Only a vendor that confirms, and that was told where, is waited for."""
    confirms = bench.channel.capabilities.confirms_delivery
    assert (await bench.channel.send(bench.message())).awaits_receipt is confirms
    assert not (await bench.channel.send(bench.message(answer=None))).awaits_receipt


@pytest.mark.parametrize("name", PAGING)
async def test_a_page_says_how_it_is_answered(name: str) -> None:
    """The way to answer is in what the vendor gets, and a message that needs no answer has none."""
    async with at_the_bench(name) as bench:
        await bench.channel.send(bench.message())
        await bench.channel.send(bench.message(answer=None, purpose=Purpose.ROLE))
        with_answer, without = bench.fake.accepted
    assert LINK in str(with_answer) or "answer/voice/TOKEN-of-alice" in str(with_answer)
    assert "TOKEN" not in str(without)


async def test_hostile_and_endless_text_goes_out_tamed(bench: Bench) -> None:
    """Markup, control characters and 7,000 letters are taken by a vendor that refuses all of them."""
    subject = "checkout-17 SEV1 " + HOSTILE.replace("\x00", "").replace("\x1b", "")
    text = HOSTILE
    await bench.channel.send(bench.message(subject=subject, text=text, html=None))
    assert len(bench.fake.accepted) == 1


async def test_a_text_of_nothing_is_a_page_all_the_same(bench: Bench) -> None:
    """A template that yields no text must not cost the page."""
    await bench.channel.send(bench.message(text="", html=None))
    assert len(bench.fake.accepted) == 1


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
    bench: Bench, status: int, reason: DeliveryReason, retryable: bool
) -> None:
    """What may succeed later is retried, what stays wrong is not; no attempt retries by itself."""
    bench.fake.status = status
    error = await _error(bench)
    assert (error.reason, error.retryable, bench.fake.calls) == (reason, retryable, 1)
    assert not isinstance(error, AnswerLostError)
    assert str(status) in error.detail


@pytest.mark.parametrize("name", sorted(name for name in RIGS if RIGS[name].wrong_secret))
async def test_a_wrong_key_is_unauthorised(name: str) -> None:
    """A vendor that does not know us is not asked again."""
    with RIGS[name].fake() as fake:
        bench = Bench(name, fake, **RIGS[name].wrong_secret)
        error = await _error(bench)
        await bench.aclose()
    assert (error.reason, error.retryable) == (DeliveryReason.UNAUTHORISED, False)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("99999", 3600.0), ("soon", None)])
async def test_the_wait_that_a_vendor_asks_for_is_handed_on(
    bench: Bench, value: str, seconds: float | None
) -> None:
    """Retry-After of a 429 reaches whoever retries; nonsense in it is ignored."""
    bench.fake.status, bench.fake.headers = 429, {"Retry-After": value}
    assert (await _error(bench)).retry_after_seconds == seconds


async def test_a_date_as_retry_after_is_understood(bench: Bench) -> None:
    """Retry-After may be a date; one that has passed means now."""
    bench.fake.status = 429
    bench.fake.headers = {"Retry-After": "Mon, 23 Nov 2020 10:00:00 GMT"}
    assert (await _error(bench)).retry_after_seconds == 0.0


@pytest.mark.parametrize("mood", ["hang", "drip", "accept_then_hang"])
async def test_a_vendor_without_an_answer_is_given_up_in_time(bench: Bench, mood: str) -> None:
    """A vendor that hangs, or that sends a byte at a time, costs the timeout and may have taken it."""
    await bench.lose_patience()
    bench.fake.mood = mood
    took: list[float] = []

    async def send() -> None:
        started = time.monotonic()
        try:
            await bench.channel.send(bench.message())
        finally:
            took.append(time.monotonic() - started)

    error = await given_up(send, bench.fake)
    assert took[-1] < 8
    assert (error.reason, error.retryable) == (DeliveryReason.TIMED_OUT, True)
    assert isinstance(error, AnswerLostError)


async def test_a_hung_vendor_does_not_hold_up_other_messages(bench: Bench) -> None:
    """Forty calls that hang at once all end in about the time of one."""
    await bench.lose_patience()
    bench.fake.mood = "hang"
    started = time.monotonic()
    await asyncio.gather(*(_error(bench) for _ in range(40)))
    assert time.monotonic() - started < 12, "one after the other takes 16 s"


@pytest.mark.parametrize("mood", ["drop", "accept_then_drop"])
async def test_a_connection_that_drops_may_have_delivered(bench: Bench, mood: str) -> None:
    """A connection closed without an answer is retried, and says that it may have gone out."""
    bench.fake.mood = mood
    error = await _error(bench)
    assert (error.reason, error.retryable) == (DeliveryReason.UNREACHABLE, True)
    assert isinstance(error, AnswerLostError)


async def test_a_redirect_is_not_followed(bench: Bench) -> None:
    """The key never travels to another address, and a redirect is no success."""
    bench.fake.status, bench.fake.headers = 302, {"Location": f"{bench.fake.url}/elsewhere"}
    error = await _error(bench)
    assert (error.reason, error.retryable) == (DeliveryReason.REJECTED, False)


@pytest.mark.parametrize("name", sorted(name for name in RIGS if RIGS[name].names_its_messages))
@pytest.mark.parametrize("body", ["<html>Log in</html>", "[]", '{"status": "fine"}'])
async def test_a_success_of_something_else_is_none(name: str, body: str) -> None:
    """A login page or a proxy that says 200 has paged nobody; it is tried again."""
    async with at_the_bench(name) as bench:
        bench.fake.status, bench.fake.body = 200, body
        error = await _error(bench)
        assert not error.reason.startswith("sent")
        assert isinstance(error, AnswerLostError) or name == "slack"


@pytest.mark.parametrize("name", sorted(RIGS))
async def test_a_port_that_nobody_listens_on_is_unreachable(name: str) -> None:
    """A refused connection certainly delivered nothing, and is retried."""
    with a_closed_port() as port:
        async with at_the_bench(name, f"http://127.0.0.1:{port}") as bench:
            error = await _error(bench)
    assert (error.reason, error.retryable) == (DeliveryReason.UNREACHABLE, True)
    assert not isinstance(error, AnswerLostError)


@pytest.mark.parametrize("name", sorted(RIGS))
async def test_a_name_that_does_not_resolve_is_unreachable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS that knows no such host certainly delivered nothing, and is retried."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in ("vendor.test", b"vendor.test"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with at_the_bench(name, "http://vendor.test:8080") as bench:
        error = await _error(bench)
    assert (error.reason, error.retryable) == (DeliveryReason.UNREACHABLE, True)
    assert not isinstance(error, AnswerLostError)


async def test_a_proxy_of_the_environment_is_not_used(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can set a variable does not get to read the pages."""
    with a_closed_port() as port:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            for variable in (name, name.lower()):
                monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
        for variable in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(variable, raising=False)
        await bench.channel.send(bench.message())
    assert len(bench.fake.accepted) == 1


@pytest.mark.parametrize("name", sorted(RIGS))
async def test_a_proxy_that_was_named_on_purpose_is_used(name: str) -> None:
    """With TOCSIN_CHANNEL_PROXY nothing goes past it: a proxy that is down is a vendor out of reach."""
    with a_closed_port() as port:
        proxy = f"http://127.0.0.1:{port}"
        async with at_the_bench(name, tocsin_channel_proxy=proxy) as bench:
            error = await _error(bench)
            assert bench.fake.calls == 0
    assert (error.reason, error.retryable) == (DeliveryReason.UNREACHABLE, True)


async def test_no_secret_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Keys, answer tokens and passwords in contacts stand in no log, at any level, and in no error."""
    caplog.set_level(logging.DEBUG)
    message = bench.message()
    await bench.channel.send(message)
    told = [repr(message.answer), repr(bench.channel)]
    await bench.lose_patience()
    for status, mood in ((401, "answer"), (500, "answer"), (0, "drop"), (0, "hang")):
        bench.fake.status, bench.fake.mood = status, mood
        error = await _error(bench)
        told += [error.detail, repr(error), str(error)]
    for secret in (bench.rig.secret, "TOKEN-of-alice"):
        assert secret not in caplog.text
        assert secret not in "\n".join(told)


@pytest.mark.parametrize("name", sorted(CHANNELS))
@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "3600", "never"])
def test_no_call_may_last_for_ever(name: str, seconds: str) -> None:
    """Each channel has a timeout of its own, which is finite and not longer than a minute."""
    settings = CHANNELS[name].settings
    timeouts = [variable for variable in settings.variables() if variable.endswith("_TIMEOUT")]
    assert timeouts, f"channel {name} has no timeout"
    with pytest.raises(ValidationError):
        settings.from_environment(dict.fromkeys(timeouts, seconds))


@pytest.mark.parametrize("name", sorted(CHANNELS))
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host", "host", "https://", "https://user:pw@host/"]
)
def test_a_vendor_is_reached_by_http_only(name: str, url: str) -> None:
    """A base URL is http or https and holds no password; nothing of a wrong one is shown."""
    settings = CHANNELS[name].settings
    for variable in settings.variables():
        if variable.endswith("_BASE_URL") or variable == "TOCSIN_CHANNEL_PROXY":
            if variable == "TOCSIN_CHANNEL_PROXY" and url.startswith("https://user"):
                continue  # a proxy may want a password
            with pytest.raises(ValidationError) as caught:
                settings.from_environment({variable: url})
            assert "user:pw" not in str(caught.value)

"""Mastodon: posted once whatever happens, read back, never anything but the public text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.channels.base import AnswerLostError, Outgoing, ReadsBack
from activities.channels.mastodon import MastodonChannel, MastodonSettings
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from tests.activities.channels.rigs import IMPATIENT_SECONDS, RIGS, an_update, given_up
from tests.fakes.mastodon import Server, mastodon_fake
from tests.fakes.organisation import an_outgoing
from tests.fakes.vendor import VendorFake

AT = datetime.now(UTC)


def _message(key: str = "checkout-17/external/2/audience:public/0", **said: Any) -> Outgoing:
    return an_outgoing(
        key=key,
        text="",
        purpose=Purpose.EXTERNAL_UPDATE,
        channel="mastodon",
        update=an_update(at=AT, **said),
    )


@asynccontextmanager
async def _account(**settings: Any) -> AsyncIterator[tuple[MastodonChannel, Server, VendorFake]]:
    server = Server()
    with mastodon_fake(server) as fake:
        async with _channel(fake, **settings) as channel:
            assert isinstance(channel, ReadsBack)
            yield channel, server, fake
    assert fake.refused == []


@asynccontextmanager
async def _channel(fake: VendorFake, **settings: Any) -> AsyncIterator[MastodonChannel]:
    """One more worker's, of the same account."""
    wanted = RIGS["mastodon"].settings(fake.url) | settings
    channel = MastodonChannel(MastodonSettings.model_validate(wanted))
    try:
        yield channel
    finally:
        await channel.aclose()


async def test_the_post_is_what_the_public_may_know() -> None:
    """Title, text, next update and link; nothing of severity or of the incident's number."""
    async with _account(mastodon_language="de", mastodon_visibility="unlisted") as (
        channel,
        _,
        fake,
    ):
        await channel.send(_message())
    (post,) = fake.accepted
    assert post["status"] == (
        "Working on issues with Checkout\n\nSome payments by card fail. We have found the cause.\n\n"
        "Next update: 2026-11-24 14:07 UTC\nhttps://status.example.com"
    )
    assert (post["visibility"], post["language"]) == ("unlisted", "de")
    assert "SEV1" not in str(post)
    assert "checkout-17" not in str(post)


async def test_a_repeat_within_the_hour_is_one_post() -> None:
    """The answer was lost; the same key again is the post that is there."""
    async with _account(mastodon_timeout=IMPATIENT_SECONDS) as (channel, server, fake):
        fake.mood = "accept_then_hang"
        lost = await given_up(lambda: channel.send(_message()), fake)
        assert isinstance(lost, AnswerLostError)
        fake.mood = "answer"
        async with _channel(fake) as patient:
            receipt = await patient.send(_message())
        assert [post["id"] for post in server.posts] == [receipt.vendor_id]


@pytest.mark.parametrize("mood", ["accept_then_hang", "accept_then_drop"])
async def test_what_was_taken_is_found(mood: str) -> None:
    """After an answer that was lost, the post is read back, however Mastodon marks it up."""
    async with _account(mastodon_timeout=IMPATIENT_SECONDS) as (channel, server, fake):
        fake.mood = mood
        said = 'See https://e.com/a?b=1&c=2 – "down" <b>& out</b>, @bob\n\nNew paragraph\nand line'
        lost = await given_up(lambda: channel.send(_message(text=said)), fake)
        assert isinstance(lost, AnswerLostError)
        server.post("something else, by hand")
        async with _channel(fake) as patient:
            found = await patient.find(_message(text=said))
        assert found is not None
        assert found.vendor_id == server.posts[0]["id"]


async def test_what_was_never_taken_is_certainly_not_there() -> None:
    """The connection broke before anything was taken: it may be sent again."""
    async with _account() as (channel, server, fake):
        server.post("an older post", AT - timedelta(days=1))
        fake.mood = "drop"
        with pytest.raises(AnswerLostError):
            await channel.send(_message())
        assert await channel.find(_message()) is None


async def test_the_same_words_of_an_earlier_incident_are_not_it() -> None:
    """A post of yesterday with the same text does not count as today's."""
    async with _account() as (channel, server, _):
        await channel.send(_message())
        server.posts[0]["created_at"] = (AT - timedelta(days=1)).isoformat()
        assert await channel.find(_message()) is None


async def test_it_reads_on_until_it_can_tell() -> None:
    """A busy account has several pages of posts; where even five do not reach back, it cannot tell."""
    async with _account() as (channel, server, _):
        await channel.send(_message())
        for number in range(90):
            server.post(f"chatter {number}")
        assert await channel.find(_message()) is not None
        for number in range(200):
            server.post(f"more chatter {number}")
        with pytest.raises(DeliveryError, match="more than 200 posts") as caught:
            await channel.find(_message())
        assert caught.value.retryable


@pytest.mark.parametrize(("status", "body"), [(500, "{}"), (200, "<html>"), (200, "{}")])
async def test_a_server_that_does_not_say_is_no_no(status: int, body: str) -> None:
    """What cannot be read is never taken for "it is not there"."""
    async with _account() as (channel, _, fake):
        fake.aside = lambda request: body if status == 200 else None
        with pytest.raises(DeliveryError) as caught:
            await channel.find(_message())
        assert caught.value.reason is DeliveryReason.SERVER_ERROR or status != 200
        fake.refused.clear()


async def test_the_wait_is_mastodons_own() -> None:
    """Mastodon names the instant until which it wants to be left alone."""
    async with _account() as (channel, _, fake):
        until = (datetime.now(UTC) + timedelta(seconds=900)).isoformat()
        fake.status, fake.headers = 429, {"X-RateLimit-Reset": until}
        with pytest.raises(DeliveryError) as caught:
            await channel.send(_message())
    assert 800 <= (caught.value.retry_after_seconds or 0) <= 900

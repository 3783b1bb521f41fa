"""Bluesky: one record for each update whatever happens, links as facets, sessions that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.channels.base import AnswerLostError, Outgoing, ReadsBack
from activities.channels.bluesky import BlueskyChannel, BlueskySettings, record_key, with_links
from activities.channels.posts import Post
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from tests.activities.channels.rigs import IMPATIENT_SECONDS, RIGS, an_update, given_up
from tests.fakes.bluesky import Server, bluesky_fake
from tests.fakes.organisation import NOW, an_outgoing
from tests.fakes.vendor import VendorFake

LINK = "https://status.example.com"


def _message(key: str = "checkout-17/external/2/audience:public/0", **said: Any) -> Outgoing:
    return an_outgoing(
        key=key,
        text="",
        purpose=Purpose.EXTERNAL_UPDATE,
        channel="bluesky",
        update=an_update(**said),
    )


@asynccontextmanager
async def _account(**settings: Any) -> AsyncIterator[tuple[BlueskyChannel, Server, VendorFake]]:
    server = Server()
    with bluesky_fake(server) as fake:
        async with _channel(fake, **settings) as channel:
            assert isinstance(channel, ReadsBack)
            yield channel, server, fake
    assert fake.refused == []


@asynccontextmanager
async def _channel(fake: VendorFake, **settings: Any) -> AsyncIterator[BlueskyChannel]:
    """One more worker's, of the same account."""
    wanted = RIGS["bluesky"].settings(fake.url) | settings
    channel = BlueskyChannel(BlueskySettings.model_validate(wanted))
    try:
        yield channel
    finally:
        await channel.aclose()


async def test_the_post_is_what_the_public_may_know() -> None:
    """Title, text, next update and a link that works; nothing of severity or of the incident's number."""
    async with _account(bluesky_language="de") as (channel, _, fake):
        await channel.send(_message())
    (record,) = fake.accepted
    assert record["text"].startswith("Working on issues with Checkout\n\nSome payments")
    assert record["text"].endswith("\nstatus.example.com")
    assert record["facets"][0]["features"][0]["uri"] == LINK
    assert (record["langs"], record["createdAt"]) == (["de"], "2026-11-24T14:07:00.000Z")
    assert "SEV1" not in str(record)
    assert "checkout-17" not in str(record)


@pytest.mark.parametrize("mood", ["accept_then_hang", "accept_then_drop"])
async def test_a_repeat_is_the_same_post(mood: str) -> None:
    """The answer was lost: it is found there, and sent again it is written over itself."""
    async with _account(bluesky_timeout=IMPATIENT_SECONDS) as (channel, server, fake):
        fake.mood = mood
        lost = await given_up(lambda: channel.send(_message()), fake)
        assert isinstance(lost, AnswerLostError)
        fake.mood = "answer"
        async with _channel(fake) as patient:
            found, sent = await patient.find(_message()), await patient.send(_message())
        assert found is not None
        assert found.vendor_id == sent.vendor_id
        assert (len(server.records), server.writes) == (1, 2)


async def test_what_was_never_taken_is_certainly_not_there() -> None:
    """The record's absence is said by Bluesky itself."""
    async with _account() as (channel, server, fake):
        fake.mood = "drop"
        with pytest.raises(AnswerLostError):
            await channel.send(_message())
        assert await channel.find(_message()) is None
        assert server.records == {}


async def test_two_updates_are_two_posts() -> None:
    """Even of the same instant, and with the same words."""
    async with _account() as (channel, server, _):
        await channel.send(_message("a"))
        await channel.send(_message("b"))
        assert len(server.records) == 2


async def test_a_session_is_begun_once() -> None:
    """An account may begin a few hundred a day: twenty posts at once share one."""
    async with _account() as (channel, server, _):
        await asyncio.gather(*(channel.send(_message(str(number))) for number in range(20)))
        assert (server.sessions, len(server.records)) == (1, 20)


async def test_a_session_that_has_ended_is_begun_anew() -> None:
    """After some hours the token is refused; the post is sent with a new one, in the same attempt."""
    async with _account() as (channel, server, _):
        await channel.send(_message("a"))
        server.has_expired = True
        await channel.send(_message("b"))
        assert (server.sessions, len(server.records)) == (2, 2)


async def test_a_password_that_was_withdrawn_is_told() -> None:
    """It does not help to try again, and the password is not shown."""
    async with _account(bluesky_app_password="withdrawn") as (channel, _, fake):
        with pytest.raises(DeliveryError) as caught:
            await channel.send(_message())
        fake.refused.clear()
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.UNAUTHORISED, False)
    assert "withdrawn" not in caught.value.detail


async def test_a_sign_in_that_hangs_has_posted_nothing() -> None:
    """The answer to the sign-in was lost: nothing can be in public, and it is simply tried again."""
    async with _account(bluesky_timeout=IMPATIENT_SECONDS) as (channel, _, fake):
        fake.aside, fake.mood = lambda request: None, "hang"
        with pytest.raises(DeliveryError) as caught:
            await channel.send(_message())
        fake.refused.clear()
    assert not isinstance(caught.value, AnswerLostError)
    assert caught.value.retryable


@given(key=st.text(), seconds=st.integers(0, 2_000_000_000))
def test_a_key_is_a_timestamp_of_its_instant(key: str, seconds: int) -> None:
    """Records are ordered by when the update was published, and the same update has the same key."""
    at = NOW + timedelta(seconds=seconds)
    made = record_key(key, at)
    assert made == record_key(key, at)
    assert len(made) == 13
    assert made < record_key(key, at + timedelta(milliseconds=2))


@given(text=st.text(max_size=80))
def test_a_link_is_where_its_facet_says(text: str) -> None:
    """Facets count bytes: whatever stands before a link, the bytes are those of the link."""
    post = Post(f"{text} https://e.com/a {text}", LINK)
    shown, facets = with_links(post)
    pieces = {
        facet["features"][0]["uri"]: shown.encode("utf-8", "replace")[
            facet["index"]["byteStart"] : facet["index"]["byteEnd"]
        ].decode()
        for facet in facets
    }
    assert pieces["https://e.com/a"] == "https://e.com/a"
    assert pieces[LINK] == "status.example.com"

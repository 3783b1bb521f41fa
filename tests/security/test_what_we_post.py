"""What leaves for the outside: no webhook is turned on our own network, no text does more than read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.channels import build_channels
from activities.channels.base import Channel, Outgoing
from activities.channels.bluesky import BlueskyChannel, BlueskySettings
from activities.channels.mastodon import MastodonChannel, MastodonSettings
from activities.channels.outbox import Outbox
from activities.channels.webhook import WebhookChannel, WebhookSettings
from activities.channels.x import XChannel, XSettings
from activities.delivery import Postman
from activities.egress import Egress
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import DeliveryState, Purpose
from domain.webhook_signing import endpoint_secret
from templates.filters import plain
from tests.activities.channels.rigs import RIGS, an_update
from tests.fakes.bluesky import bluesky_fake
from tests.fakes.mastodon import Server, mastodon_fake
from tests.fakes.organisation import an_outgoing
from tests.fakes.vendor import VendorFake, running
from tests.fakes.webhook import KEY, PATH, check, webhook_fake
from tests.fakes.x import x_fake
from tests.security.corpus import HOSTILE_TEXTS
from tests.starter.test_egress import HOSTILE_URLS, Names, a_canary, said

MENTIONS = (
    "@everyone", "@channel look", "thanks @bob", "(@bob@evil.example)", "\uff20bob", "x @_under",
    "<@U0000> <!here>", "**@bold**", "[@masked](https://evil.example)", "a\n@line", "@@twice",
)  # fmt: skip
TEXTS = [text for text in (*HOSTILE_TEXTS, *MENTIONS) if plain(text).strip() and len(text) < 10_000]


def _message(to: str = "", text: str = "Payments fail.", **changes: Any) -> Outgoing:
    update = an_update(text=text, at=datetime.now(UTC))
    data = {"purpose": Purpose.EXTERNAL_UPDATE, "to": to or "x", "text": "", "update": update}
    return an_outgoing(**data | changes)


def _webhook(egress: Egress | None = None, **variables: str) -> WebhookChannel:
    environment = {"WEBHOOK_SIGNING_KEY": KEY, **variables}
    return WebhookChannel(WebhookSettings.from_environment(environment), egress)


async def test_no_webhook_reaches_our_own_network() -> None:
    """Private ranges in every spelling, names that point at us, names that change: nothing connects."""
    lying = Names(
        rebinding=[["127.0.0.1"], ["93.184.216.34"]],
        two_faces=[["93.184.216.34", "127.0.0.1"]],
        odd=[["not an address"]],
        good=[["127.0.0.1"]],
    )
    with a_canary() as canary:
        channel = _webhook(Egress(resolve=lying, seconds=30))
        for url in HOSTILE_URLS:
            with pytest.raises(DeliveryError) as caught:
                await channel.send(_message(url.format(port=canary.port)))
            assert "secret" not in caught.value.detail, url
        assert canary.connects == 0


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/x", "http://93.184.216.34/x", "https://two-faces.example/"]
)
async def test_a_target_that_is_refused_is_not_asked_again(url: str) -> None:
    """It stays wrong: it fails for good, and says which setting allows what is meant."""
    lying = Names(two_faces=[["93.184.216.34", "127.0.0.1"]])
    with pytest.raises(DeliveryError, match="TOCSIN_EGRESS_ALLOW") as caught:
        await _webhook(Egress(resolve=lying, seconds=30)).send(_message(url))
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.REJECTED, False)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Again", "308 For good"])
async def test_no_redirect_is_followed(status: str) -> None:
    """A receiver that is allowed cannot send us on to one that is not, nor with its signature."""
    with (
        a_canary() as inside,
        a_canary(said(b"", status, f"Location: http://127.0.0.1:{inside.port}/")) as allowed,
    ):
        channel = _webhook(TOCSIN_EGRESS_ALLOW="127.0.0.1")
        with pytest.raises(DeliveryError) as caught:
            await channel.send(_message(f"http://127.0.0.1:{allowed.port}/"))
        assert (allowed.connects, inside.connects) == (1, 0)
    assert not caught.value.retryable


async def test_an_endless_answer_is_not_read() -> None:
    """Only the status counts: a receiver cannot fill our memory."""
    with a_canary(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000
    ) as big:
        channel = _webhook(TOCSIN_EGRESS_ALLOW="127.0.0.1")
        await channel.send(_message(f"http://127.0.0.1:{big.port}/"))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_a_hostile_text_is_text_to_a_receiver(text: str) -> None:
    """Whatever stands in it, the payload is one JSON object in which the text is one field."""
    with webhook_fake() as fake:
        channel = _webhook(TOCSIN_EGRESS_ALLOW="127.0.0.1")
        await channel.send(_message(fake.url + PATH, text))
    (got,) = fake.accepted
    assert fake.refused == []
    assert set(got) == {"type", "timestamp", "data", "id"}
    assert plain(text).startswith(got["data"]["text"].removesuffix("…"))


@pytest.fixture
def networks() -> Iterator[tuple[dict[str, VendorFake], dict[str, Channel], Server]]:
    """All three, each with an account of ours."""
    server = Server()
    with mastodon_fake(server) as mastodon, bluesky_fake() as bluesky, x_fake() as x:
        fakes = {"mastodon": mastodon, "bluesky": bluesky, "x": x}
        rigs = {name: RIGS[name].settings(fake.url) for name, fake in fakes.items()}
        channels: dict[str, Channel] = {
            "mastodon": MastodonChannel(MastodonSettings.model_validate(rigs["mastodon"])),
            "bluesky": BlueskyChannel(BlueskySettings.model_validate(rigs["bluesky"])),
            "x": XChannel(XSettings.model_validate(rigs["x"])),
        }
        yield fakes, channels, server


async def test_a_hostile_text_is_text_to_the_public(
    networks: tuple[dict[str, VendorFake], dict[str, Channel], Server],
) -> None:
    """Each network takes every text or is never asked; nobody is called, nothing is marked but links."""
    fakes, channels, server = networks
    refused: list[str] = []
    for number, text in enumerate(TEXTS):
        for name, channel in channels.items():
            try:
                await channel.send(_message(text=text, key=f"{name}/{number}"))
            except DeliveryError as error:
                refused.append(error.detail)
    for channel in channels.values():
        await channel.aclose()
    assert all("too long" in detail for detail in refused)
    assert len(refused) < len(TEXTS)
    assert server.mentioned == []
    for name, fake in fakes.items():
        assert fake.refused == [], name
        for post in fake.accepted:
            assert not set(map(ord, str(post.get("text") or post.get("status")))) & {0, 27, 0x202E}
    for record in fakes["bluesky"].accepted:
        for facet in record["facets"]:
            assert facet["features"][0]["uri"].startswith(("https://", "http://"))


async def test_no_secret_is_left_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Signing key, endpoint secret and the token in the address: in no log, no file, no outcome."""
    caplog.set_level(logging.DEBUG)
    deliveries = []
    with running(VendorFake(check)) as fake:
        url = fake.url + PATH
        environment = {"WEBHOOK_SIGNING_KEY": KEY, "TOCSIN_EGRESS_ALLOW": "127.0.0.1"}
        channels = build_channels(environment)
        outbox = Outbox(tmp_path / "outbox")
        postman = Postman("live", channels, outbox, lambda: datetime.now(UTC))
        for number, status in enumerate((0, 302, 401, 410, 500)):
            fake.status = status
            message = _message(url, channel="webhook", key=f"k{number}")
            deliveries.append(await postman.deliver(message))
        await postman.aclose()
    assert [one.state for one in deliveries] == [DeliveryState.SENT, *[DeliveryState.FAILED] * 4]
    written = "".join(file.read_text() for file in (tmp_path / "outbox").iterdir())
    told = [caplog.text, written, *(one.model_dump_json() for one in deliveries)]
    told += [repr(one) for one in channels.values()]
    for secret in (KEY, "hunter2", endpoint_secret(KEY, url).removeprefix("whsec_")):
        for one in told:
            assert secret not in one
    assert json.loads(next((tmp_path / "outbox").iterdir()).read_text())["to"] == "http://…"

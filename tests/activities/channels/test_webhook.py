"""Webhooks: what a receiver gets, by whom it is signed, and what becomes of each answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from activities.channels.base import Outgoing, ReadsBack
from activities.channels.webhook import MAX_BYTES, WebhookChannel, WebhookSettings, payload
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.status_page.ids import public_id
from domain.updates import Audience
from tests.activities.channels.rigs import an_update
from tests.fakes.organisation import an_outgoing
from tests.fakes.vendor import VendorFake
from tests.fakes.webhook import KEY, PATH, webhook_fake

PUBLIC = {
    "key", "incident", "component", "audience", "variant", "title", "text", "status", "started_at",
    "next_update_at", "url",
}  # fmt: skip
OURS = (PUBLIC - {"component"}) | {"number", "service", "service_name", "severity"}


def _message(purpose: Purpose = Purpose.EXTERNAL_UPDATE, to: str = "", **said: Any) -> Outgoing:
    side = Audience.INTERNAL if purpose is Purpose.INTERNAL_UPDATE else Audience.EXTERNAL
    return an_outgoing(
        purpose=purpose, channel="webhook", to=to or "x", update=an_update(side=side, **said)
    )


@asynccontextmanager
async def _receiver(**variables: str) -> AsyncIterator[tuple[WebhookChannel, str, VendorFake]]:
    with webhook_fake() as fake:
        environment = {"WEBHOOK_SIGNING_KEY": KEY, "TOCSIN_EGRESS_ALLOW": "127.0.0.1", **variables}
        channel = WebhookChannel(WebhookSettings.from_environment(environment))
        yield channel, fake.url + PATH, fake


def _data(message: Outgoing) -> dict[str, Any]:
    return dict(json.loads(payload(message)[0])["data"])


def test_the_outside_gets_what_is_public() -> None:
    """Exactly these fields: neither severity nor a person nor an alert's words."""
    data = _data(_message())
    assert set(data) == PUBLIC
    assert "SEV1" not in str(data)


def test_the_outside_gets_the_ids_of_the_status_page() -> None:
    """Neither our name of the incident nor the service's key leaves; by its id it is found on the page."""
    said = {"service": "shop-checkout-eu", "service_name": "Checkout"}
    data = _data(_message(**said))
    assert data["incident"] == public_id("incident", "checkout-17")
    assert data["key"] == public_id("update", "checkout-17/2")
    assert data["component"] == {
        "id": public_id("component", "shop-checkout-eu"),
        "name": "Checkout",
    }
    body = payload(_message(**said))[0].decode()
    assert "checkout-17" not in body
    assert "shop-checkout-eu" not in body


def test_an_update_of_the_first_version_tells_nothing_of_ours_either() -> None:
    """What an old incident publishes has only its text: its ids and severity stay inside, too."""
    message = an_outgoing(
        purpose=Purpose.EXTERNAL_UPDATE, channel="webhook", update=None, key="checkout-17/x/1",
        subject="Issues with Checkout",
    )  # fmt: skip
    body = payload(message)[0].decode()
    assert message.incident not in body
    assert message.severity not in body


def test_colleagues_get_the_severity_too() -> None:
    """An internal audience's programs may know how bad it is, and what the incident is called."""
    data = _data(_message(Purpose.INTERNAL_UPDATE))
    assert set(data) == OURS
    assert (data["severity"], data["incident"]) == ("SEV1", "checkout-17")


def test_a_side_that_does_not_fit_the_purpose_gets_what_is_public() -> None:
    """Where the two contradict each other, the outside's rule holds."""
    message = an_outgoing(
        purpose=Purpose.EXTERNAL_UPDATE, update=an_update(side=Audience.INTERNAL), to="x"
    )
    data = _data(message)
    assert set(data) == PUBLIC
    assert data["audience"] == "external"


async def test_a_receiver_gets_type_time_and_data() -> None:
    """As Standard Webhooks has it; times are UTC."""
    async with _receiver() as (channel, url, fake):
        await channel.send(_message(to=url))
    (got,) = fake.accepted
    assert (got["type"], got["timestamp"]) == ("incident.update", "2026-11-24T14:07:00Z")
    assert got["data"]["text"] == "Some payments by card fail. We have found the cause."


async def test_a_repeat_can_be_known_as_one() -> None:
    """The id is the same at every attempt, so the public half of a lost answer is sent again safely."""
    async with _receiver() as (channel, url, fake):
        assert isinstance(channel, ReadsBack)
        for _ in range(2):
            await channel.send(_message(to=url))
        assert await channel.find(_message(to=url)) is None
        await channel.send(_message(to=url).model_copy(update={"key": "another"}))
    first, repeat, other = (got["id"] for got in fake.accepted)
    assert first == repeat != other


@pytest.mark.parametrize("kind", ["env", "file"])
async def test_an_address_may_stand_elsewhere(kind: str, tmp_path: Path) -> None:
    """Where it holds a secret, the policy names a variable or a file, and the secret is that address's."""
    file = tmp_path / "hook"
    with webhook_fake() as fake:
        url = fake.url + PATH
        file.write_text(url + "\n")
        environment = {
            "WEBHOOK_SIGNING_KEY": KEY, "TOCSIN_EGRESS_ALLOW": "127.0.0.1", "PARTNER_HOOK": url,
        }  # fmt: skip
        channel = WebhookChannel(WebhookSettings.from_environment(environment))
        to = "env:PARTNER_HOOK" if kind == "env" else f"file:{file}"
        await channel.send(_message(to=to))
    assert (len(fake.accepted), fake.refused) == (1, [])


async def test_a_receiver_that_is_gone_is_given_up() -> None:
    """410 means for good: it is not retried, and says what to do."""
    async with _receiver() as (channel, url, fake):
        fake.status = 410
        with pytest.raises(DeliveryError, match="take it out of the policy") as caught:
            await channel.send(_message(to=url))
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.REJECTED, False)


@pytest.mark.parametrize("status", [429, 503])
async def test_the_wait_that_a_receiver_asks_for_is_heeded(status: int) -> None:
    """Retry-After of both reaches whoever retries."""
    async with _receiver() as (channel, url, fake):
        fake.status, fake.headers = status, {"Retry-After": "120"}
        with pytest.raises(DeliveryError) as caught:
            await channel.send(_message(to=url))
    assert (caught.value.retryable, caught.value.retry_after_seconds) == (True, 120.0)


@pytest.mark.parametrize(
    "text", ["x" * 30_000, "\N{FIRE}" * 16_000, '"\\' * 16_000, "a b. " * 6_000]
)
async def test_a_payload_stays_small(text: str) -> None:
    """A long text is cut, which is told; a receiver that takes 20 kB takes it."""
    async with _receiver() as (channel, url, fake):
        receipt = await channel.send(_message(to=url, text=text))
    assert "cut" in receipt.detail
    assert len(fake.accepted[0]["data"]["text"]) > 1_000
    body, was_cut = payload(_message(text=text))
    assert was_cut
    assert MAX_BYTES / 2 < len(body) <= MAX_BYTES


def test_a_text_that_fits_is_whole() -> None:
    """Nothing is cut that need not be."""
    assert payload(_message(text="x" * 15_000))[1] is False


def test_other_messages_have_a_type_of_their_own() -> None:
    """A notice to stakeholders is no update: a receiver can tell them apart."""
    message = an_outgoing(purpose=Purpose.POSTMORTEM, channel="webhook", update=None)
    found = json.loads(payload(message)[0])
    assert found["type"] == "incident.postmortem"
    assert found["data"]["title"] == message.subject


@pytest.mark.parametrize("key", ["short", "x" * 31])
def test_a_key_that_can_be_guessed_is_refused(key: str) -> None:
    """The secret of every address hangs on it; what was given is not shown."""
    with pytest.raises(ValueError, match="at least 32 characters") as caught:
        WebhookSettings.from_environment({"WEBHOOK_SIGNING_KEY": key})
    assert key not in str(caught.value)

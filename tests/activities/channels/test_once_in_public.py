"""An update is public once: whatever becomes of an attempt, the next one neither doubles nor loses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.channels import CHANNELS
from activities.channels.base import Outgoing
from activities.channels.outbox import Outbox
from activities.delivery import Postman
from domain.messages import Delivery, DeliveryState, Purpose
from tests.activities.channels.rigs import IMPATIENT_SECONDS, RIGS, an_update
from tests.fakes import bluesky, mastodon
from tests.fakes.organisation import an_outgoing
from tests.fakes.vendor import VendorFake

LOST = ("drop", "hang", "accept_then_drop", "accept_then_hang")
PUBLISHED = datetime.now(UTC)
ASKABLE = ("mastodon", "bluesky", "webhook")


@contextmanager
def _vendor(name: str) -> Iterator[tuple[VendorFake, Any]]:
    """A fake, and what counts what the public, or a receiver that knows repeats, has of it."""
    servers = {"mastodon": mastodon.Server(), "bluesky": bluesky.Server()}
    if name == "mastodon":
        with mastodon.mastodon_fake(servers["mastodon"]) as fake:  # type: ignore[arg-type]
            yield fake, lambda: len(servers["mastodon"].posts)  # type: ignore[union-attr]
    elif name == "bluesky":
        with bluesky.bluesky_fake(servers["bluesky"]) as fake:  # type: ignore[arg-type]
            yield fake, lambda: len(servers["bluesky"].records)  # type: ignore[union-attr]
    else:
        with RIGS[name].fake() as fake:
            yield fake, lambda: len({str(one.get("id", one)) for one in fake.accepted})


def _postman(name: str, fake: VendorFake, folder: Path, seconds: float) -> Postman:
    registered = CHANNELS[name]
    wanted = RIGS[name].settings(fake.url)
    wanted |= {field: seconds for field in wanted if field.endswith("_timeout")}
    channel = registered.channel(registered.settings.model_validate(wanted))
    return Postman("live", {name: channel}, Outbox(folder), lambda: datetime.now(UTC))


def _message(name: str, fake: VendorFake) -> Outgoing:
    return an_outgoing(
        key=f"checkout-17/external/2/audience:public/0/{name}",
        purpose=Purpose.EXTERNAL_UPDATE,
        channel=name,
        to=RIGS[name].to(fake.url),
        recipient="audience:public/0",
        text="",
        update=an_update(at=PUBLISHED),
    )


async def _lost(postman: Postman, message: Outgoing, fake: VendorFake) -> Delivery:
    """What became of an attempt that the network has: one that stood still before is made again."""
    for _ in range(3):
        done = await postman.deliver(message)
        if done.state is not DeliveryState.FAILED or fake.calls:
            break
    return done


@pytest.mark.parametrize("mood", LOST)
@pytest.mark.parametrize("name", ASKABLE)
async def test_a_lost_answer_is_one_post_in_the_end(name: str, mood: str, tmp_path: Path) -> None:
    """Taken or not, the next attempt finds out: afterwards it is out, once."""
    with _vendor(name) as (fake, count):
        fake.mood = mood
        first = _postman(name, fake, tmp_path, IMPATIENT_SECONDS)
        lost = await _lost(first, _message(name, fake), fake)
        assert (lost.state, lost.retryable) == (DeliveryState.UNCERTAIN, True)
        await first.aclose()
        fake.mood = "answer"
        second = _postman(name, fake, tmp_path, 10.0)
        assert (await second.deliver(_message(name, fake))).state is DeliveryState.SENT
        assert (await second.deliver(_message(name, fake))).state is DeliveryState.SENT
        assert count() == 1
        await second.aclose()


@pytest.mark.parametrize("was_taken", [True, False])
@pytest.mark.parametrize("name", ASKABLE)
async def test_a_worker_that_was_killed_leaves_one_post(
    name: str, was_taken: bool, tmp_path: Path
) -> None:
    """It died in the middle of the call: the file says that it had begun, and the next worker finds out."""
    with _vendor(name) as (fake, count):
        postman, message = _postman(name, fake, tmp_path, 10.0), _message(name, fake)
        if was_taken:
            await postman.deliver(message)
        postman.outbox.write(message, DeliveryState.SENDING, datetime.now(UTC))
        assert (await postman.deliver(message)).state is DeliveryState.SENT
        assert count() == 1
        await postman.aclose()


@pytest.mark.parametrize("mood", LOST)
async def test_what_cannot_be_read_back_is_held(mood: str, tmp_path: Path) -> None:
    """X cannot be asked: the message waits for a person, and no attempt of ours posts it again."""
    with _vendor("x") as (fake, count):
        fake.mood = mood
        postman, message = _postman("x", fake, tmp_path, IMPATIENT_SECONDS), _message("x", fake)
        assert (await _lost(postman, message, fake)).state is DeliveryState.HELD
        assert (await postman.deliver(message)).state is DeliveryState.HELD
        fake.mood = "answer"
        assert (await postman.deliver(message)).state is DeliveryState.HELD
        assert count() <= 1
        assert fake.calls == 1
        await postman.aclose()


@pytest.mark.parametrize("name", [*ASKABLE, "x"])
async def test_a_plain_refusal_is_neither_held_nor_lost(name: str, tmp_path: Path) -> None:
    """A network that says "not now" has posted nothing: it is sent later, once."""
    with _vendor(name) as (fake, count):
        postman, message = _postman(name, fake, tmp_path, 10.0), _message(name, fake)
        fake.status = 503
        refused = await postman.deliver(message)
        assert (refused.state, refused.retryable) == (DeliveryState.FAILED, True)
        fake.status = 0
        assert (await postman.deliver(message)).state is DeliveryState.SENT
        assert count() == 1
        await postman.aclose()

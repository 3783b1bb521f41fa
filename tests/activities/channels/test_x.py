"""X by Apprise: one post as it is, whose answer must name it."""

from __future__ import annotations

from typing import Any

import pytest

from activities.channels.base import AnswerLostError, ReadsBack
from activities.channels.x import XChannel, XSettings
from domain.messages import Purpose
from tests.activities.channels.rigs import RIGS, an_update
from tests.fakes.organisation import an_outgoing
from tests.fakes.x import KEYS, x_fake

UPDATE: dict[str, Any] = {"purpose": Purpose.EXTERNAL_UPDATE, "channel": "x", "text": ""}


async def test_a_post_is_sent_whole_and_once() -> None:
    """Not cut into several, though its link makes it longer than 280 characters as they stand."""
    link = "https://status.example.com/" + "x" * 120
    with x_fake() as fake:
        channel = XChannel(XSettings.model_validate(RIGS["x"].settings(fake.url)))
        text = "Card payments fail. " * 10
        receipt = await channel.send(an_outgoing(**UPDATE, update=an_update(url=link, text=text)))
        await channel.aclose()
    (post,) = fake.accepted
    assert post["text"] == f"{text.strip()}\n{link}" or post["text"].endswith(
        f"{text.strip()}\n{link}"
    )
    assert (len(post["text"]) > 280, fake.refused) == (True, [])
    assert receipt.vendor_id == "1790000000000000001"


async def test_a_post_cannot_be_read_back() -> None:
    """Whoever sends must know: without an answer it is held for a person, never repeated."""
    with x_fake() as fake:
        channel = XChannel(XSettings.model_validate(RIGS["x"].settings(fake.url)))
        assert not isinstance(channel, ReadsBack)
        fake.mood = "accept_then_drop"
        with pytest.raises(AnswerLostError):
            await channel.send(an_outgoing(**UPDATE, update=an_update()))
        await channel.aclose()


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_all_four_keys_are_needed(missing: str) -> None:
    """With three of them the channel is not set up."""
    keys = {name: key for name, key in KEYS.items() if name != missing}
    assert not XChannel(XSettings.model_validate(keys)).is_configured

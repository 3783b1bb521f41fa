"""The incident's own room as a channel: posted to like any of Slack's, and patient where it is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from activities.channels import CHANNELS
from activities.channels.base import AnswerLostError
from activities.channels.room import RoomPosts
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from tests.fakes.organisation import an_outgoing
from tests.fakes.slack import TOKEN
from tests.fakes.slack_workspace import Workspace, a_workspace


@pytest.fixture
def slack() -> Iterator[Workspace]:
    with a_workspace() as workspace:
        yield workspace


def posts(slack: Workspace, token: str = TOKEN) -> RoomPosts:
    environment = {"SLACK_BASE_URL": slack.fake.url, "SLACK_TIMEOUT": "2"}
    return RoomPosts.from_environment(environment | ({"SLACK_BOT_TOKEN": token} if token else {}))


async def test_an_update_is_posted_into_the_room(slack: Workspace) -> None:
    """Title and text, without buttons; the receipt names the post."""
    room, channel = slack.add("checkout-17"), posts(slack)
    receipt = await channel.send(
        an_outgoing(channel="room", to=room.ref, answer=None, purpose=Purpose.INTERNAL_UPDATE)
    )
    await channel.aclose()
    (said,) = room.said()
    assert "Card payments are refused" in said
    assert "actions" not in said
    assert receipt.vendor_id == f"{room.ref}/{next(iter(room.messages))}"
    assert slack.fake.refused == []


@pytest.mark.parametrize("how", ["archived", "deleted", "left"])
async def test_a_lost_room_is_worth_another_attempt(slack: Workspace, how: str) -> None:
    """It is replaced meanwhile, and the next attempt has the new one's id."""
    room, channel = slack.add("checkout-17"), posts(slack)
    room.is_archived = how == "archived"
    if how == "deleted":
        slack.delete(room.ref)
    if how == "left":
        room.members.clear()
    with pytest.raises(DeliveryError) as caught:
        await channel.send(an_outgoing(channel="room", to=room.ref))
    await channel.aclose()
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.REJECTED, True)


async def test_other_refusals_are_slacks_own(slack: Workspace) -> None:
    """A revoked token stays wrong, a lost answer may have gone out, a limit is heeded."""
    room = slack.add("checkout-17")
    wrong = posts(slack, "xoxb-wrong")
    with pytest.raises(DeliveryError) as caught:
        await wrong.send(an_outgoing(channel="room", to=room.ref))
    await wrong.aclose()
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.UNAUTHORISED, False)
    channel = posts(slack)
    slack.loses = ["chat.postMessage"]
    with pytest.raises(AnswerLostError):
        await channel.send(an_outgoing(channel="room", to=room.ref))
    slack.limits, slack.fake.headers = {"chat.postMessage": 1}, {"Retry-After": "9"}
    with pytest.raises(DeliveryError) as caught:
        await channel.send(an_outgoing(channel="room", to=room.ref))
    await channel.aclose()
    assert caught.value.retry_after_seconds == 9.0


async def test_without_a_token_nothing_is_sent(slack: Workspace) -> None:
    """It does not count as configured, and nobody can choose it as a contact."""
    channel = posts(slack, "")
    assert not channel.is_configured
    assert channel.name not in CHANNELS
    with pytest.raises(DeliveryError) as caught:
        await channel.send(an_outgoing(channel="room", to="C0ROOM"))
    await channel.aclose()
    assert caught.value.reason is DeliveryReason.NOT_CONFIGURED
    assert slack.methods == []

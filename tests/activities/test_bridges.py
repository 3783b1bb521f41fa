"""Video bridges by a creator: what it is asked, what is believed of its answer, and what happens without."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from activities.bridges import BridgeCreator
from activities.channels.slack import SlackSettings
from activities.channels.slack_rooms import SlackRooms
from activities.open_comms import Opening
from domain.messages import OpenChannels, OpenedChannels
from templates.renderer import Renderer
from tests.fakes.organisation import FixedPolicy, a_policy, a_view
from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

MADE = "https://meet.example.com/abc-defg"
USUAL = "https://meet.example.com/usual"


@pytest.fixture
def creator() -> Iterator[VendorFake]:
    """A creator that checks what it is asked."""

    def check(request: Request) -> Refusal | Taken:
        asked = json.loads(request.body)
        if set(asked) != {"incident", "severity", "service"} or request.path != "/bridges":
            return Refusal(400, "{}", f"asked for {asked} at {request.path}")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("content-type") != "application/json":
            return Refusal(415, "{}", "not JSON")
        return Taken(asked | {"key": headers.get("idempotency-key")}, fake.body)

    fake = VendorFake(check, body=json.dumps({"url": MADE}))
    with running(fake):
        yield fake


async def opened(creator: VendorFake, allow: str = "127.0.0.1", **channels: Any) -> OpenedChannels:
    policy = a_policy(
        channels={"bridge": USUAL, "bridge_creator": f"{creator.url}/bridges", **channels}
    )
    opening = Opening(FixedPolicy(policy), Renderer(), {}, BridgeCreator(allow))
    return await opening.open_comms(OpenChannels(incident=a_view(), topic="t"))


async def test_a_bridge_is_made_for_the_incident(creator: VendorFake) -> None:
    """Asked with id, severity and service, under a key of the incident's own."""
    done = await opened(creator)
    assert (done.bridge, done.faults) == (MADE, [])
    assert creator.accepted == [
        {"incident": "checkout-17", "severity": "SEV1", "service": "checkout", "key": "checkout-17"}
    ]


@pytest.mark.parametrize(
    "said",
    [
        "", "[]", "null", "{}", '{"url": 5}', '{"url": ""}', '{"url": "http://meet.example.com/x"}',
        '{"url": "javascript:alert(1)"}', '{"url": "https://"}', '{"url": "https://a@evil.example/"}',
        '{"url": "https://meet.example.com/<!channel>"}', '{"url": "https://meet.example.com/a b"}',
        '{"url": "https://meet.example.com/x|your bank"}', '{"url": "https://m\\u00fcnchen.example/"}',
        '{"url": "https://meet.example.com/\\nX-Header: 1"}', '{"url": "https://[::1"}',
        json.dumps({"url": "https://meet.example.com/" + "x" * 500}), "{" * 100_000,
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_address_is_not_believed(creator: VendorFake, said: str) -> None:
    """The policy's own text is used, the timeline says so, and quotes nothing of the answer."""
    creator.body = said
    done = await opened(creator)
    assert done.bridge == USUAL
    (fault,) = done.faults
    assert fault.startswith("channels.bridge_creator made no bridge: ")
    assert "evil" not in fault
    assert "<" not in fault


@pytest.mark.parametrize("status", [302, 400, 401, 429, 500])
async def test_a_refusal_leaves_the_usual_bridge(creator: VendorFake, status: int) -> None:
    """No redirect is followed, and nothing is asked twice."""
    creator.status, creator.headers = status, {"Location": f"{creator.url}/elsewhere"}
    done = await opened(creator)
    assert (done.bridge, len(done.faults)) == (USUAL, 1)
    assert creator.calls == 1


async def test_a_creator_that_hangs_is_left_after_five_seconds(
    creator: VendorFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Communications open without it."""
    monkeypatch.setattr("activities.bridges.SECONDS", 0.3)
    creator.mood = "hang"
    started = time.monotonic()
    done = await opened(creator)
    assert time.monotonic() - started < 8
    assert done.bridge == USUAL


async def test_a_private_address_is_not_asked(creator: VendorFake) -> None:
    """Whoever writes the policy cannot make us call our own network."""
    done = await opened(creator, allow="")
    assert done.bridge == USUAL
    assert creator.calls == 0


async def test_a_process_without_a_bridge_makes_none(creator: VendorFake) -> None:
    """Nor does a Tocsin that really sends nothing."""
    policy = a_policy(
        processes={"security": {"channels": ["room"]}},
        channels={"bridge_creator": f"{creator.url}/bridges"},
    )
    request = OpenChannels(incident=a_view(type="security"), topic="t")
    done = await Opening(
        FixedPolicy(policy), Renderer(), {}, BridgeCreator("127.0.0.1")
    ).open_comms(request)
    assert done.bridge is None
    quiet = await Opening(FixedPolicy(policy), Renderer()).open_comms(
        OpenChannels(incident=a_view(), topic="t")
    )
    assert (quiet.bridge, quiet.chat, quiet.faults) == (None, None, [])
    assert creator.calls == 0


async def test_a_room_is_made_only_where_the_chat_is_set_up() -> None:
    """Otherwise it is only named, and the fault says which variable is missing."""
    channels = {"chat": "slack", "archive_room": "never", "private_room": True}
    policy = FixedPolicy(a_policy(channels=channels))
    request = OpenChannels(incident=a_view(), topic="t")
    ready = SlackRooms(SlackSettings.model_validate({"slack_bot_token": "xoxb-x"}))
    done = await Opening(policy, Renderer(), {"slack": ready}).open_comms(request)
    await ready.aclose()
    assert (done.chat, done.archive_room, done.faults) == ("slack", "never", [])
    assert done.private_room is True
    bare = await Opening(policy, Renderer(), {"slack": SlackRooms(SlackSettings())}).open_comms(
        request
    )
    assert (bare.room, bare.chat) == ("checkout-17", None)
    assert "SLACK_BOT_TOKEN" in bare.faults[0]

"""The chat room in a whole Tocsin: made at the acknowledgement, kept, lost, replaced, archived."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from temporalio import activity

import worker
from domain import room_reactions
from domain.rooms import KeepRoom, KeptRoom
from tests.fakes.slack import TOKEN
from tests.fakes.slack_workspace import Room, Workspace, a_workspace
from tests.world import EXAMPLE, World, a_world

MEMBERS = {"alice": "U0ALICE", "bob": "U0BOB", "carol": "U0CAROL"}
Change = Callable[[worker.Activities], worker.Activities]


@pytest.fixture
def slack() -> Iterator[Workspace]:
    with a_workspace() as workspace:
        yield workspace


@asynccontextmanager
async def a_tocsin(
    tmp_path: Path, slack: Workspace, activities: Change = lambda built: built, **channels: Any
) -> AsyncIterator[World]:
    """A Tocsin that makes rooms; alice, bob and carol are in Slack, dana is not."""
    yaml = YAML(typ="safe")
    policy: dict[str, Any] = yaml.load(EXAMPLE.read_text(encoding="utf-8"))
    for person, member in MEMBERS.items():
        policy["people"][person]["contacts"] = [{"channel": "slack", "to": member}]
    policy["channels"] = {**(policy.get("channels") or {}), "chat": "slack", **channels}
    file = tmp_path / "policy.yaml"
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(policy, stream)
    environment = {
        "TOCSIN_DELIVERY": "live", "SLACK_BOT_TOKEN": TOKEN, "SLACK_BASE_URL": slack.fake.url,
    }  # fmt: skip
    async with a_world(
        tmp_path / "data", policy=file, environment=environment, activities=activities
    ) as world:
        yield world


@pytest.fixture
async def world(tmp_path: Path, slack: Workspace) -> AsyncIterator[World]:
    async with a_tocsin(tmp_path, slack) as one:
        yield one


async def with_room(world: World, slack: Workspace) -> tuple[str, Room]:
    """An incident that alice has taken, with its room."""
    incident = await world.declare()
    await world.command(incident, "acknowledge", "alice")
    await world.eventually(lambda: world.facts(incident, "room_opened"))
    return incident, slack.named(incident)


def card_of(room: Room) -> str:
    (card,) = room.cards()
    return str(card["blocks"])


async def settled(world: World) -> None:
    """What changed is shown: two seconds have passed."""
    await world.skip(timedelta(seconds=5), timedelta(seconds=1))


async def test_a_room_opens_is_kept_and_is_archived(world: World, slack: Workspace) -> None:
    """Made at the acknowledgement, topic and card follow severity and roles, archived at the end."""
    incident, room = await with_room(world, slack)
    view = await world.status(incident)
    assert view["communications"]["room_ref"] == room.ref
    assert "SEV1 fixing" in room.topic
    assert "Incident manager: alice" in room.topic
    assert room.pins == list(room.messages), "the card is pinned"
    assert "U0ALICE" in room.members
    await world.command(incident, "set_severity", "alice", severity="SEV2", reason="a workaround")
    await world.command(incident, "delegate", "alice", role="tech_lead", to="bob")
    await world.command(incident, "accept_role", "bob", role="tech_lead")
    await settled(world)
    assert "SEV2 fixing" in room.topic
    assert "Tech lead: bob" in room.topic
    assert "U0BOB" in room.members
    assert "SEV2" in card_of(room)
    assert "room_resolve" in card_of(room)
    await world.command(incident, "resolve", "alice", summary="rolled back")
    await settled(world)
    assert "resolved" in card_of(room)
    assert "room_reopen" in card_of(room)
    assert "room_acknowledge" not in card_of(room)
    assert not room.is_archived
    await world.command(incident, "reopen", "alice", reason="it is back")
    await world.command(incident, "cancel", "alice", reason="a false alarm after all")
    await world.eventually(lambda: room.is_archived)
    assert len(slack.rooms) == 1
    assert slack.fake.refused == []
    assert await world.failed_tasks(incident) == []


async def test_changes_in_a_row_are_one_edit(
    world: World, slack: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes within a while is shown together, and what the room does not show edits nothing."""
    assert timedelta(seconds=2) == room_reactions.FOLDED_WITHIN
    incident, room = await with_room(world, slack)
    await settled(world)
    # Virtual time goes on while a slow machine gives the commands.
    monkeypatch.setattr(room_reactions, "FOLDED_WITHIN", timedelta(minutes=1))
    edits, topics = room.edits, len(room.topics)
    for person in ("bob", "carol"):
        await world.command(incident, "join", person)
    await world.command(incident, "set_priority", "alice", priority="P2", reason="r")
    assert room.edits == edits
    await world.skip(timedelta(seconds=90), timedelta(seconds=15))
    assert room.edits == edits + 1
    assert len(room.topics) == topics, "neither people nor priority stand in the topic"
    for number in range(3):
        await world.command(incident, "note", "alice", text=f"note {number}")
    await world.skip(timedelta(seconds=90), timedelta(seconds=15))
    assert room.edits == edits + 1


async def test_who_is_not_in_the_chat_is_named_once(world: World, slack: Workspace) -> None:
    """Somebody without a contact there, and one whom the chat does not know: one sentence, no repeats."""
    slack.members.discard("U0BOB")
    incident, _ = await with_room(world, slack)
    for person in ("dana", "bob"):
        await world.command(incident, "join", person)
    await settled(world)
    await world.command(incident, "set_severity", "alice", severity="SEV2", reason="r")
    await settled(world)
    (said,) = await world.facts(incident, "not_invited")
    assert "dana (no slack contact" in said["text"]
    assert "bob (Slack answered user_not_found" in said["text"]


async def test_what_is_said_inside_goes_into_the_room(world: World, slack: Workspace) -> None:
    """An internal update is posted there; no word of it mentions anybody, links, or unfurls."""
    incident, room = await with_room(world, slack)
    hostile = "<!channel> <@U0BOB> <http://evil.example|your bank> & more"
    await world.command(incident, "publish_update", "alice", audience="internal", text=hostile)
    (said,) = await world.eventually(room.said)
    assert (
        "&lt;!channel&gt; &lt;@U0BOB&gt; &lt;http://evil.example|your bank&gt; &amp; more" in said
    )
    assert slack.fake.refused == []


async def test_an_archived_room_is_replaced_and_the_operator_hears(
    world: World, slack: Workspace
) -> None:
    """Somebody archives it while it is needed: degraded by name, another room, everybody in it again."""
    slack.lets_bots_unarchive = False
    incident, room = await with_room(world, slack)
    room.is_archived = True
    await world.command(incident, "publish_update", "alice", audience="internal", text="We look.")
    await world.eventually(lambda: world.facts(incident, "room_replaced"))
    other = slack.named(f"{incident}-2")
    (fact,) = await world.facts(incident, "channel_degraded")
    assert "somebody has archived it" in fact["text"]
    await world.eventually(lambda: "degraded" in str(world.outbox("operator")))
    assert "U0ALICE" in other.members
    assert len(other.cards()) == 1
    await world.skip(timedelta(seconds=30), timedelta(seconds=5))
    assert "We look." in str(other.said()), "the update follows into the new room"
    places = (await world.status(incident))["communications"]
    assert (places["room"], places["room_ref"]) == (other.name, other.ref)
    assert places["room_trouble"] is None


async def test_a_room_that_can_be_taken_back_is(world: World, slack: Workspace) -> None:
    """Archived by mistake, and Slack lets us: the same room goes on."""
    incident, room = await with_room(world, slack)
    room.is_archived = True
    await world.command(incident, "join", "bob")
    await world.eventually(lambda: world.facts(incident, "channel_restored"))
    assert not room.is_archived
    assert len(slack.rooms) == 1


async def test_a_revoked_token_is_told_and_waited_out(world: World, slack: Workspace) -> None:
    """Nothing is lost but the room: told once, tried on and on, and shown when the token is good again."""
    incident, room = await with_room(world, slack)
    slack.token = "xoxb-another"
    await world.command(incident, "join", "bob")
    await world.eventually(lambda: world.facts(incident, "channel_degraded"))
    await world.skip(timedelta(minutes=20), timedelta(minutes=1))
    (fact,) = await world.facts(incident, "channel_degraded")
    assert "does not know us" in fact["text"]
    assert (await world.status(incident))["communications"]["room_trouble"] == "unauthorised"
    slack.token = TOKEN
    await world.skip(timedelta(minutes=6), timedelta(minutes=1))
    assert await world.facts(incident, "channel_restored")
    assert "bob" in card_of(room)


async def test_without_slack_the_incident_goes_on(tmp_path: Path, slack: Workspace) -> None:
    """A chat that refuses every room: page, acknowledgement, updates and the end are as ever."""
    slack.refuses["conversations.create"] = "restricted_action"
    async with a_tocsin(tmp_path, slack) as world:
        incident = await world.declare()
        await world.eventually(lambda: slack.direct)  # the page
        await world.command(incident, "acknowledge", "alice")
        await world.eventually(lambda: world.facts(incident, "channel_degraded"))
        assert await world.facts(incident, "comms_opened")
        await world.command(incident, "cancel", "alice", reason="false alarm")

        async def ended() -> bool:
            return (await world.handle(incident).describe()).close_time is not None

        await world.skip(timedelta(hours=2), timedelta(minutes=5))
        await world.eventually(ended)
        assert slack.rooms == {}


async def test_a_crash_makes_no_second_room(tmp_path: Path, slack: Workspace) -> None:
    """The attempt that made room and card is lost with its worker: the next one finds both."""
    lost: list[KeptRoom] = []

    def dying(built: worker.Activities) -> worker.Activities:
        keep = next(one for one in built.main if one.__name__ == "keep_room")

        @activity.defn(name="keep_room")
        async def keep_room(request: KeepRoom) -> KeptRoom:
            answer: KeptRoom = await keep(request)
            if not lost:
                lost.append(answer)
                raise RuntimeError("the worker dies after its work")
            return answer

        return replace(built, main=[keep_room if one is keep else one for one in built.main])

    async with a_tocsin(tmp_path, slack, dying) as world:
        incident = await world.declare()
        await world.command(incident, "acknowledge", "alice")
        await world.skip(timedelta(seconds=30), timedelta(seconds=5))
        await world.eventually(lambda: world.facts(incident, "room_opened"))
        (room,) = slack.rooms.values()
        assert lost[0].state.ref == room.ref
        assert len(room.cards()) == 1
        assert room.pins == list(room.messages)


async def test_reopened_after_archiving_at_resolution(tmp_path: Path, slack: Workspace) -> None:
    """Archived when it is resolved, where the policy says so; back when it is reopened."""
    async with a_tocsin(tmp_path, slack, archive_room="resolved") as world:
        incident, room = await with_room(world, slack)
        await world.command(incident, "resolve", "alice", summary="rolled back")
        await settled(world)
        assert room.is_archived
        await world.command(incident, "reopen", "alice", reason="it is back")
        await settled(world)
        assert not room.is_archived
        assert "fixing" in card_of(room)
        names = [
            one["fact"] for one in await world.facts(incident, "room_archived", "room_unarchived")
        ]
        assert names == ["room_archived", "room_unarchived"]
        assert await world.facts(incident, "channel_degraded") == []


async def test_in_the_outbox_nothing_is_made(tmp_path: Path, slack: Workspace) -> None:
    """Where nothing is really sent, the room is only named."""
    yaml = YAML(typ="safe")
    policy: dict[str, Any] = yaml.load(EXAMPLE.read_text(encoding="utf-8"))
    policy["channels"] = {"chat": "slack"}
    file = tmp_path / "policy.yaml"
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(policy, stream)
    environment = {"SLACK_BOT_TOKEN": TOKEN, "SLACK_BASE_URL": slack.fake.url}
    async with a_world(tmp_path / "data", policy=file, environment=environment) as world:
        incident = await world.declare()
        await world.command(incident, "acknowledge", "alice")
        (fact,) = await world.eventually(lambda: world.facts(incident, "comms_opened"))
        assert f"room {incident}" in fact["text"]
        await settled(world)
        assert slack.methods == []

"""Stories of chat rooms for the replays: made, kept, lost, replaced, archived; the chat itself is played."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from temporalio import activity

import worker
from domain.messages import OpenChannels, OpenedChannels
from domain.rooms import KeepRoom, KeptRoom, RoomTrouble
from tests.replay.stage import Stage
from tests.world import World


def with_a_chat(built: worker.Activities) -> worker.Activities:
    """A chat that is slow at first, loses its room once, and does the rest as asked."""
    seen: list[int] = []

    @activity.defn(name="open_comms")
    async def open_comms(request: OpenChannels) -> OpenedChannels:
        return OpenedChannels(room=str(request.incident["id"]), chat="slack", status_page=True)

    @activity.defn(name="keep_room")
    async def keep_room(request: KeepRoom) -> KeptRoom:
        seen.append(request.attempt)
        state = request.state.model_copy(deep=True)
        if len(seen) == 1:
            why = "Slack answered ratelimited"
            return KeptRoom(
                state=state, trouble=RoomTrouble.RATE_LIMITED, detail=why, retry_after_seconds=7
            )
        if len(seen) == 3:
            state.ref, state.name, state.made = "C0TWO", f"{state.name}-2", 2
            state.left = ["C0ONE"]
            return KeptRoom(state=state, lost=RoomTrouble.DELETED)
        if state.ref is None:
            state.ref, state.card, state.made = "C0ONE", "1.2", 1
        state.archived = request.wanted.archived
        return KeptRoom(state=state)

    names = ("open_comms", "keep_room")
    main = [one for one in built.main if one.__name__ not in names]
    return replace(built, main=[*main, open_comms, keep_room])


async def talked_about(world: World) -> dict[str, tuple[str, int]]:
    """A room opens late, follows the incident, is lost and replaced, rolls over, and is archived."""
    incident = await world.declare()
    await world.command(incident, "acknowledge", "alice")
    await world.skip(timedelta(seconds=20), timedelta(seconds=5))
    await world.eventually(lambda: world.facts(incident, "room_opened"))
    await world.command(incident, "join", "bob")
    await world.skip(timedelta(seconds=10), timedelta(seconds=5))
    await world.eventually(lambda: world.facts(incident, "room_replaced"))
    for number in range(5):
        await world.command(incident, "note", "alice", text=f"note {number}")
    await world.command(incident, "set_severity", "alice", severity="SEV3", reason="a workaround")
    await world.skip(timedelta(seconds=10), timedelta(seconds=5))
    await world.command(incident, "cancel", "alice", reason="a false alarm after all")

    async def ended() -> bool:
        return (await world.handle(incident).describe()).close_time is not None

    await world.skip(timedelta(seconds=10), timedelta(seconds=5))
    await world.eventually(ended)
    return {"incident-with-room": (incident, 0), "incident-with-room-after-rolling": (incident, 1)}


ROOM_STORIES = {talked_about: Stage(limits={"incident": 130}, activities=with_a_chat)}

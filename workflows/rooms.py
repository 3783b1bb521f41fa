"""How the chat room of an incident is kept: one attempt at a time, from where the last one stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from domain.aggregate import Effect
    from domain.room_card import wanted
    from domain.room_reactions import room_kept
    from domain.rooms import KeepRoom, KeptRoom, RoomTrouble
    from workflows import activity_options as options

if TYPE_CHECKING:
    from workflows.incident import IncidentWorkflow


async def keep_room(flow: IncidentWorkflow, effect: Effect) -> None:
    """Bring the room to what the incident is now; an attempt without an answer may have done some of it."""
    incident, room, attempt = flow.subject, flow.subject.room, effect.attempt + 1
    if room is None:
        incident.settle(effect.key)
        return
    to_be = wanted(incident, room.archive)
    request = KeepRoom(
        incident=incident.view(),
        state=room,
        wanted=to_be,
        is_open=incident.is_open,
        attempt=attempt,
        at=workflow.now(),
    )
    try:
        answer: KeptRoom = await workflow.execute_activity(
            "keep_room",
            request,
            result_type=KeptRoom,
            summary=f"Keep room {room.name}, attempt {attempt}",
            **options.KEEPING_ROOM,
        )
    except ActivityError as error:
        why = f"the attempt ended without an answer: {error.cause or error}"[:300]
        answer = KeptRoom(state=room, trouble=RoomTrouble.UNREACHABLE, detail=why)
    outcome = room_kept(incident, to_be, answer, attempt, workflow.now())
    if outcome.retry_at is None:
        incident.settle(effect.key)
    else:
        incident.postpone(effect.key, outcome.retry_at)
    flow.record(*outcome.facts)

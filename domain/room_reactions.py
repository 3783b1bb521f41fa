"""What follows for the chat room: it is kept after every change, and the operator hears of trouble.

Part of `reactions.py`, which asks here; and what an attempt to keep the room amounts to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain import facts as f
from domain.aggregate import Effect, Fact, next_message_try
from domain.incident import Incident
from domain.messages import Purpose
from domain.outcomes import LONGEST_ASKED, Outcome
from domain.room_card import wanted
from domain.rooms import PASSING, KeptRoom, RoomState, RoomWanted, effect_key
from domain.telling import announce

FOLDED_WITHIN = timedelta(seconds=2)
"""What changes within this is shown together: a chat takes about one message a second."""
SAID_AFTER_TRIES = 5
"""What may pass by itself is said on the timeline after so many attempts: about a minute and a quarter."""
GIVE_UP_AFTER_TRIES = 12
"""Of an incident that is over: about half an hour. It must not stay for a room that cannot be archived."""


def always(incident: Incident, at: datetime) -> Iterable[Effect]:
    """Asked after every fact: whatever the room does not show yet is shown, by one effect at a time."""
    room = incident.room
    if room is None or effect_key(incident.id) in incident.effects:
        return
    if wanted(incident, room.archive).fingerprint() != room.shown:
        is_first = room.ref is None and room.made == 0
        yield Effect(
            key=effect_key(incident.id),
            kind="keep_room",
            next_try=None if is_first else at + FOLDED_WITHIN,
        )


def degraded(
    incident: Incident, fact: f.ChannelDegraded, at: datetime, actor: str
) -> Iterable[Effect]:
    yield announce(
        incident, "tell_operator", f"room/{fact.reason}/{incident.seq + 1}", Purpose.OPERATOR,
        "operator", ["operator"], what=fact.sentence(),
    )  # fmt: skip


def room_kept(
    incident: Incident, asked: RoomWanted, answer: KeptRoom, attempt: int, now: datetime
) -> Outcome:
    """The facts of one attempt, and when to try again; endlessly while the incident lives.

    Args:
        asked: what the room was to be when the attempt began.
    """
    before = incident.room or answer.state
    state, trouble = answer.state, answer.trouble
    is_given_up = trouble is not None and incident.is_over and attempt >= GIVE_UP_AFTER_TRIES
    if trouble is None or is_given_up:
        state = state.model_copy(update={"shown": asked.fingerprint()})
    is_said = trouble is not None and (
        trouble not in PASSING or attempt >= SAID_AFTER_TRIES or is_given_up
    )
    told = trouble if is_said else (before.trouble if trouble is not None else None)
    state = state.model_copy(update={"trouble": told})
    facts: list[Fact] = [f.RoomKept(state=state)]
    facts += _degradations(before, answer, is_said=is_said)
    facts += _changes(before, state)
    is_back = trouble is None and (before.trouble is not None or answer.lost is not None)
    if is_back and state.ref == before.ref:
        facts.append(f.ChannelRestored(channel="room"))
    retry_at = None
    if trouble is not None and not is_given_up:
        asked_wait = timedelta(seconds=answer.retry_after_seconds or 0)
        retry_at = now + max(next_message_try(attempt - 1), min(asked_wait, LONGEST_ASKED))
    return Outcome(facts=facts, retry_at=retry_at)


def _degradations(before: RoomState, answer: KeptRoom, *, is_said: bool) -> Iterable[Fact]:
    """What the operator has not been told yet."""
    if answer.lost is not None and answer.lost is not before.trouble:
        yield f.ChannelDegraded(channel="room", reason=answer.lost)
    trouble = answer.trouble
    if is_said and trouble is not None and trouble not in (before.trouble, answer.lost):
        yield f.ChannelDegraded(channel="room", reason=trouble, detail=answer.detail)


def _changes(before: RoomState, after: RoomState) -> Iterable[Fact]:
    if after.ref is not None and after.ref != before.ref:
        room = {"room": after.name, "ref": after.ref, "url": after.url}
        if before.ref is None and not before.left:
            yield f.RoomOpened(**room, chat=after.chat)
        else:
            yield f.RoomReplaced(**room, old=before.name)
    elif after.archived != before.archived:
        changed = f.RoomArchived if after.archived else f.RoomUnarchived
        yield changed(room=after.name)
    new = {who: why for who, why in after.not_invited.items() if who not in before.not_invited}
    if new:
        yield f.NotInvited(people=new)
    yield from (f.OperatorTold(what=what) for what in after.faults if what not in before.faults)

"""Keeping the chat room of an incident: whatever differs from what it is to be is changed, in order.

One attempt is one activity. What it has done stands in its answer even when it fails half way, so that
the next one goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import structlog
from temporalio import activity

from activities.channels.chat_rooms import Card, ChatRooms, RoomLostError, RoomWish
from activities.looking_up import PolicySource
from domain.errors import DeliveryError, DeliveryReason
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from domain.rooms import (
    MOST_ROOMS,
    KeepRoom,
    KeptRoom,
    RoomState,
    RoomTrouble,
    candidates,
    marker,
    room_name,
)
from templates.renderer import Renderer, TemplateFaultError

BUDGET_SECONDS = 45.0
"""For all calls of one attempt, which has 60: what it did must be reported."""
_TROUBLES = {
    DeliveryReason.RATE_LIMITED: RoomTrouble.RATE_LIMITED,
    DeliveryReason.UNAUTHORISED: RoomTrouble.UNAUTHORISED,
    DeliveryReason.NOT_CONFIGURED: RoomTrouble.UNAUTHORISED,
    DeliveryReason.REJECTED: RoomTrouble.REFUSED,
}
log = structlog.get_logger(__name__)


class _Work(NamedTuple):
    """What one attempt works with."""

    chat: ChatRooms
    request: KeepRoom
    state: RoomState
    """Changed as the work goes on."""
    policy: Policy | None


class KeepingRooms:
    """Keeps rooms.

    Args:
        policy: who is invited, read anew for each attempt.
        chats: by the name that the policy uses.
    """

    def __init__(
        self, policy: PolicySource, renderer: Renderer, chats: Mapping[str, ChatRooms]
    ) -> None:
        self._policy, self._renderer, self._chats = policy, renderer, chats

    @activity.defn(name="keep_room")
    async def keep_room(self, request: KeepRoom) -> KeptRoom:
        """One attempt. Failure is an answer, not an exception."""
        state = request.state.model_copy(deep=True)
        chat = self._chats.get(state.chat)
        if chat is None or not chat.is_configured:
            detail = f"{state.chat} is not set up for this worker"
            return KeptRoom(state=state, trouble=RoomTrouble.UNAUTHORISED, detail=detail)
        work = _Work(chat, request, state, self._current_policy())
        answer = KeptRoom(state=state)
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                answer.lost = await self._keep(work)
        except RoomLostError as error:
            answer.trouble = error.trouble
        except DeliveryError as error:
            answer.trouble = _TROUBLES.get(error.reason, RoomTrouble.UNREACHABLE)
            answer.detail = error.detail[:300]
            answer.retry_after_seconds = error.retry_after_seconds
        except TimeoutError:
            answer.trouble = RoomTrouble.UNREACHABLE
            answer.detail = f"not done within {BUDGET_SECONDS:g} s"
        # Whatever a vendor's client raises: what was done must not be lost with it.
        except Exception as error:
            log.exception("room not kept", incident=request.incident.get("id"))
            answer.trouble, answer.detail = RoomTrouble.UNREACHABLE, type(error).__name__
        return answer

    def _current_policy(self) -> Policy | None:
        try:
            return self._policy.current()[1]
        except Exception:
            log.exception("policy unreadable")  # then only the responders are looked for, in vain
            return None

    async def _keep(self, work: _Work) -> RoomTrouble | None:
        """Everything; answers why the room that was there could not be used, where another one serves."""
        try:
            await self._bring_up_to_date(work)
        except RoomLostError as error:
            return await self._after_loss(work, error.trouble)
        return None

    async def _after_loss(self, work: _Work, lost: RoomTrouble) -> RoomTrouble | None:
        """The room is gone: taken back where the vendor lets, else replaced, else given up."""
        state, request = work.state, work.request
        if not request.is_open:
            # Nobody needs it now; people have only been faster than the policy.
            state.archived = True
            return None
        if lost is RoomTrouble.ARCHIVED and await self._is_taken_back(work):
            await self._bring_up_to_date(work)
            return lost
        if state.made >= MOST_ROOMS:
            raise RoomLostError(lost)
        was_ours = request.state.archived  # archived by us, and it cannot be taken back
        _leave(state)
        await self._bring_up_to_date(work)
        return None if was_ours else lost

    async def _is_taken_back(self, work: _Work) -> bool:
        try:
            await work.chat.unarchive(str(work.state.ref))
        except RoomLostError:
            return False
        except DeliveryError as error:
            if error.retryable:
                raise
            return False
        work.state.archived = False
        return True

    async def _bring_up_to_date(self, work: _Work) -> None:
        state, wanted = work.state, work.request.wanted
        if state.archived:
            if wanted.archived or not work.request.is_open:
                return  # nothing can be written there, and nothing need be
            if not await self._is_taken_back(work):
                raise RoomLostError(RoomTrouble.ARCHIVED)
        is_found = state.ref is None and await self._open(work)
        ref = str(state.ref)
        if wanted.topic != state.topic:
            await work.chat.set_topic(ref, wanted.topic)
            state.topic = wanted.topic
        look = is_found or work.request.attempt > 1
        state.card = await work.chat.show(ref, self._card(work), state.card, look=look)
        if state.pinned != state.card:
            await work.chat.pin(ref, state.card)
            state.pinned = state.card
        if not wanted.archived:
            await self._invite(work, ref)
        elif not state.archived:
            await work.chat.archive(ref)
            state.archived = True

    async def _open(self, work: _Work) -> bool:
        """Make the room; True where it had been made by an attempt of which nobody heard."""
        state, incident = work.state, work.request.incident
        incident_id, raised_at = str(incident.get("id")), str(incident.get("raised_at"))
        state.wish = state.wish or state.name
        name = room_name(state.wish, incident_id)
        wish = RoomWish(
            names=list(candidates(name)),
            marker=marker(incident_id, raised_at),
            is_private=_is_private(work),
            since=datetime.fromisoformat(raised_at),
            left=state.left,
        )
        made = await work.chat.open(wish)
        state.ref, state.name, state.url = made.ref, made.name, made.url
        state.made += 1
        return not made.is_new

    def _card(self, work: _Work) -> Card:
        wanted, incident = work.request.wanted, work.request.incident
        context = {"incident": incident, "card": wanted.card}
        links = [(str(one["label"]), str(one["url"])) for one in wanted.card.get("links", [])]
        title, text = self._words(work.state, context)
        return Card(str(incident.get("id")), title, text, wanted.buttons, links)

    def _words(self, state: RoomState, context: Mapping[str, object]) -> tuple[str, str]:
        """The card in words; from our own templates where the organisation's fail."""
        faults: list[str] = []
        for renderer in dict.fromkeys((self._renderer, self._renderer.built_in())):
            try:
                title = renderer.render_file("room_card/title.txt.j2", context)
                text = renderer.render_file("room_card/body.txt.j2", context)
            except TemplateFaultError as error:
                faults.append(f"{error}; the room's card has the built-in text")
                continue
            state.faults = faults
            return title.strip(), text
        state.faults = faults
        incident = context["incident"]
        named = incident if isinstance(incident, Mapping) else {}
        parts = [str(named.get(name) or "") for name in ("id", "severity", "status")]
        return " · ".join(parts), str(named.get("summary") or "")

    async def _invite(self, work: _Work, ref: str) -> None:
        """Invite whoever is not in it yet; who cannot be invited is named, and holds up nobody."""
        state, policy = work.state, work.policy
        people = [*work.request.wanted.people, *self._also_invited(work)]
        for person in dict.fromkeys(people):
            if person in state.invited or person in state.not_invited or policy is None:
                continue
            member = _member(policy, person, state.chat, work.chat)
            if member is None:
                state.not_invited[person] = f"no {state.chat} contact with a member's id"
                continue
            try:
                await work.chat.invite(ref, member)
            except DeliveryError as error:
                if error.reason is not DeliveryReason.REJECTED:
                    raise
                state.not_invited[person] = error.detail[:100]
            else:
                state.invited.append(person)

    def _also_invited(self, work: _Work) -> list[str]:
        """Who stands behind the policy's targets now."""
        kind = str(work.request.incident.get("type") or "default")
        if work.policy is None or work.policy.process(kind).is_narrow:
            return []
        targets = work.policy.channels.invite
        found, _ = resolve_targets(work.policy, targets, work.request.at)
        return [entry.person for entry in found]


def _leave(state: RoomState) -> None:
    """Forget a room that cannot be used; the next one starts anew."""
    if state.ref is not None:
        state.left.append(state.ref)
    state.ref = state.url = state.card = state.pinned = None
    state.topic, state.invited, state.archived = "", [], False


def _is_private(work: _Work) -> bool:
    """Whether only those who are invited can read it: as pinned; an unreadable policy opens nothing."""
    if work.state.private is not None or work.policy is None:
        return work.state.private is not False
    return work.policy.has_private_room(str(work.request.incident.get("type") or "default"))


def _member(policy: Policy, person: str, channel: str, chat: ChatRooms) -> str | None:
    """Whom the chat knows a person as; None where they have no verified contact there."""
    known = policy.people.get(person)
    for contact in known.contacts if known is not None else []:
        if contact.channel == channel and contact.verified:
            member = chat.member_of(contact.to)
            if member is not None:
                return member
    return None

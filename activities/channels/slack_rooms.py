"""Rooms in Slack: made, found again, kept, archived.

Each of Slack's methods is one call of ours, for the reasons in `slack.py`. Scopes: `channels:manage`,
`groups:write`, `channels:read`, `groups:read`, `channels:join`, `channels:history`, `groups:history`,
`pins:write`, `chat:write`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from activities.channels.chat_rooms import Card, Made, RoomLostError, RoomWish
from activities.channels.slack import SlackSettings, escaped, from_slack, slack_client
from activities.channels.slack_cards import as_message
from activities.channels.vendor_client import VendorClient
from domain.errors import DeliveryError, DeliveryReason
from domain.rooms import TOPIC_CHARS, RoomTrouble

_MEMBER = re.compile(r"[UW][A-Z0-9]{2,30}")
LOST: Mapping[str, RoomTrouble] = {
    "is_archived": RoomTrouble.ARCHIVED,
    "is_inactive": RoomTrouble.ARCHIVED,  # of chat.update: archived or deleted
    "channel_not_found": RoomTrouble.DELETED,
    "not_in_channel": RoomTrouble.REMOVED,
}
"""Slack's words for a room that cannot be used any more."""
_THERE = frozenset({"already_in_channel", "cant_invite_self"})
_PAGE = 200
"""Rooms of one answer; Slack recommends no more."""
_MOST_PAGES = 20
_CLOCKS_APART = timedelta(minutes=5)
"""Slack's clock and that of whoever raised the incident."""
_LOOKED_AT = 15
"""Messages in which a card is looked for; a room whose card is not known is new."""


class SlackRooms:
    """Rooms of the app's workspace."""

    def __init__(self, settings: SlackSettings) -> None:
        self._client = slack_client(settings)
        self._me: tuple[str, str] | None = None

    @property
    def is_configured(self) -> bool:
        return self._client is not None

    async def open(self, wish: RoomWish) -> Made:
        """Make it, or find it: by its purpose, or by its name and age where it has none yet."""
        me, home = await self._who_am_i()
        ours: list[Mapping[str, Any]] | None = None
        for name in wish.names:
            try:
                answer = await self._call(
                    "conversations.create", {"name": name, "is_private": wish.is_private}
                )
            except _SlackRefusedError as error:
                if error.word != "name_taken":
                    raise error.failure from None
                ours = await self._our_rooms() if ours is None else ours
                found = _of_wish(ours, name, wish, me)
                if found is None:
                    continue
                return await self._marked(found, wish, home, is_new=False)
            room = answer.get("channel")
            if not isinstance(room, dict) or not isinstance(room.get("id"), str):
                raise self._required().without_id()
            return await self._marked(room, wish, home, is_new=True)
        detail = f"all names from {wish.names[0]} to {wish.names[-1]} are taken"
        raise DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)

    async def _marked(
        self, room: Mapping[str, Any], wish: RoomWish, home: str, *, is_new: bool
    ) -> Made:
        ref = str(room["id"])
        if _text(room, "purpose") != wish.marker:
            await self._plainly("conversations.setPurpose", ref, purpose=wish.marker)
        url = f"{home}archives/{ref}" if home else None
        return Made(ref, str(room.get("name") or wish.names[0]), url, is_new)

    async def _our_rooms(self) -> list[Mapping[str, Any]]:
        """Every room that the app is in: all that it made, and few others."""
        found: list[Mapping[str, Any]] = []
        cursor = ""
        for _ in range(_MOST_PAGES):
            params = {"types": "public_channel,private_channel", "limit": str(_PAGE)}
            answer = await self._get("users.conversations", params | {"cursor": cursor})
            rooms = answer.get("channels")
            found += [one for one in rooms if isinstance(one, dict)] if rooms else []
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return found

    async def set_topic(self, ref: str, topic: str) -> None:
        """Set it; Slack notes each change in the room, so only one that changes anything is asked for."""
        await self._plainly("conversations.setTopic", ref, topic=escaped(topic, TOPIC_CHARS))

    async def show(self, ref: str, card: Card, card_id: str | None, *, look: bool) -> str:
        """Edit it in place; one that somebody has deleted is posted anew."""
        if card_id is None and look:
            card_id = await self._find_card(ref, card.incident)
        body = as_message(card)
        if card_id is not None:
            try:
                await self._in_room("chat.update", ref, ts=card_id, **body)
            except _SlackRefusedError as error:
                if error.word not in ("message_not_found", "cant_update_message"):
                    raise error.failure from None
                card_id = None
        if card_id is None:
            beside = {"unfurl_links": False, "unfurl_media": False}
            answer = await self._plainly("chat.postMessage", ref, **body, **beside)
            card_id = answer.get("ts")
            if not isinstance(card_id, str):
                raise self._required().without_id()
        return card_id

    async def pin(self, ref: str, card_id: str) -> None:
        """Pin it; one that is pinned stays so."""
        try:
            await self._in_room("pins.add", ref, timestamp=card_id)
        except _SlackRefusedError as error:
            if error.word != "already_pinned":
                raise error.failure from None

    async def _find_card(self, ref: str, incident: str) -> str | None:
        """The card of an attempt of which nobody heard."""
        params = {"channel": ref, "limit": str(_LOOKED_AT), "include_all_metadata": "true"}
        try:
            answer = await self._get("conversations.history", params)
        except _SlackRefusedError as error:
            if error.word in ("missing_scope", "no_permission"):
                return None  # two cards in a room are better than none
            raise error.failure from None
        for one in answer.get("messages") or []:
            about = (one.get("metadata") if isinstance(one, dict) else None) or {}
            payload = about.get("event_payload") or {}
            if about.get("event_type") == "tocsin_card" and payload.get("incident") == incident:
                return str(one["ts"])
        return None

    async def invite(self, ref: str, member: str) -> None:
        """Invite one; several at once are all refused for one who left the workspace."""
        try:
            await self._in_room("conversations.invite", ref, users=member)
        except _SlackRefusedError as error:
            if error.word not in _THERE:
                raise error.failure from None

    def member_of(self, address: str) -> str | None:
        found = address.strip()
        return found if _MEMBER.fullmatch(found) else None

    async def archive(self, ref: str) -> None:
        """Archive it; one that is archived stays so."""
        try:
            await self._in_room("conversations.archive", ref)
        except _SlackRefusedError as error:
            if error.word != "already_archived":
                raise error.failure from None
        except RoomLostError as error:
            if error.trouble is not RoomTrouble.ARCHIVED:
                raise

    async def unarchive(self, ref: str) -> None:
        """Unarchive it. Slack lets an app do so only where it still counts as a member."""
        try:
            await self._in_room("conversations.unarchive", ref)
        except _SlackRefusedError as error:
            if error.word != "not_archived":
                raise error.failure from None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    # Calls.

    async def _who_am_i(self) -> tuple[str, str]:
        """The app's own member id, and the address of its workspace."""
        if self._me is None:
            answer = await self._plain("auth.test", {})
            url = str(answer.get("url") or "")
            home = url if re.fullmatch(r"https?://[A-Za-z0-9.:-]+/", url) else ""
            self._me = (str(answer.get("user_id") or ""), home)
        return self._me

    async def _in_room(self, method: str, ref: str, **fields: Any) -> Mapping[str, Any]:
        """A call about a room. Where the app has left it, it comes back, and asks once more."""
        about = {"channel": ref, **fields}
        try:
            return await self._call(method, about)
        except _SlackRefusedError as error:
            if error.word == "not_in_channel":
                await self._come_back(ref)
                return await self._again(method, about)
            if error.word in LOST:
                raise RoomLostError(LOST[error.word]) from None
            if error.failure.reason is not DeliveryReason.REJECTED:
                raise error.failure from None
            raise

    async def _come_back(self, ref: str) -> None:
        try:
            await self._call("conversations.join", {"channel": ref})
        except _SlackRefusedError as error:
            if error.failure.reason is DeliveryReason.REJECTED or error.word == "missing_scope":
                lost = LOST.get(error.word, RoomTrouble.REMOVED)
                raise RoomLostError(lost) from None
            raise error.failure from None

    async def _again(self, method: str, about: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._call(method, about)
        except _SlackRefusedError as error:
            if error.word in LOST:
                raise RoomLostError(LOST[error.word]) from None
            raise

    async def _plainly(self, method: str, ref: str, **fields: Any) -> Mapping[str, Any]:
        """As `_in_room`, where no refusal means anything else."""
        try:
            return await self._in_room(method, ref, **fields)
        except _SlackRefusedError as error:
            raise error.failure from None

    async def _plain(self, method: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._call(method, fields)
        except _SlackRefusedError as error:
            raise error.failure from None

    async def _call(self, method: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return _checked(await self._required().post(f"/{method}", json=dict(fields)))

    async def _get(self, method: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        answer = await self._required().get(f"/{method}", params=dict(params))
        return _checked(answer if isinstance(answer, dict) else {})

    def _required(self) -> VendorClient:
        if self._client is None:
            detail = "SLACK_BOT_TOKEN is not set"
            raise DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
        return self._client


class _SlackRefusedError(Exception):
    """Slack said no, with a word of its own."""

    def __init__(self, word: str, needed: str) -> None:
        self.word, self.failure = word, from_slack(word)
        if word == "missing_scope" and needed:
            detail = f"Slack answered {word}: the app needs the scope {needed[:100]}"
            self.failure = DeliveryError(DeliveryReason.UNAUTHORISED, detail, retryable=False)
        super().__init__(word)


def _checked(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if answer.get("ok") is not True:
        word, needed = str(answer.get("error") or "no reason"), str(answer.get("needed") or "")
        raise _SlackRefusedError(word, needed)
    return answer


def _of_wish(
    rooms: list[Mapping[str, Any]], name: str, wish: RoomWish, me: str
) -> Mapping[str, Any] | None:
    """The room that an attempt made of which nobody heard."""
    usable = [one for one in rooms if not one.get("is_archived") and one.get("id") not in wish.left]
    for one in usable:
        if _text(one, "purpose") == wish.marker:
            return one
    oldest = (wish.since - _CLOCKS_APART).timestamp()
    for one in usable:
        is_ours = bool(me) and one.get("creator") == me and not _text(one, "purpose")
        if is_ours and one.get("name") == name and _number(one.get("created")) >= oldest:
            return one
    return None


def _text(room: Mapping[str, Any], field: str) -> str:
    found = room.get(field)
    return str(found.get("value") or "") if isinstance(found, dict) else ""


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

"""A Slack workspace that is as strict as the real one about rooms, on a real socket.

What it checks: token and scopes, which fields a method has, names, lengths, members, archived rooms, and
that nothing in a text of people is a mention or a link.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.slack import _LOOSE, TOKEN, _wrong
from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

BOT = "U0TOCSIN"
_NAME = re.compile(r"[a-z0-9_-]{1,80}")
_NEEDS = {
    "conversations.create": {"name", "is_private"},
    "conversations.setTopic": {"channel", "topic"},
    "conversations.setPurpose": {"channel", "purpose"},
    "conversations.invite": {"channel", "users"},
    "conversations.join": {"channel"},
    "conversations.archive": {"channel"},
    "conversations.unarchive": {"channel"},
    "pins.add": {"channel", "timestamp"},
    "auth.test": set[str](),
}  # fmt: skip
"""Exactly these fields."""


@dataclass
class Room:
    """One room."""

    ref: str
    name: str
    is_private: bool
    created: float
    topic: str = ""
    purpose: str = ""
    is_archived: bool = False
    creator: str = BOT
    members: set[str] = field(default_factory=lambda: {BOT})
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    pins: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    edits: int = 0

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.ref, "name": self.name, "is_private": self.is_private, "creator": self.creator,
            "created": int(self.created), "is_archived": self.is_archived,
            "topic": {"value": self.topic}, "purpose": {"value": self.purpose},
        }  # fmt: skip

    def cards(self) -> list[dict[str, Any]]:
        """Messages that are an incident's card."""
        return [
            one for one in self.messages.values() if one["metadata"]["event_type"] == "tocsin_card"
        ]

    def said(self) -> list[str]:
        """Everything else, as a phone shows it."""
        return [
            str(one["blocks"])
            for one in self.messages.values()
            if one["metadata"]["event_type"] != "tocsin_card"
        ]


class Workspace:
    """Its rooms, its members, and faults on demand."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.members = {BOT, "U0ALICE", "U0BOB", "U0CAROL"}
        self.direct: list[dict[str, Any]] = []
        """Messages to members."""
        self.methods: list[str] = []
        """Every method that was called, in order."""
        self.refuses: dict[str, str] = {}
        """Word by method."""
        self.loses: list[str] = []
        """Methods whose next success nobody hears of."""
        self.limits: dict[str, int] = {}
        """How many calls of a method are answered 429 first."""
        self.lets_bots_unarchive = True
        self.token = TOKEN
        self.now: Callable[[], float] = time.time
        self._number = self._made = 0
        self.fake = VendorFake(self._check, aside=self._read)

    def named(self, name: str) -> Room:
        return next(room for room in self.rooms.values() if room.name == name)

    def add(self, name: str, **fields: Any) -> Room:
        """A room that somebody made."""
        self._made += 1
        room = Room(ref=f"C0ROOM{self._made}", name=name, is_private=False,
                    created=self.now(), **fields)  # fmt: skip
        self.rooms[room.ref] = room
        return room

    def delete(self, ref: str) -> None:
        del self.rooms[ref]

    # Requests.

    def _check(self, request: Request) -> Refusal | Taken:
        self.fake.mood = "answer"
        method = request.path.removeprefix("/")
        self.methods.append(method)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _no("token_revoked")
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            return _no("invalid_post_type")
        if self.limits.get(method, 0) > 0:
            self.limits[method] -= 1
            return Refusal(429, json.dumps({"ok": False, "error": "ratelimited"}), "")
        if method in self.refuses:
            return _no(self.refuses[method])
        fields = json.loads(request.body)
        if method in _NEEDS and set(fields) != _NEEDS[method]:
            return _no(f"invalid_arguments {method} {sorted(fields)}")
        answer = self._do(method, fields)
        if isinstance(answer, str):
            return _no(answer)
        if method in self.loses:
            self.loses.remove(method)
            self.fake.mood = "accept_then_drop"
        return Taken((method, fields), json.dumps({"ok": True, **answer}))

    def _do(self, method: str, fields: dict[str, Any]) -> dict[str, Any] | str:
        if method == "auth.test":
            return {"user_id": BOT, "url": "https://example.slack.com/"}
        if method == "conversations.create":
            return self._create(fields)
        if method == "chat.postMessage" and str(fields.get("channel")).startswith("U"):
            return _wrong(fields) or self._direct(fields)
        room = self.rooms.get(str(fields.get("channel")))
        if room is None or (room.is_private and BOT not in room.members):
            return "channel_not_found"
        act = {
            "conversations.setTopic": self._topic, "conversations.setPurpose": self._purpose,
            "conversations.invite": self._invite, "conversations.join": self._join,
            "conversations.archive": self._archive, "conversations.unarchive": self._unarchive,
            "chat.postMessage": self._post, "chat.update": self._update, "pins.add": self._pin,
        }.get(method)  # fmt: skip
        if act is None:
            return "unknown_method"
        if room.is_archived and method != "conversations.unarchive":
            return "already_archived" if method.endswith("archive") else "is_archived"
        if BOT not in room.members and method not in (
            "conversations.join",
            "conversations.unarchive",
        ):
            return "not_in_channel"
        return act(room, fields)

    def _direct(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.direct.append(fields)
        return {"channel": "D0DIRECT", "ts": f"1732457220.{len(self.direct):06d}", "message": {}}

    def _create(self, fields: dict[str, Any]) -> dict[str, Any] | str:
        name = fields["name"]
        if not _NAME.fullmatch(name) or not isinstance(fields["is_private"], bool):
            return "invalid_name_specials"
        if any(room.name == name for room in self.rooms.values()):
            return "name_taken"
        room = self.add(name)
        room.is_private = fields["is_private"]
        return {"channel": room.shown()}

    def _topic(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        if len(fields["topic"]) > 250:
            return "too_long"
        if _LOOSE.search(fields["topic"]):
            return "the topic holds markup that nobody meant"
        room.topic = fields["topic"]
        room.topics.append(room.topic)
        return {"channel": room.shown()}

    def _purpose(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        if len(fields["purpose"]) > 250:
            return "too_long"
        room.purpose = fields["purpose"]
        return {"channel": room.shown()}

    def _invite(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        member = fields["users"]
        if member == BOT:
            return "cant_invite_self"
        if member not in self.members:
            return "user_not_found"
        if member in room.members:
            return "already_in_channel"
        room.members.add(member)
        return {"channel": room.shown()}

    def _join(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        if room.is_private:
            return "method_not_supported_for_channel_type"
        room.members.add(BOT)
        return {"channel": room.shown()}

    def _archive(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        room.is_archived = True
        return {}

    def _unarchive(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        if not room.is_archived:
            return "not_archived"
        if not self.lets_bots_unarchive:
            return "not_in_channel"
        room.is_archived = False
        return {}

    def _post(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        wrong = _wrong(fields)
        if wrong:
            return wrong
        self._number += 1
        ts = f"1732457220.{self._number:06d}"
        room.messages[ts] = fields
        return {"channel": room.ref, "ts": ts, "message": {}}

    def _update(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        ts = fields.get("ts")
        if ts not in room.messages:
            return "message_not_found"
        if {"unfurl_links", "unfurl_media"} & set(fields):
            return "invalid_arguments"
        wrong = _wrong({name: value for name, value in fields.items() if name != "ts"})
        if wrong:
            return wrong
        room.messages[ts] = fields
        room.edits += 1
        return {"channel": room.ref, "ts": ts}

    def _pin(self, room: Room, fields: dict[str, Any]) -> dict[str, Any] | str:
        ts = fields["timestamp"]
        if ts not in room.messages:
            return "message_not_found"
        if ts in room.pins:
            return "already_pinned"
        room.pins.append(ts)
        return {}

    def _read(self, request: Request) -> Refusal | str | None:
        if request.method != "GET":
            return None
        parts = urlsplit(request.path)
        method, query = parts.path.removeprefix("/"), parse_qs(parts.query)
        self.methods.append(method)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return Refusal(200, json.dumps({"ok": False, "error": "token_revoked"}), "")
        if method in self.refuses:
            return Refusal(200, json.dumps({"ok": False, "error": self.refuses[method]}), "")
        if method == "users.conversations":
            return self._conversations(query)
        if method == "conversations.history":
            room = self.rooms[query["channel"][0]]
            messages = [{"ts": ts, **fields} for ts, fields in reversed(room.messages.items())]
            return json.dumps({"ok": True, "messages": messages[: int(query["limit"][0])]})
        return json.dumps({"ok": False, "error": "unknown_method"})

    def _conversations(self, query: dict[str, list[str]]) -> str:
        """Two to a page, so that whoever does not turn pages is found out."""
        ours = [room.shown() for room in self.rooms.values() if BOT in room.members]
        start = int(query.get("cursor", ["0"])[0] or 0)
        following = str(start + 2) if start + 2 < len(ours) else ""
        return json.dumps(
            {
                "ok": True,
                "channels": ours[start : start + 2],
                "response_metadata": {"next_cursor": following},
            }
        )


@contextmanager
def a_workspace() -> Iterator[Workspace]:
    """A running workspace."""
    workspace = Workspace()
    with running(workspace.fake):
        yield workspace


def _no(error: str) -> Refusal:
    return Refusal(200, json.dumps({"ok": False, "error": error}), error)

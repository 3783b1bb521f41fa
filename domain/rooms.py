"""The chat room of an incident as data: its name, what is known of it, what it is to show.

The room is kept by one effect that compares what it should show with what it showed last
(`room_card.py`, `room_reactions.py`); what speaks to the chat's vendor is `activities/rooms.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel

NAME_CHARS = 80
TOPIC_CHARS = 250
"""Source: Slack's `conversations.create` and `conversations.setTopic`."""
MOST_ROOMS = 4
"""Of one incident: whoever keeps on archiving its rooms means it."""
_NAMES_TRIED = 20
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_-]+")


class RoomTrouble(StrEnum):
    """Why a room cannot be used. A closed list: it becomes facts."""

    ARCHIVED = "archived"
    DELETED = "deleted"
    REMOVED = "removed"
    """Tocsin is not in the room any more."""
    UNAUTHORISED = "unauthorised"
    """The token was revoked, or lacks a scope."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"


LOST = frozenset({RoomTrouble.ARCHIVED, RoomTrouble.DELETED, RoomTrouble.REMOVED})
"""The room itself is gone; another one may take its place."""
PASSING = frozenset({RoomTrouble.UNREACHABLE, RoomTrouble.RATE_LIMITED})
"""What passes by itself, most of the time."""


class RoomState(BaseModel):
    """What is known of an incident's room, and what it showed last."""

    chat: str
    """Whose room it is: `slack`."""
    name: str
    """How it is called; of one that is not made yet, how it is to be."""
    wish: str = ""
    """How it was to be called, where that is another name: the next one begins with it again."""
    archive: Literal["never", "resolved", "closed"] = "closed"
    private: bool | None = None
    """Whether only those who are invited can read it, as the policy said when communications opened."""
    ref: str | None = None
    """Its id at the vendor; None while there is none."""
    url: str | None = None
    card: str | None = None
    """Id of the message that shows the state."""
    pinned: str | None = None
    """Id of the message that is pinned."""
    topic: str = ""
    """The topic that was set last."""
    shown: str = ""
    """Fingerprint of everything that it shows."""
    made: int = 0
    """How many rooms there have been."""
    left: list[str] = []
    """Ids of the rooms before this one."""
    invited: list[str] = []
    """People who are in it, or need no invitation any more."""
    not_invited: dict[str, str] = {}
    """Who cannot be invited, and why, as the timeline says."""
    archived: bool = False
    trouble: RoomTrouble | None = None
    """What the operator has been told."""
    faults: list[str] = []
    """What a person should know although it was done: a broken template."""


class RoomWanted(BaseModel):
    """What a room is to be: the same for the same incident, so that nothing is edited in vain."""

    topic: str
    card: dict[str, Any]
    """What the card says, see `templates/room_card/`."""
    buttons: list[str]
    """Commands that are possible now."""
    people: list[str]
    archived: bool = False

    def fingerprint(self) -> str:
        """A short name for all of it."""
        said = json.dumps(self.model_dump(), sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:32]


class KeepRoom(BaseModel):
    """One attempt to bring a room to what it is to be, and to make it where there is none."""

    incident: dict[str, Any]
    """The incident's view."""
    state: RoomState
    wanted: RoomWanted
    is_open: bool
    """Whether the incident is; a room that people archive after its end stays so."""
    attempt: int = 1
    at: datetime


class KeptRoom(BaseModel):
    """What an attempt has come to; what it has done before it failed stands in the state."""

    state: RoomState
    lost: RoomTrouble | None = None
    """Why the room that was there could not be used."""
    trouble: RoomTrouble | None = None
    """Why it is not what it is to be."""
    detail: str = ""
    retry_after_seconds: float | None = None


def room_name(rendered: str, incident_id: str) -> str:
    """The name of a room: small letters, digits, `-` and `_`, with the incident's id in it.

    Two incidents must not meet in one room because the policy calls both the same.
    """
    own = _plain(incident_id) or "incident"
    name = _plain(rendered)
    has_id = re.search(rf"(?:^|[-_]){re.escape(own)}(?:$|[-_])", name) is not None
    if has_id and len(name) <= NAME_CHARS:
        return name
    room = NAME_CHARS - len(own) - 1
    before = "" if has_id else name[: max(room, 0)].strip("-_")
    return f"{before}-{own}" if before else own[-NAME_CHARS:].strip("-_")


def _plain(text: str) -> str:
    return _NOT_IN_NAMES.sub("-", text.strip().lower()).strip("-_")


def candidates(name: str) -> Iterator[str]:
    """The names to try, in order: the name itself, then with -2, -3 … behind it."""
    yield name
    for number in range(2, _NAMES_TRIED + 1):
        suffix = f"-{number}"
        yield name[: NAME_CHARS - len(suffix)].rstrip("-_") + suffix


def marker(incident_id: str, raised_at: str) -> str:
    """What says in a room whose it is: by it a room is known again whose making nobody heard of.

    The time is in it because numbers begin anew when the records are lost.
    """
    return f"Tocsin: incident {incident_id}, raised {raised_at}"


def effect_key(incident_id: str) -> str:
    """The one key under which a room is kept: what changes meanwhile is folded into it."""
    return f"{incident_id}/room"

"""Facts about the chat room: opened, replaced, archived, degraded."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domain.aggregate import Fact
from domain.incident import Incident
from domain.rooms import RoomState, RoomTrouble

_WORDS = {
    RoomTrouble.ARCHIVED: "somebody has archived it",
    RoomTrouble.DELETED: "it is not there any more",
    RoomTrouble.REMOVED: "Tocsin was removed from it",
    RoomTrouble.UNAUTHORISED: "the chat does not know us, or not for this",
    RoomTrouble.REFUSED: "the chat refuses what we ask",
    RoomTrouble.UNREACHABLE: "the chat does not answer",
    RoomTrouble.RATE_LIMITED: "the chat asks us to wait",
}


class RoomKept(Fact):
    """What is known of the room now: bookkeeping, at every attempt."""

    silent: ClassVar[bool] = True

    state: RoomState

    def sentence(self) -> str:
        return "The room is kept"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.room = self.state


class _InRoom(Fact):
    """Base of those that name the room."""

    room: str
    ref: str
    url: str | None = None

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        places = incident.communications
        places.room, places.room_ref, places.room_url = self.room, self.ref, self.url
        places.room_trouble = None


class RoomOpened(_InRoom):
    """The room is there, or one of ours was found again."""

    chat: str

    def sentence(self) -> str:
        return f"Room {self.room} opened in {self.chat.capitalize()}"


class RoomReplaced(_InRoom):
    """Another room took the place of one that cannot be used."""

    old: str

    def sentence(self) -> str:
        return f"Room {self.room} opened in place of {self.old}"


class RoomArchived(Fact):
    """The room is read only."""

    room: str

    def sentence(self) -> str:
        return f"Room {self.room} archived"


class RoomUnarchived(Fact):
    """The room can be written to again."""

    room: str

    def sentence(self) -> str:
        return f"Room {self.room} unarchived"


class NotInvited(Fact):
    """People who could not be invited to the room: they have to come by themselves."""

    people: dict[str, str]
    """Why, by person."""

    def sentence(self) -> str:
        return "Not invited to the room: " + "; ".join(
            f"{person} ({why})" for person, why in self.people.items()
        )


class ChannelDegraded(Fact):
    """A place where the incident is talked about cannot be used; the operator is told."""

    channel: str
    reason: RoomTrouble
    detail: str = ""

    def sentence(self) -> str:
        said = f" ({self.detail})" if self.detail else ""
        return f"The {self.channel} is degraded: {_WORDS[self.reason]}{said}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.communications.room_trouble = self.reason.value


class ChannelRestored(Fact):
    """It can be used again."""

    channel: str

    def sentence(self) -> str:
        return f"The {self.channel} works again"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.communications.room_trouble = None

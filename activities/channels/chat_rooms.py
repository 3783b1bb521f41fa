"""What a chat is in which Tocsin makes rooms; `slack_rooms.py` is one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.rooms import RoomTrouble


class RoomWish(NamedTuple):
    """A room that is to be there, made now or by an attempt of which nobody heard."""

    names: Sequence[str]
    """To be tried in order."""
    marker: str
    """Says in the room whose it is."""
    is_private: bool
    since: datetime
    """No room of this incident is older."""
    left: Sequence[str] = ()
    """Ids of rooms that are not to be used any more."""


class Made(NamedTuple):
    """A room as the vendor knows it."""

    ref: str
    name: str
    url: str | None
    is_new: bool


class Card(NamedTuple):
    """The pinned message that shows how it stands."""

    incident: str
    title: str
    text: str
    buttons: Sequence[str]
    """Commands, in order."""
    links: Sequence[tuple[str, str]] = ()
    """Label and address."""


class RoomLostError(Exception):
    """The room cannot be used any more; another one may take its place."""

    def __init__(self, trouble: RoomTrouble) -> None:
        self.trouble = trouble
        super().__init__(trouble.value)


class ChatRooms(Protocol):
    """A chat.

    Every method raises `DeliveryError` where the vendor refuses or does not answer, and those that are
    given a room's id raise `RoomLostError` where that room is gone.
    """

    @property
    def is_configured(self) -> bool: ...

    async def open(self, wish: RoomWish) -> Made:
        """Make the room, or find the one that was made for the same wish."""
        ...

    async def set_topic(self, ref: str, topic: str) -> None: ...

    async def show(self, ref: str, card: Card, card_id: str | None, *, look: bool) -> str:
        """Edit the card in place, or post it; answers its id.

        Args:
            look: without an id, look first whether the room has one already.
        """
        ...

    async def pin(self, ref: str, card_id: str) -> None: ...

    async def invite(self, ref: str, member: str) -> None:
        """Invite somebody; who is there already stays."""
        ...

    def member_of(self, address: str) -> str | None:
        """The member behind a contact's address; None where it is none that can be invited."""
        ...

    async def archive(self, ref: str) -> None: ...

    async def unarchive(self, ref: str) -> None: ...

    async def aclose(self) -> None: ...

"""The incident's own room as a channel: what is said inside goes there too.

Its address is the room's id, which the incident knows; people cannot choose it as a contact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from activities.channels.base import Capabilities, Outgoing, Receipt
from activities.channels.chat_rooms import ChatRooms
from activities.channels.slack import SlackChannel, SlackSettings
from activities.channels.slack_rooms import LOST, SlackRooms
from domain.errors import DeliveryError

NAME = "room"


class RoomPosts:
    """Posts into the room; registered in `worker.py`, for it is no channel of contacts."""

    name: ClassVar[str] = NAME
    capabilities: ClassVar[Capabilities] = Capabilities(
        pages=False, form="chat", max_chars=SlackChannel.capabilities.max_chars
    )

    def __init__(self, settings: SlackSettings) -> None:
        self._slack = SlackChannel(settings)
        self.chats: Mapping[str, ChatRooms] = {"slack": SlackRooms(settings)}
        """Where rooms are made, by the name that the policy uses."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Set it up. Raises as `build_channels`, which reads the same variables before."""
        return cls(SlackSettings.from_environment(environment))

    @property
    def is_configured(self) -> bool:
        return self._slack.is_configured

    async def send(self, message: Outgoing) -> Receipt:
        """Post it. Raises as every channel, and where the room is gone an error that may pass."""
        try:
            return await self._slack.send(message)
        except DeliveryError as error:
            if any(word in error.detail for word in LOST):
                # The room is replaced while the message waits for its next attempt.
                raise DeliveryError(error.reason, error.detail, retryable=True) from error
            raise

    async def aclose(self) -> None:
        """Close the connections, those of the chats too."""
        await self._slack.aclose()
        for chat in self.chats.values():
            await chat.aclose()

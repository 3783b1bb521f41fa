"""Opening communications: room, bridge, document and status page, as the policy says.

The room itself is made afterwards, and kept, by `rooms.py`: whatever a chat does, the rest is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from temporalio import activity

from activities.bridges import BridgeCreator, BridgeError
from activities.channels.chat_rooms import ChatRooms
from activities.looking_up import PolicySource, why
from domain.messages import OpenChannels, OpenedChannels
from domain.policy.communications import Channels
from domain.policy.model import Policy
from templates.renderer import Renderer, TemplateFaultError

log = structlog.get_logger(__name__)


class Opening:
    """Names the places where an incident is talked about.

    Args:
        chats: in which rooms can be made, by name; none where nothing is really sent.
        bridges: who makes bridges; None where nothing is really sent.
    """

    def __init__(
        self,
        policy: PolicySource,
        renderer: Renderer,
        chats: Mapping[str, ChatRooms] | None = None,
        bridges: BridgeCreator | None = None,
    ) -> None:
        self._policy, self._renderer = policy, renderer
        self._chats, self._bridges = chats, bridges

    @activity.defn(name="open_comms")
    async def open_comms(self, request: OpenChannels) -> OpenedChannels:
        """Where the incident is talked about; a fault leaves out one place, not all."""
        incident, faults = request.incident, list[str]()
        try:
            _, policy = self._policy.current()
        except Exception as error:
            log.exception("policy unreadable")
            faults.append(f"the policy cannot be read, only the room is named: {why(error)}")
            policy = Policy(channels=Channels(status_page=False))
        kind = str(incident.get("type") or "default")
        wanted = policy.process(kind).channels
        context = {name: incident.get(name) for name in ("id", "service", "severity")}
        places: dict[str, str | None] = {}
        for name in ("room", "bridge", "document"):
            source = getattr(policy.channels, name)
            if source is not None and (wanted is None or name in wanted):
                places[name] = self._named(name, source, context, faults)
        creator = policy.channels.bridge_creator
        if creator is not None and (wanted is None or "bridge" in wanted):
            made = await self._bridge(creator, incident, faults)
            places["bridge"] = made or places.get("bridge")
        room = places.get("room")
        chat = self._chat(policy.channels, faults) if room else None
        return OpenedChannels(
            room=room,
            topic=request.topic if room else None,
            bridge=places.get("bridge"),
            document=places.get("document"),
            status_page=policy.channels.status_page and (wanted is None or "status_page" in wanted),
            chat=chat,
            archive_room=policy.channels.archive_room if chat else None,
            private_room=policy.has_private_room(kind) if chat else None,
            faults=faults,
        )

    def _named(
        self, name: str, source: str, context: dict[str, object], faults: list[str]
    ) -> str | None:
        try:
            return self._renderer.render_line(source, context) or None
        except TemplateFaultError as error:
            faults.append(f"channels.{name}: {error}")
            # The room has the incident's name whatever else it was to be called.
            return str(context["id"]) if name == "room" else None

    async def _bridge(
        self, creator: str, incident: dict[str, Any], faults: list[str]
    ) -> str | None:
        """The bridge that is made for the incident; None where the policy's own text has to do."""
        if self._bridges is None:
            return None
        try:
            return await self._bridges.make(creator, incident)
        except BridgeError as error:
            faults.append(f"channels.bridge_creator made no bridge: {error}")
            return None

    def _chat(self, channels: Channels, faults: list[str]) -> str | None:
        """Where the room is to be made."""
        if channels.chat is None or self._chats is None:
            return None
        chat = self._chats.get(channels.chat)
        if chat is None or not chat.is_configured:
            faults.append(
                f"channels.chat is {channels.chat}, which is not set up for the worker: the room is only "
                "named (SLACK_BOT_TOKEN)"
            )
            return None
        return channels.chat

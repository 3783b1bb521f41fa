"""Opening communications: room, bridge, document and status page, as the policy says."""

from __future__ import annotations

import structlog
from temporalio import activity

from activities.looking_up import PolicySource, why
from domain.messages import OpenChannels, OpenedChannels
from domain.policy.communications import Channels
from domain.policy.model import Policy
from templates.renderer import Renderer, TemplateFaultError

log = structlog.get_logger(__name__)


class Opening:
    """Names the places where an incident is talked about."""

    def __init__(self, policy: PolicySource, renderer: Renderer) -> None:
        self._policy, self._renderer = policy, renderer

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
        wanted = policy.process(str(incident.get("type") or "default")).channels
        context = {name: incident.get(name) for name in ("id", "service", "severity")}
        places: dict[str, str | None] = {}
        for name in ("room", "bridge", "document"):
            source = getattr(policy.channels, name)
            if source is not None and (wanted is None or name in wanted):
                places[name] = self._named(name, source, context, faults)
        room = places.get("room")
        return OpenedChannels(
            room=room,
            topic=request.topic if room else None,
            bridge=places.get("bridge"),
            document=places.get("document"),
            status_page=policy.channels.status_page and (wanted is None or "status_page" in wanted),
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

"""Updates: our own texts, the initial and the final ones, and bringing any update to its audience."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from temporalio import activity

from activities.announcing import Announcer
from activities.looking_up import PolicySource, why
from activities.wording import update_text
from domain.messages import Announce, Announced, Composed, ComposeUpdate
from domain.policy.slice import slice_for
from domain.updates import Audience
from templates.renderer import Renderer

log = structlog.get_logger(__name__)


class FollowingUp:
    """Composes and publishes updates.

    Args:
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        policy: PolicySource,
        renderer: Renderer,
        announcer: Announcer,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._renderer = policy, renderer
        self._announcer, self._clock = announcer, clock

    @activity.defn(name="compose_update")
    async def compose_update(self, request: ComposeUpdate) -> Composed:
        """One of our own texts. Never raises: there is a built-in text. Run as a local activity."""
        organisation, next_update_at, faults = "", None, []
        try:
            organisation, next_update_at = self._promise(request)
        except Exception as error:
            log.exception("policy unreadable")
            faults.append(f"the next update is not announced: {why(error)}")
        name = f"{request.audience}_{request.variant}"
        # In a thread: a template of the organisation's own may take its time.
        text, broken = await asyncio.to_thread(
            update_text, self._renderer, request.incident, organisation, name, next_update_at
        )
        return Composed(text=text, faults=[*faults, *broken])

    @activity.defn(name="publish_update")
    async def publish_update(self, request: Announce) -> Announced:
        """Bring an update to its audience."""
        return await self._announcer.announce(request)

    def _promise(self, request: ComposeUpdate) -> tuple[str, str | None]:
        """The organisation's name, and when the audience hears next: after one interval from now."""
        _, policy = self._policy.current()
        incident = request.incident
        if request.variant not in ("initial", "reopened"):
            return policy.organisation.name, None
        pinned = slice_for(policy, str(incident["service"]), str(incident.get("type", "default")))
        cadence = pinned.cadence(str(incident["severity"]), Audience(request.audience))
        now = request.at or self._clock()
        at = now + cadence if cadence is not None else None
        return policy.organisation.name, at.isoformat() if at else None

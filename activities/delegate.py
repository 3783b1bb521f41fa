"""Roles: whoever gets one is told what it asks of them."""

from __future__ import annotations

from temporalio import activity

from activities.announcing import Announcer
from domain.messages import Announce, Announced


class Delegating:
    """One attempt at a time; who has the message is not told twice."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    @activity.defn(name="delegate")
    async def delegate(self, request: Announce) -> Announced:
        """Bring somebody their role, its written duties and what they need to begin."""
        return await self._announcer.announce(request)

"""Reminders: what is due, to whoever owes it."""

from __future__ import annotations

from temporalio import activity

from activities.announcing import Announcer
from domain.messages import Announce, Announced


class Reminding:
    """One attempt at a time; who has the message is not told twice."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    @activity.defn(name="remind")
    async def remind(self, request: Announce) -> Announced:
        """Remind the recipients of what is due."""
        return await self._announcer.announce(request)

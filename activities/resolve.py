"""Resolution: the final messages of each audience."""

from __future__ import annotations

from temporalio import activity

from activities.announcing import Announcer
from domain.messages import Announce, Announced


class Resolving:
    """One attempt at a time; who has the message is not told twice."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    @activity.defn(name="send_final")
    async def send_final(self, request: Announce) -> Announced:
        """Send the last update of an audience."""
        return await self._announcer.announce(request)

"""Escalation beyond the policy: the operator hears what nobody has answered."""

from __future__ import annotations

from temporalio import activity

from activities.announcing import Announcer
from domain.messages import Announce, Announced


class OperatorTelling:
    """One attempt at a time; who has the message is not told twice."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    @activity.defn(name="tell_operator")
    async def tell_operator(self, request: Announce) -> Announced:
        """Tell whoever runs Tocsin; a file in the outbox and an error in the log."""
        return await self._announcer.announce(request)

"""Letting the desk of something urgent pass a storm of what is not, and calming it afterwards."""

from __future__ import annotations

import asyncio

import structlog
from temporalio.client import RPCError, RPCTimeoutOrCancelledError

from starter.rush import HASTENED_SECONDS, Rush
from starter.temporal_link import TemporalLink

log = structlog.get_logger(__name__)
FAILURES = (RPCError, RPCTimeoutOrCancelledError, RuntimeError, TimeoutError)


class Hastening:
    """Hastens desks in a rush. That it fails changes nothing but the order."""

    def __init__(self, link: TemporalLink, rush: Rush | None = None) -> None:
        self._link, self._rush = link, rush or Rush()
        self._calming: set[asyncio.Task[None]] = set()

    async def before(self, service: str, *, is_urgent: bool) -> None:
        """Call it before something is sent to a desk."""
        if not self._rush.lets_through(service, is_urgent=is_urgent):
            return
        try:
            await self._link.hasten_desk(service)
        except FAILURES as error:
            log.warning("desk.not_hastened", service=service, why=str(error))
            return
        task = asyncio.create_task(self._calm_later(service))
        self._calming.add(task)
        task.add_done_callback(self._calming.discard)

    async def _calm_later(self, service: str) -> None:
        await asyncio.sleep(HASTENED_SECONDS)
        try:
            await self._link.calm_desk(service)
        except FAILURES as error:
            log.warning("desk.not_calmed", service=service, why=str(error))

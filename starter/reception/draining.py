"""The drainer: delivers what the journal holds when Temporal is back, in order for each service.

While Temporal is away its attempt at the oldest batch is the question whether it is back. A batch goes
under the same key however often it is sent, and the desk counts a key once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from domain.alert import combine_repeats
from starter.reception.journal import Journal
from starter.reception.keeping import Outage, Report
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError, RefusedError

TOGETHER = 8
"""Services that are delivered to at the same time."""
AGAIN_SECONDS = (0.1, 1.0)
"""Between two questions whether Temporal is back: from the one, doubling, to the other."""
REFUSED_SECONDS = 5.0
"""How long a desk that refused a batch is left alone; the others go on."""
log = structlog.get_logger(__name__)


class Drainer:
    """One task for as long as something waits.

    Args:
        report: hands a batch to Temporal.
        is_held: services that wait a moment, because somebody is being paged about them directly.
        is_urgent: services that go first.
    """

    def __init__(
        self,
        journal: Journal,
        report: Report,
        outage: Outage,
        is_held: Callable[[str], bool] = lambda service: False,
        is_urgent: Callable[[str], bool] = lambda service: False,
    ) -> None:
        self._journal, self._report, self._outage = journal, report, outage
        self._is_held, self._is_urgent = is_held, is_urgent
        self._task: asyncio.Task[None] | None = None
        self._refused: dict[str, float] = {}
        """When to try a service again whose desk refused."""

    def wake(self) -> None:
        """Something waits."""
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
            self._task.add_done_callback(self._ended)

    def close(self) -> None:
        """Stop. What waits is adopted by the next process."""
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled() or task.exception() is None:
            if not self._journal.is_empty() and not task.cancelled():
                self.wake()
            return
        log.error("journal.drainer_died", exc_info=task.exception())
        asyncio.get_running_loop().call_later(AGAIN_SECONDS[1], self.wake)

    async def _drain(self) -> None:
        pause, longest = AGAIN_SECONDS
        delivered_before = self._journal.delivered
        while not self._journal.is_empty():
            services = self._next_services()
            if services and self._outage.is_on:
                # One question for all, and not one for each service.
                await self._deliver_next(services[0])
            if services and not self._outage.is_on:
                before = self._journal.delivered
                slots = asyncio.Semaphore(TOGETHER)
                await asyncio.gather(*(self._drain_service(name, slots) for name in services))
                if self._journal.delivered > before:
                    pause = AGAIN_SECONDS[0]
                    continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)
        log.info("journal.drained", alerts=self._journal.delivered - delivered_before)

    def _next_services(self) -> list[str]:
        now = time.monotonic()
        self._refused = {name: at for name, at in self._refused.items() if at > now}
        ready = [
            name
            for name in self._journal.services
            if name not in self._refused and not self._is_held(name)
        ]
        return sorted(ready, key=lambda name: not self._is_urgent(name))

    async def _drain_service(self, service: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            while self._journal.holds(service) and not self._is_held(service):
                if self._outage.is_on or not await self._deliver_next(service):
                    return

    async def _deliver_next(self, service: str) -> bool:
        """Deliver the oldest batch of a service; whether that was possible."""
        group = await self._journal.next_group(service)
        try:
            alerts = await self._journal.read(group)
        except OSError as error:
            self._leave_alone(service, f"its journal cannot be read: {error}")
            return False
        try:
            if alerts:
                await self._report(service, combine_repeats(alerts), group.key)
        except (GatewayUnavailableError, NotAnsweredError) as error:
            self._outage.begin(str(error))
            return False
        except Exception as error:  # noqa: BLE001 - a desk that refuses must not keep the others' alerts
            if isinstance(error, RefusedError):  # a desk has answered
                self._outage.end()
            self._leave_alone(service, f"its desk does not take them: {error}")
            return False
        self._outage.end()
        await self._journal.settle(group)
        return True

    def _leave_alone(self, service: str, why: str) -> None:
        self._refused[service] = time.monotonic() + REFUSED_SECONDS
        self._journal.error = f"alerts of {service} wait: {why}"[:300]
        log.error("journal.not_delivered", service=service, why=why)

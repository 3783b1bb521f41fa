"""Beats at the door: one signal per monitor is under way, and one a second is enough.

A beat that Temporal could not take is refused, so that its sender knows; it is remembered too, and
delivered with its own time when Temporal is back, so that an outage of ours makes no monitor late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from starter.temporal_link import GatewayUnavailableError, NotAnsweredError

TOGETHER_SECONDS = 1.0
"""Beats of one monitor that come within this of one that was kept count as the same."""
AGAIN_SECONDS = (0.25, 1.0)
"""Between attempts at what is remembered: from the one, doubling, to the other. A monitor waits longer
(`domain.heartbeat.SETTLE`) before it says that it is late."""

Send = Callable[[str, datetime], Awaitable[None]]
log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Beats:
    """Delivers beats.

    Args:
        send: delivers one beat of a monitor, and returns when it is durable.
    """

    def __init__(
        self,
        send: Send,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send, self._now, self._clock = send, now, clock
        self._told: set[str] = set()
        """Monitors of whose beats a fault of no known kind was said."""
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._kept_at: dict[str, float] = {}
        self._missed: dict[str, datetime] = {}
        self._making_up: asyncio.Task[None] | None = None

    async def beat(self, name: str) -> None:
        """Return when a beat of this monitor from now is durable.

        Raises:
            Exception: what `send` raised. Temporal has nothing; the beat is remembered.
        """
        flight = self._flights.get(name)
        if flight is None:
            kept_at = self._kept_at.get(name)
            if kept_at is not None and self._clock() - kept_at < TOGETHER_SECONDS:
                return
            flight = asyncio.create_task(self._fly(name))
            self._flights[name] = flight
            flight.add_done_callback(lambda done: self._landed(name, done))
        # Shielded: a caller that goes away must not take others' beat with it.
        await asyncio.shield(flight)

    def close(self) -> None:
        """Stop; what is remembered is lost with the process, and its senders were told so."""
        if self._making_up is not None:
            self._making_up.cancel()

    async def _fly(self, name: str) -> None:
        started, at = self._clock(), self._now()
        try:
            await self._send(name, at)
        except (GatewayUnavailableError, NotAnsweredError):
            self._missed[name] = at
            if self._making_up is None:
                self._making_up = asyncio.create_task(self._make_up())
            raise
        self._kept_at[name] = started
        self._missed.pop(name, None)

    def _landed(self, name: str, flight: asyncio.Task[None]) -> None:
        self._flights.pop(name, None)
        if not flight.cancelled():
            flight.exception()  # looked at here: whoever waited may be gone

    async def _made_up(self, name: str, at: datetime) -> bool:
        """Deliver one; False where it has to wait. A fault over one monitor keeps no other from its own."""
        try:
            await self._send(name, at)
        except (GatewayUnavailableError, NotAnsweredError):
            return False
        except Exception:  # whatever it is: the beat is kept, and said once, not every second
            if name not in self._told:
                self._told.add(name)
                log.exception("heartbeat.not_made_up", monitor=name, at=at.isoformat())
            return False
        self._told.discard(name)
        log.info("heartbeat.made_up", monitor=name, at=at.isoformat())
        return True

    async def _make_up(self) -> None:
        """Deliver what is remembered, for as long as it takes."""
        pause, longest = AGAIN_SECONDS
        try:
            while self._missed:
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
                for name, at in list(self._missed.items()):
                    if await self._made_up(name, at):
                        pause = AGAIN_SECONDS[0]
                        if self._missed.get(name) == at:
                            del self._missed[name]
        finally:
            self._making_up = None

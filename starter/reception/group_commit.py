"""Group commit: at most one report signal per desk is under way, and what comes meanwhile rides in the next.

This is correctness and not only speed: a desk that gets a signal per alert in a storm has its tasks fail
and cannot answer declarations. A request is answered when Temporal has everything it brought.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from domain.alert import Alert, combine_repeats

MAX_ALERTS = 100
MAX_BYTES = 150_000
MAX_WAITING = 20_000
"""Alerts that may wait per desk; with more somebody else has to keep them."""
MAX_IN_FLIGHT = 50_000
"""Alerts that may wait for all desks together, before whoever sends is told to come again later. Source: at
2 kB each, a process then holds 100 MB of them."""
LINGER_SECONDS = 0.02
"""In a storm a batch waits at most this long for company; the first alert, and a lone one, never do."""

Send = Callable[[str, list[Alert]], Awaitable[None]]


class TooManyWaitingError(Exception):
    """More wait than this process takes; whoever sends tries again later."""


@dataclass(eq=False)
class _Request:
    """One caller, and how many of its alerts have not been delivered."""

    left: int
    done: asyncio.Future[None]


@dataclass
class _Desk:
    waiting: deque[tuple[Alert, int, _Request]] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    expected: int = 0
    company: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when as many wait as the last batch held."""


class GroupCommit:
    """Delivers alerts in batches.

    Args:
        send: delivers one batch to a service's desk, and returns when it is durable.
    """

    def __init__(
        self,
        send: Send,
        *,
        max_alerts: int = MAX_ALERTS,
        max_bytes: int = MAX_BYTES,
        max_waiting: int = MAX_WAITING,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._send = send
        self._max_alerts, self._max_bytes, self._max_waiting = max_alerts, max_bytes, max_waiting
        self._max_in_flight = max_in_flight
        self._desks: dict[str, _Desk] = {}
        self.in_flight = 0
        """Alerts taken and not yet answered, for all desks."""

    async def deliver(self, service: str, alerts: Sequence[Alert]) -> None:
        """Return when all of them are durable.

        Raises:
            TooManyWaitingError: nothing was taken.
            Exception: whatever `send` raised for a batch that held one of them; some may be durable.
        """
        if not alerts:
            return
        if self.in_flight + len(alerts) > self._max_in_flight:
            raise TooManyWaitingError(f"{self.in_flight} alerts are under way")
        desk = self._desks.get(service) or _Desk()
        if len(desk.waiting) + len(alerts) > self._max_waiting:
            raise TooManyWaitingError(f"{len(desk.waiting)} alerts wait for desk {service}")
        self._desks[service] = desk
        request = _Request(len(alerts), asyncio.get_running_loop().create_future())
        self.in_flight += len(alerts)
        request.done.add_done_callback(lambda _: self._answered(len(alerts)))
        for alert in alerts:
            desk.waiting.append((alert, alert.size, request))
        if len(desk.waiting) >= desk.expected:
            desk.company.set()
        if desk.task is None:
            desk.task = asyncio.create_task(self._work(service, desk))
        # Shielded: a caller that goes away must not take others' batch with it.
        await asyncio.shield(request.done)

    def _answered(self, count: int) -> None:
        self.in_flight -= count

    async def _work(self, service: str, desk: _Desk) -> None:
        """Send batches until nothing waits."""
        sent = 0
        try:
            while True:
                if sent > 1:
                    await self._linger(desk, sent)
                if not desk.waiting:
                    return
                alerts, requests = self._next_batch(desk)
                sent = len(alerts)
                if alerts:
                    await self._send_one(service, alerts, requests)
        finally:
            desk.task = None
            del self._desks[service]
            for _, _, request in desk.waiting:  # only when this process is being stopped
                _fail(request, ConnectionError("shutting down"))

    async def _linger(self, desk: _Desk, sent: int) -> None:
        """In a storm: whoever was just answered is about to send the next; let them ride together."""
        desk.expected = min(sent, self._max_alerts)
        if len(desk.waiting) >= desk.expected:
            return
        desk.company.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(desk.company.wait(), LINGER_SECONDS)

    async def _send_one(self, service: str, alerts: list[Alert], requests: list[_Request]) -> None:
        try:
            await self._send(service, combine_repeats(alerts))
        except BaseException as error:
            is_ours = isinstance(error, Exception)
            for request in requests:
                _fail(request, error if is_ours else ConnectionError("shutting down"))
            if not is_ours:
                raise
            return
        for request in requests:
            request.left -= 1
            if request.left == 0 and not request.done.done():
                request.done.set_result(None)

    def _next_batch(self, desk: _Desk) -> tuple[list[Alert], list[_Request]]:
        """What fits into one signal, in order; `requests` names the caller of each alert."""
        alerts: list[Alert] = []
        requests: list[_Request] = []
        size = 0
        while desk.waiting and len(alerts) < self._max_alerts:
            alert, bytes_, request = desk.waiting[0]
            if alerts and size + bytes_ > self._max_bytes:
                break
            desk.waiting.popleft()
            if request.done.done():
                continue  # an earlier batch of it failed, and its sender will send all of it again
            alerts.append(alert)
            requests.append(request)
            size += bytes_
        return alerts, requests


def _fail(request: _Request, error: BaseException) -> None:
    if not request.done.done():
        request.done.set_exception(error)
        request.done.exception()  # looked at here: whoever waited may be gone

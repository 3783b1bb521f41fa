"""A rush: reports come in faster than desks can be served. Who is then let through first.

In a storm over many services thousands of tasks wait in one queue, each in its turn, and a new incident
of the worst severity would wait behind all of them. Temporal serves tasks by priority, and a desk that
is hastened is served at once. One for each process of the API; pure, but for its clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SERVED_PER_SECOND = 25.0
"""What a small machine surely does. Source: measured, docs/performance.md: about 40 incidents a second."""
CROWD = 16.0
"""From so many waiting on, whoever comes waits noticeably."""
HASTENED_SECONDS = 30.0
"""A desk stays hastened so long; longer than a rush of a thousand lasts."""
PER_SECOND, BURST = 10.0, 20.0
"""Where all is urgent nothing is: then the rest waits in turn."""
KEPT = 10_000
"""Services that are remembered."""


class Rush:
    """Estimates how many desks wait, from what this process has sent them.

    Args:
        now: a clock in seconds that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting, self._tokens, self._at = 0.0, BURST, now()
        self._sent: dict[str, float] = {}
        self._hastened: dict[str, float] = {}

    def lets_through(self, service: str, *, is_urgent: bool) -> bool:
        """Note that a desk is about to get something; tell whether to hasten it first."""
        now = self._now()
        passed, self._at = max(now - self._at, 0.0), now
        self._waiting = max(self._waiting - passed * SERVED_PER_SECOND, 0.0)
        self._tokens = min(self._tokens + passed * PER_SECOND, BURST)
        # Reports of one service follow each other while it is served: they do not wait for others.
        if now - self._sent.get(service, -1.0) >= 1.0:
            self._waiting += 1.0
        _remember(self._sent, service, now)
        if not is_urgent or self._waiting <= CROWD or self._tokens < 1.0:
            return False
        if now - self._hastened.get(service, -HASTENED_SECONDS) < HASTENED_SECONDS:
            return False
        self._tokens -= 1.0
        _remember(self._hastened, service, now)
        return True


def _remember(times: dict[str, float], service: str, at: float) -> None:
    times.pop(service, None)
    times[service] = at
    while len(times) > KEPT:
        del times[next(iter(times))]

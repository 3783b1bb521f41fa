"""How much may come in from outside: per token or number, in memory, and never more than a fixed size."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

MAX_KEYS = 10_000
"""Whoever came longest ago is forgotten first."""


class Allowance:
    """So many in any stretch of time, for each key.

    Args:
        limit: how many.
        seconds: length of the stretch.
        clock: seconds that never run back.
    """

    def __init__(
        self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Use one up; False where none is left."""
        now = self._clock()
        times = self._taken.setdefault(key, deque(maxlen=self._limit))
        self._taken.move_to_end(key)
        while len(self._taken) > MAX_KEYS:
            self._taken.popitem(last=False)
        if len(times) == self._limit and now - times[0] < self._seconds:
            return False
        times.append(now)
        return True

    def give_back(self, key: str) -> None:
        """What was taken last came to nothing."""
        if times := self._taken.get(key):
            times.pop()


class Seen:
    """What has come in before: a signed request that comes again is a replay.

    Args:
        seconds: how long it is remembered.
        clock: seconds that never run back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._seen: OrderedDict[str, float] = OrderedDict()

    def has(self, key: str) -> bool:
        """Whether it was noted, and is not forgotten yet."""
        at = self._seen.get(key)
        return at is not None and self._clock() - at < self._seconds

    def is_new(self, key: str) -> bool:
        """Note it; False where it was noted already."""
        now = self._clock()
        while self._seen:
            oldest, at = next(iter(self._seen.items()))
            if now - at < self._seconds and len(self._seen) < MAX_KEYS:
                break
            del self._seen[oldest]
        if key in self._seen:
            return False
        self._seen[key] = now
        return True

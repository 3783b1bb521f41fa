"""What was turned away although its sender is known: kept for the operator, since nobody else would tell.

Of this process and since it started; the log has the same lines for longer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

KEPT = 20
"""Of each integration."""
MAX_INTEGRATIONS = 500
MAX_WHY_CHARS = 300
COME_AGAIN = (429, 503)
"""Told to send it again: in a storm thousands of one kind, which are one row."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Refusal:
    """One request that was not taken. What it held is not kept: it may be a secret."""

    at: datetime
    integration: str
    format: str
    status: int
    code: str
    why: str
    times: int = 1
    """How often in a row; `at` is the last time."""

    def shown(self) -> dict[str, Any]:
        return {
            "at": _wire(self.at),
            "integration": self.integration,
            "format": self.format,
            "status": self.status,
            "code": self.code,
            "why": self.why,
            "times": self.times,
        }


class Refusals:
    """The last refusals of each integration, and how many there were."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, deque[Refusal]] = OrderedDict()
        self._strangers: dict[str, tuple[int, datetime]] = {}
        self.count = 0

    def add(self, refusal: Refusal) -> None:
        """Keep it, and say so in the log; of those to be sent again only the first in a row is said."""
        self.count += 1
        found = self._kept.setdefault(refusal.integration, deque(maxlen=KEPT))
        if found and _is_more_of(found[-1], refusal):
            found[-1] = replace(refusal, times=found[-1].times + 1)
            return
        found.append(refusal)
        self._kept.move_to_end(refusal.integration)
        while len(self._kept) > MAX_INTEGRATIONS:
            self._kept.popitem(last=False)
        said = refusal.shown()
        del said["at"], said["times"]
        log.warning("intake.refused", **said)

    def stranger(self, format: str, at: datetime) -> None:
        """Count a request without a valid key: it may be a sender of ours that has a wrong one.

        No more than that is kept, and nothing logged: anybody can send such requests.
        """
        count, _ = self._strangers.get(format, (0, at))
        self._strangers[format] = count + 1, at

    def strangers(self) -> list[dict[str, Any]]:
        """By format, how many there were and when the last one came."""
        return [
            {"format": format, "count": count, "last_at": _wire(at)}
            for format, (count, at) in sorted(self._strangers.items())
        ]

    def recent(self) -> list[Refusal]:
        """The kept ones, the latest first."""
        every = (refusal for found in self._kept.values() for refusal in found)
        return sorted(every, key=lambda one: one.at, reverse=True)


def _is_more_of(last: Refusal, one: Refusal) -> bool:
    same = (last.format, last.status, last.code) == (one.format, one.status, one.code)
    return same and one.status in COME_AGAIN


def _wire(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")

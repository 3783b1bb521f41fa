"""What was turned away although its sender is known: kept for the operator, since nobody else would tell.

Of this process and since it started; the log has the same lines for longer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

KEPT = 20
"""Of each integration."""
MAX_INTEGRATIONS = 500
MAX_WHY_CHARS = 300
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

    def shown(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "integration": self.integration,
            "format": self.format,
            "status": self.status,
            "code": self.code,
            "why": self.why,
        }


class Refusals:
    """The last refusals of each integration, and how many there were."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, deque[Refusal]] = OrderedDict()
        self.count = 0

    def add(self, refusal: Refusal) -> None:
        """Keep it, and say so in the log."""
        self.count += 1
        found = self._kept.setdefault(refusal.integration, deque(maxlen=KEPT))
        found.append(refusal)
        self._kept.move_to_end(refusal.integration)
        while len(self._kept) > MAX_INTEGRATIONS:
            self._kept.popitem(last=False)
        said = refusal.shown()
        del said["at"]
        log.warning("intake.refused", **said)

    def recent(self) -> list[Refusal]:
        """The kept ones, the latest first."""
        every = (refusal for found in self._kept.values() for refusal in found)
        return sorted(every, key=lambda one: one.at, reverse=True)

"""How many messages one contact gets in any stretch of time, as the policy writes it.

Which message waits and for how long is `domain/bundling.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import Field

from domain.policy.base import Strict
from domain.policy.value import Interval

OTHERS = "others"
"""The name under which every channel stands that has no throttles of its own."""


class Throttle(Strict):
    """At most so many messages to one contact in any stretch of that length."""

    count: int = Field(ge=1, le=1000)
    per: Interval = Field(le=timedelta(days=1))


def default_throttles() -> dict[str, list[Throttle]]:
    """Source: GoAlert's limits for each contact method."""
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    return {
        "sms": [
            Throttle(count=5, per=15 * minute),
            Throttle(count=11, per=hour),
            Throttle(count=21, per=3 * hour),
        ],
        "voice": [
            Throttle(count=3, per=15 * minute),
            Throttle(count=7, per=hour),
            Throttle(count=15, per=3 * hour),
        ],
        OTHERS: [Throttle(count=1, per=minute)],
    }


def with_defaults(value: Any) -> Any:
    """A file that names one channel leaves the throttles of the others as they are."""
    return {**default_throttles(), **value} if isinstance(value, dict) else value

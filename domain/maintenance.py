"""Maintenance: while a service is worked on by plan, its alerts are recorded and page nobody.

A window is a span of instants for one service. Those of the policy are wall time in the file; those
made at run time are held by the service's desk. What a person raises pages all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from domain.policy.model import Policy
from domain.wall_clock import Instant, instant_of

Source = Literal["policy", "api"]


class Window(BaseModel):
    """One service's maintenance, from `start` on and before `end`."""

    id: str
    """`m3` of the service, or the name in the policy."""
    start: Instant
    end: Instant
    reason: str
    by: str = ""
    """Who made it at run time."""
    source: Source = "api"
    public_text: str = ""
    """What the status page says of it; empty: only that there is maintenance."""

    def covers(self, at: datetime) -> bool:
        return self.start <= at < self.end


def windows_of(policy: Policy, service: str) -> list[Window]:
    """The policy's windows for a service.

    Raises:
        ZoneInfoNotFoundError: a zone that does not exist on this machine.
    """
    found = []
    for name, window in policy.maintenance.windows.items():
        if window.services is not None and service not in window.services:
            continue
        zone = ZoneInfo(window.timezone or policy.organisation.timezone)
        found.append(
            Window(
                id=name,
                start=instant_of(window.start, zone),
                end=instant_of(window.end, zone),
                reason=window.reason,
                source="policy",
                public_text=window.public_text,
            )
        )
    return found


def covering(windows: Iterable[Window], at: datetime) -> Window | None:
    """The window that a service is in; of several the one that ends last."""
    return max((w for w in windows if w.covers(at)), key=lambda w: w.end, default=None)


def window_at(
    policy: Policy, service: str, at: datetime, made: Sequence[Window] = ()
) -> Window | None:
    """The maintenance that a service is in at an instant.

    Args:
        made: the windows made at run time, as the service's desk holds them.
    """
    return covering([*windows_of(policy, service), *made], at)


def not_over(windows: Iterable[Window], at: datetime) -> list[Window]:
    """Those that last or are still to come, the earliest first."""
    return sorted((w for w in windows if w.end > at), key=lambda w: (w.start, w.id))


def wire(at: datetime) -> str:
    """An instant as a person reads it in a sentence."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

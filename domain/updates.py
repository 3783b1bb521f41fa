"""The clock of communications: when the next internal and external update is due, and who hears of it.

A due update reminds its owner; at one and a half times the interval the deputy, at twice the incident
manager, and from then on once per interval. It never posts filler by itself; resolution stops it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from domain.durations import Duration


class Audience(StrEnum):
    INTERNAL = "internal"
    EXTERNAL = "external"


class UpdateStatus(StrEnum):
    """The stages that a status page knows. Source: Statuspage's four stage texts."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class Update(BaseModel):
    """One published update."""

    at: datetime
    audience: Audience
    text: str
    status: UpdateStatus | None = None
    actor: str
    next_update_at: datetime | None = None
    audiences: list[str] | None = None
    """Who of the policy's audiences heard it; None where they all did."""
    on_status_page: bool = True
    """Whether an external one stands on the status page."""
    approved_by: str | None = None


class Stage(StrEnum):
    """Who is reminded of a due update."""

    OWNER = "owner"
    DEPUTY = "deputy"
    MANAGER = "incident_manager"


class UpdateClock(BaseModel):
    """One audience's clock: the interval runs from `base`."""

    base: datetime
    interval: Duration
    reminded: int = 0
    """How many reminders have gone out since `base`."""

    @property
    def due_at(self) -> datetime:
        """When the update itself is due."""
        return self.base + self.interval

    def next_reminder(self) -> tuple[datetime, Stage]:
        """When the next reminder goes, and to whom."""
        factors = {0: (1.0, Stage.OWNER), 1: (1.5, Stage.DEPUTY), 2: (2.0, Stage.MANAGER)}
        if self.reminded in factors:
            factor, stage = factors[self.reminded]
            return self.base + self.interval * factor, stage
        return self.base + self.interval * self.reminded, Stage.MANAGER

    def catch_up(self, now: datetime) -> tuple[Stage, int]:
        """The one reminder that is owed at `now`, and how many earlier ones an outage overtook."""
        last = max(self._passed(now) - 1, self.reminded)
        return self.model_copy(update={"reminded": last}).next_reminder()[1], last - self.reminded

    def mark(self, now: datetime) -> None:
        """Count every reminder whose time has passed as given."""
        self.reminded = max(self.reminded, self._passed(now))

    def _passed(self, now: datetime) -> int:
        """How many reminders lie behind, counted and not walked through: an outage may be long."""
        if now - self.base < self.interval * 2:
            return sum(self.base + self.interval * factor <= now for factor in (1.0, 1.5))
        return (now - self.base) // self.interval + 1

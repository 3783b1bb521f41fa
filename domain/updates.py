"""The clock of communications: when the next internal and external update is due, and who hears of it.

A due update reminds its owner; at one and a half times the interval the deputy, at twice the incident
manager, and from then on once per interval. It never posts filler by itself; resolution stops it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
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
        overtaken, stage = -1, Stage.OWNER
        probe = self.model_copy()
        while (next_one := probe.next_reminder())[0] <= now:
            overtaken, stage = overtaken + 1, next_one[1]
            probe.reminded += 1
        return stage, max(overtaken, 0)

    def mark(self, now: datetime) -> None:
        """Count every reminder whose time has passed as given."""
        while self.next_reminder()[0] <= now:
            self.reminded += 1


MIN_INTERVAL = timedelta(minutes=1)

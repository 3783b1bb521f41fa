"""Heartbeats: a monitor that has to call in, when it is late, and what its silence becomes.

A monitor is asleep until it is heard from for the first time. From then on each beat moves the deadline:
beat + every + grace. Past it the monitor reports an alert to its service's desk, once; a beat clears it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel

from domain.alert import Alert, AlertStatus
from domain.durations import format_duration
from domain.grouping import Rule, rule_of
from domain.policy.maintenance import Monitor
from domain.policy.model import Policy

OVERSLEPT = timedelta(seconds=3)
"""A deadline that is looked at later than this was slept through: the system was away."""
SETTLE = timedelta(seconds=3)
"""Between deadline and alarm: what an outage kept back at the door comes within this of its end."""
ROUNDING = timedelta(milliseconds=100)
"""A timer's length is kept in milliseconds."""
EXCUSED_AT_MOST = timedelta(hours=1)
"""After an outage of the system a monitor has one more period, at most this, and its grace."""
INTEGRATION = "heartbeat"

Fold = Literal["service", "key"]


class Definition(BaseModel):
    """What the policy says of a monitor now; `monitor` is None once it is gone."""

    monitor: Monitor | None = None
    fold: Fold = "service"
    rule: Rule = Rule()


class HeartbeatState(StrEnum):
    WAITING = "waiting"
    """Never heard from: it is not late either."""
    ALIVE = "alive"
    LATE = "late"
    DISABLED = "disabled"


class Report(BaseModel):
    """An alert on its way to a desk, under a key that makes it count once."""

    service: str
    key: str
    alert: Alert
    fold: Fold = "service"
    rule: Rule = Rule()


class Heartbeat(BaseModel):
    """One monitor: its definition, when it was heard last, and whether it is late."""

    name: str
    monitor: Monitor
    fold: Fold = "service"
    rule: Rule = Rule()
    last_beat: datetime | None = None
    beats: int = 0
    excused_until: datetime | None = None
    """Not late before this, whatever the last beat says: the system was away, or the policy changed."""
    late_since: datetime | None = None
    late_service: str = ""
    """Where its lateness was reported: the policy may have moved it since."""
    is_removed: bool = False
    reports: list[Report] = []
    """Not yet delivered, oldest first."""

    @property
    def state(self) -> HeartbeatState:
        if not self.monitor.enabled:
            return HeartbeatState.DISABLED
        if self.late_since is not None:
            return HeartbeatState.LATE
        return HeartbeatState.WAITING if self.last_beat is None else HeartbeatState.ALIVE

    def deadline(self) -> datetime | None:
        """When it is late; None while it cannot be."""
        if self.is_removed or self.last_beat is None or self.state is not HeartbeatState.ALIVE:
            return None
        at = self.last_beat + self._patience()
        return at if self.excused_until is None else max(at, self.excused_until)

    def beat(self, at: datetime, now: datetime) -> None:
        """It called in.

        Args:
            at: when it did, as the door saw it; one from the future counts as now.
        """
        at = min(at, now)
        self.beats += 1
        if self.last_beat is None or at > self.last_beat:
            self.last_beat = at
        # One that was kept back may be too old to mean that the monitor is well.
        if self.late_since is not None and at + self._patience() > now:
            self._come_back(now, "the monitor called in again")
        if now - at > OVERSLEPT:
            # It was kept back on its way: later ones may have been lost, with nobody to blame.
            self.excuse(now)

    def define(self, definition: Definition, now: datetime) -> None:
        """The policy may have changed."""
        self.fold, self.rule = definition.fold, definition.rule
        new = definition.monitor
        if new is None:
            self._come_back(now, "the monitor is not in the policy any more")
            self.is_removed = True
            return
        old, self.monitor, self.is_removed = self.monitor, new, False
        if not new.enabled:
            self._come_back(now, "the monitor was switched off")
        timing = (new.enabled, new.every, new.grace)
        if timing != (old.enabled, old.every, old.grace) and new.enabled:
            # Under new rules nobody is late for what the old ones asked.
            self.excused_until = now + self._patience()

    def excuse(self, now: datetime) -> None:
        """The system itself was away at the deadline: beats may have been lost with nobody to blame."""
        self.excused_until = now + min(self.monitor.every, EXCUSED_AT_MOST) + self.monitor.grace

    def miss(self, now: datetime) -> None:
        """The deadline has passed without a beat."""
        deadline = self.deadline()
        if deadline is None or deadline > now:
            return
        self.late_since, self.late_service = deadline, self.monitor.service
        self.reports.append(self._report(AlertStatus.FIRING, now, ""))

    def _patience(self) -> timedelta:
        return self.monitor.every + self.monitor.grace

    def _come_back(self, now: datetime, why: str) -> None:
        if self.late_since is None:
            return
        self.reports.append(self._report(AlertStatus.RESOLVED, now, why))
        self.late_since, self.late_service, self.excused_until = None, "", None

    def _report(self, status: AlertStatus, now: datetime, why: str) -> Report:
        since = self.late_since or now
        last = (
            f"{self.last_beat.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.last_beat else "never"
        )
        every, grace = format_duration(self.monitor.every), format_duration(self.monitor.grace)
        key = f"{INTEGRATION}/{self.name}/{since.astimezone(UTC).isoformat()}/{status.value}"
        is_firing = status is AlertStatus.FIRING
        alert = Alert(
            id=key,
            key=f"{INTEGRATION}/{self.name}",
            status=status,
            integration=INTEGRATION,
            service=self.late_service,
            severity=self.monitor.severity,
            summary=self.monitor.summary
            or f"No heartbeat from {self.name}, expected every {every}",
            description=why
            or f"Heard last at {last}; expected every {every}, with {grace} of grace.",
            starts_at=self.last_beat + self.monitor.every if is_firing and self.last_beat else None,
            received_at=now,
            on_clear=self.monitor.on_return.value,
        )
        return Report(
            service=self.late_service, key=key, alert=alert, fold=self.fold, rule=self.rule
        )

    def view(self) -> dict[str, Any]:
        """As the outside sees it."""
        deadline = self.deadline()
        return {
            "name": self.name,
            "state": self.state.value,
            "last_beat": self.last_beat,
            "due_at": deadline,
            "late_since": self.late_since,
            "beats": self.beats,
        }


def fires_on_time(fired: datetime, deadline: datetime) -> bool:
    """Whether a timer that fired at `fired` is the one of that deadline, and no outage held it up."""
    return deadline - ROUNDING <= fired <= deadline + OVERSLEPT


def definition_of(policy: Policy, name: str) -> Definition:
    """What a policy says of a monitor."""
    monitor = policy.heartbeats.get(name)
    if monitor is None:
        return Definition()
    service = policy.service(monitor.service)
    return Definition(monitor=monitor, fold=service.fold, rule=rule_of(service))

"""Storms: past a rate of new incidents of one integration, further ones are folded into one.

One entity for each integration, `storm/<integration>`, is the authority: it counts across processes and
desks, decides when a storm begins and when it is over, and answers the same for the same cause. A first
page never waits for it: who gets no answer in time raises the incident as usual.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from domain.heartbeat import INTEGRATION as HEARTBEAT
from domain.wall_clock import Instant

if TYPE_CHECKING:
    from domain.raising import Origin

RATE = timedelta(minutes=1)
"""`limits.storm` counts the new incidents of so long."""
QUIET = timedelta(minutes=5)
"""A storm is over when the rate stayed below the limit for so long: Alertmanager's default
`group_interval`, after which whatever still fires has been said again."""
ROLL_OVER_AT = 1_000
"""History events after which the entity continues as new."""
ANSWERS_KEPT = 2_000
RAISED_KEPT = 20
NAMED = 10
"""Services that the summary names; the others are counted."""
TAKES_FOR = timedelta(seconds=60)
"""A desk that was told to fold does so with what is new on its service for so long, unasked."""
IDLE = timedelta(minutes=10)
"""An entity without a storm ends when nothing was raised for so long."""


class Arrival(BaseModel):
    """A new incident that an alert raised, or would raise."""

    cause: str
    service: str
    at: Instant


class Asked(Arrival):
    """One for which a process asks before it raises it."""

    severity: str
    rank: int
    """Of the severity in the policy, 0 for the worst."""
    not_into: str | None = None
    """The incident that has just given these alerts back."""


class Admit(BaseModel):
    """Update `admit` to the entity: what one process has raised, and what it asks for."""

    limit: int = Field(ge=1)
    started: list[Arrival] = []
    asked: list[Asked] = []


class Admitted(BaseModel):
    """Answer of `admit`."""

    into: dict[str, str] = {}
    """By cause, the storm incident that takes it; without an entry it is raised as usual."""
    count: int = 0
    """New incidents of the last minute, of all processes."""
    storm: str = ""
    """The storm incident, while a storm lasts."""


class StormOrder(BaseModel):
    """What a desk needs to raise a storm incident. Signal `raise_storm` to the desk of `unknown`."""

    integration: str
    key: str
    severity: str
    services: list[str]
    count: int
    """New incidents of the last minute when it began."""

    def summary(self) -> str:
        return (
            f"Alert storm from {self.integration}: {self.count} new incidents within a minute on "
            f"{_services(self.services)}"
        )


class StormIncident(BaseModel):
    """What an incident knows that stands for a storm."""

    integration: str
    services: dict[str, int] = {}
    """Alerts that were folded in, by service."""
    is_over: bool = False

    def take(self, service: str, count: int) -> None:
        self.services[service] = self.services.get(service, 0) + count

    def summary(self) -> str:
        total = sum(self.services.values())
        alerts = "1 alert" if total == 1 else f"{total} alerts"
        return f"Alert storm from {self.integration}: {alerts} on {_services(self.services)}"


class Storm(BaseModel):
    """One that lasts."""

    key: str
    severity: str
    count: int
    services: list[str]
    began_at: datetime
    over_limit_at: datetime
    """When the rate was last past the limit."""
    folded: int = 0


class StormState(BaseModel):
    """What the entity of an integration carries from run to run."""

    integration: str
    arrivals: dict[str, Arrival] = {}
    """Of the last minute, by cause."""
    folds: dict[str, str] = {}
    """Key of the storm that took a cause, or nothing; the last 2,000 answers."""
    raised: dict[str, str] = {}
    """Incident of each of the last storms, by key."""
    storm: Storm | None = None
    storms: int = 0
    """How many there were."""
    last_at: datetime | None = None

    @property
    def incident(self) -> str:
        """The incident of the storm that lasts, once it is raised."""
        return self.raised.get(self.storm.key, "") if self.storm else ""

    @property
    def awaits_incident(self) -> bool:
        return self.storm is not None and not self.incident

    def take(self, request: Admit, now: datetime) -> None:
        """Count what was raised, and decide what is asked for: once for each cause."""
        self.last_at = now
        self._count(request.started, now)
        for asked in request.asked:
            into = self.raised.get(self.folds.get(asked.cause, ""), "")
            if asked.cause in self.folds and not (into and into == asked.not_into):
                continue
            if asked.not_into:
                self.forget(asked.not_into)
            self._count([asked], now)
            is_past = len(self.arrivals) > request.limit
            if self.storm is None and is_past:
                self.storms += 1
                self.storm = Storm(
                    key=f"storm/{self.integration}/{now.isoformat()}/{self.storms}",
                    severity=min(request.asked, key=lambda one: one.rank).severity,
                    count=len(self.arrivals),
                    services=list(dict.fromkeys(one.service for one in self.arrivals.values())),
                    began_at=now,
                    over_limit_at=now,
                )
            if self.storm is not None:
                self.storm.folded += 1
                if is_past:
                    self.storm.over_limit_at = now
            self.folds.pop(asked.cause, None)
            self.folds[asked.cause] = self.storm.key if self.storm else ""
        while len(self.folds) > ANSWERS_KEPT:
            del self.folds[next(iter(self.folds))]

    def answer(self, request: Admit) -> Admitted:
        """What was decided of each cause, once the storm's incident is raised."""
        into = {
            one.cause: self.raised.get(self.folds.get(one.cause, ""), "") for one in request.asked
        }
        return Admitted(
            into={cause: incident for cause, incident in into.items() if incident},
            count=len(self.arrivals),
            storm=self.incident,
        )

    def order(self) -> StormOrder | None:
        """What is to be raised now."""
        storm = self.storm
        if storm is None or not self.awaits_incident:
            return None
        return StormOrder(
            integration=self.integration,
            key=storm.key,
            severity=storm.severity,
            services=storm.services,
            count=storm.count,
        )

    def has_raised(self, key: str, incident: str) -> None:
        self.raised[key] = incident
        while len(self.raised) > RAISED_KEPT:
            del self.raised[next(iter(self.raised))]

    def forget(self, incident: str) -> None:
        """The storm's incident takes nothing any more: what comes next is counted anew."""
        if incident and incident == self.incident:
            self.storm = None

    def ends_at(self) -> datetime | None:
        """When the storm is over, unless the rate rises again before."""
        return self.storm.over_limit_at + QUIET if self.storm else None

    def end(self, now: datetime) -> str:
        """End the storm where that is due; its incident, which is told, or nothing."""
        due, incident = self.ends_at(), self.incident
        if due is None or due > now:
            return ""
        self.storm = None
        return incident

    def _count(self, arrivals: Iterable[Arrival], now: datetime) -> None:
        for one in arrivals:
            self.arrivals.setdefault(
                one.cause, Arrival(**one.model_dump(include={"cause", "service", "at"}))
            )
        self.arrivals = within_rate(self.arrivals, now)


class StormInput(BaseModel):
    """Start of the entity of an integration, or of its next run."""

    integration: str
    carried: StormState | None = None
    roll_over_at: int = ROLL_OVER_AT


class RaisedStorm(BaseModel):
    """Signal `raised` of the desk to the entity: the storm's incident exists."""

    key: str
    id: str


def within_rate(arrivals: dict[str, Arrival], now: datetime) -> dict[str, Arrival]:
    """Those of the last minute."""
    return {cause: one for cause, one in arrivals.items() if now - one.at < RATE}


def storm_source(origin: Origin) -> str | None:
    """The integration whose storms an incident may be folded into.

    None for what a person declares, for a storm itself, and for a heartbeat: that one came in is what
    Tocsin itself has noticed, of one monitor at a time.
    """
    if origin.declaration is not None or origin.storm is not None or not origin.alerts:
        return None
    integration = origin.alerts[0].integration
    return None if integration == HEARTBEAT else integration


def _services(names: Iterable[str]) -> str:
    known = list(names)
    what = "1 service" if len(known) == 1 else f"{len(known)} services"
    more = len(known) - NAMED
    return f"{what}: {', '.join(known[:NAMED])}" + (f" and {more} more" if more > 0 else "")

"""Schedules as the policy writes them: layers, exceptions, holidays, a calendar. Who is on: `on_call.py`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.policy.base import Strict
from domain.policy.value import Day, Days, EndTime, LastMoment, Moment, Turn, WallTime, Weekday


class Handover(Strict):
    day: Weekday | None = None
    at: WallTime = "00:00"


class Restriction(Strict):
    """When a layer is active. A window over midnight belongs to the day on which it begins."""

    days: Days = frozenset(range(7))
    start: WallTime = Field("00:00", alias="from")
    end: EndTime = Field("24:00", alias="to")


class Rotation(Strict):
    people: list[str] = Field(min_length=1)
    every: Turn = (1, "week")
    handover: Handover = Handover()
    starts: Day
    ends: Day | None = None
    restrict: Restriction | None = None


class Override(Strict):
    """Wall time of the schedule's zone; `person: null` removes.

    `instead_of` left out: for whoever is on. `also` adds the person beside whoever is on.
    """

    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    person: str | None
    instead_of: str | None = None
    also: bool = False

    @model_validator(mode="after")
    def _adds_or_replaces(self) -> Override:
        if self.also and self.person is None:
            raise ValueError("also: true adds somebody: name the person")
        if self.also and self.instead_of is not None:
            raise ValueError("also: true adds beside whoever is on: leave out instead_of")
        return self


class TemporaryShift(Strict):
    """Wall time of the schedule's zone."""

    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    person: str


class Temporary(Strict):
    """A window in which nothing else of the schedule counts but these shifts."""

    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    shifts: list[TemporaryShift] = []


class Absence(Strict):
    """When a person takes no turns: wall time of their zone. A date as the end belongs to it."""

    start: Moment = Field(alias="from")
    end: LastMoment = Field(alias="to")
    reason: str = Field("", max_length=200)


class Holidays(Strict):
    """Who is on, all day, on the public holidays of a country and on dates of one's own."""

    country: str | None = None
    subdivision: str | None = None
    people: list[str] = Field(min_length=1)
    dates: list[Day] = []
    """The dates themselves; the loader fills them in from the country's calendar."""


class Listed(BaseModel):
    """Somebody whom a calendar puts on call, and the event that says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str
    title: str = ""


class CalendarShift(BaseModel):
    """Whom a calendar names on [start, end), in UTC. A calendar's shifts do not overlap."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime
    end: datetime
    people: list[Listed] = Field(min_length=1)


class Calendar(Strict):
    """An iCalendar feed or file as the schedule's base layer: everything else wins over it."""

    url: str | None = Field(None, max_length=2000)
    """An http or https address, or `env:NAME` or `file:PATH` where the address is secret."""
    file: str | None = None
    """Seen from the policy's own folder."""
    people: dict[str, str] = {}
    """What its events say, by person of the policy: `{"Alice Ng": alice}`."""
    shifts: list[CalendarShift] = []
    """What it holds; the loader, or the last fetch, fills them in."""
    fault: str | None = None
    """Why the last fetch failed, and of when the copy in force is."""


class Schedule(Strict):
    timezone: str = "Europe/Berlin"
    calendar: Calendar | None = None
    rotations: list[Rotation] = []
    holidays: Holidays | None = None
    overrides: list[Override] = []
    temporary: list[Temporary] = []

"""Schedules as the policy writes them: rotations in layers, overrides, holidays. Who is on: `on_call.py`."""

from __future__ import annotations

from pydantic import Field

from domain.policy.base import Strict
from domain.policy.value import Day, Days, EndTime, Moment, Turn, WallTime, Weekday


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

    `instead_of` left out: for whoever is on.
    """

    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    person: str | None
    instead_of: str | None = None


class Holidays(Strict):
    country: str
    subdivision: str | None = None
    people: list[str] = Field(min_length=1)
    dates: list[Day] = []
    """The dates themselves; the loader fills them in from the country's calendar."""


class Schedule(Strict):
    timezone: str = "Europe/Berlin"
    rotations: list[Rotation] = []
    overrides: list[Override] = []
    holidays: Holidays | None = None

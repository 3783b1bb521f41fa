"""What a policy says of the report form: who may use it, and what a report becomes."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from domain.policy.base import Strict
from domain.policy.value import Interval


class LandsAs(StrEnum):
    REPORT = "report"
    """A responder confirms it, and then it is an incident."""
    INCIDENT = "incident"
    """It is an incident at once, or part of the one that is open for its service."""


class Reports(Strict):
    """The form at `/report`."""

    open: bool = True
    """Whether the form can be used without an account."""
    lands_as: LandsAs = LandsAs.REPORT
    services: list[str] | None = None
    """Which services the form offers; None means the public ones."""
    severity: str | None = None
    """Of an incident from a report, until somebody says otherwise; None is the organisation's default."""
    remind_every: Interval = timedelta(minutes=15)
    """How often people are reminded of a report that nobody has answered."""

"""What a policy says of the report form: who may use it, and what a report becomes."""

from __future__ import annotations

from enum import StrEnum

from domain.policy.base import Strict


class LandsAs(StrEnum):
    REPORT = "report"
    """A responder confirms it, and then it is an incident."""
    INCIDENT = "incident"


class Reports(Strict):
    """The form at `/report`."""

    open: bool = True
    """Whether the form can be used without an account."""
    lands_as: LandsAs = LandsAs.REPORT

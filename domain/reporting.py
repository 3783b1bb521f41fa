"""A report by a customer or a colleague: what was said, who is told of it, and what became of it.

A report is no incident. It waits until a responder makes it one, finds it to be part of one, or
dismisses it, and whoever reported hears what came of it. No address is in here: it stands in a file of
the data folder (`records/reporters.py`) that is deleted when the last message has left.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from domain.durations import Duration

OUTCOME_EVERY = (timedelta(minutes=2), timedelta(minutes=5))
"""How often it is looked whether the incident is over: in the first hour, and later."""
LOUD_AFTER = 3
"""Reminders after which everybody of last resort and the operator hear of it too."""


class ReportState(StrEnum):
    WAITING = "waiting"
    """Nobody has looked at it."""
    CONFIRMED = "confirmed"
    """It is, or is part of, an incident."""
    DISMISSED = "dismissed"
    OVER = "over"
    """Its incident has ended and the reporter was told."""


class Said(BaseModel):
    """What the reporter said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str
    summary: str
    description: str = ""
    reported_by: Literal["customer", "staff"] = "customer"
    has_address: bool = False
    """Whether they left an address, so that a receipt and the outcome go there."""


class Decision(BaseModel):
    """Body of `decide`: what a responder made of a report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor: str
    incident: str | None = None
    """The incident that it is or belongs to; None dismisses it."""
    reason: str = ""
    key: str | None = None


class Report(BaseModel):
    """State of one report."""

    ref: str
    """What the reporter quotes: `R-7K3M9QX2`."""
    said: Said
    received_at: datetime
    remind_every: Duration = timedelta(minutes=15)
    state: ReportState = ReportState.WAITING
    incident: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str = ""
    reminders: int = 0
    """How often people were reminded of it."""
    ended_as: str | None = None
    """How its incident ended: `resolved` or `cancelled`."""

    def reminder_due(self) -> datetime:
        """When people are told next that it waits."""
        return self.received_at + self.remind_every * (self.reminders + 1)

    @property
    def is_loud(self) -> bool:
        """Whether it has waited so long that everybody of last resort hears of it."""
        return self.reminders >= LOUD_AFTER

    def skip_missed(self, at: datetime) -> None:
        """Count the reminder that is due now; of those that an outage swallowed, one is enough."""
        self.reminders = max(self.reminders + 1, (at - self.received_at) // self.remind_every)

    def decide(self, decision: Decision, at: datetime) -> None:
        """A responder has looked at it."""
        self.state = ReportState.CONFIRMED if decision.incident else ReportState.DISMISSED
        self.incident, self.reason = decision.incident, decision.reason
        self.decided_by, self.decided_at = decision.actor, at

    def look_again(self, at: datetime) -> datetime:
        """When it is looked next whether the incident is over."""
        early, late = OUTCOME_EVERY
        is_early = self.decided_at is None or at - self.decided_at < timedelta(hours=1)
        return at + (early if is_early else late)

    def view(self) -> dict[str, Any]:
        """As the outside sees it."""
        data = self.model_dump(mode="json", exclude={"said", "remind_every"})
        return self.said.model_dump(mode="json") | data


class Ending(BaseModel):
    """How an incident stands. Answer of the activity `ending_of`."""

    status: str | None = None
    """None where the records do not know it."""


class TellReporter(BaseModel):
    """A message to the reporter. Input of the activity `tell_reporter`."""

    report: Report
    topic: Literal["receipt", "outcome"]


class TellOfReport(BaseModel):
    """A message about a report that waits. Input of the activity `tell_of_report`."""

    report: Report
    attempt: int = 0


class ToldOfReport(BaseModel):
    """Who has it, and whether the rest is worth another attempt."""

    reached: list[str] = []
    detail: str = ""
    retryable: bool = False


def report_id(ref: str) -> str:
    """Id of its workflow."""
    return f"report/{ref}"

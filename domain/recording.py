"""What is handed to the records: facts in batches, and what of a view is listed and counted.

The records are a projection, written again and again until they answer. Everything here therefore
says which version it is or which number it has, so that writing twice, late or out of order changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ValidationError

from domain.load import RecentLoad
from domain.messages import Delivery
from domain.timeline import Entry


def postmortem_timeline_id(incident_id: str) -> str:
    """The id under which the facts and results of an incident's postmortem are kept."""
    return f"{incident_id}/postmortem"


class RecordBatch(BaseModel):
    """One write: the view as of `version`, and the facts not yet known to be recorded."""

    subject: Literal["incident", "postmortem"]
    id: str
    """The incident's id, for its postmortem too."""
    version: int
    view: dict[str, Any] = {}
    """The view as the HTTP API shows it; empty: leave the stored one."""
    entries: list[Entry] = []
    results: dict[str, dict[str, Any]] = {}
    """Answers to commands, by the id that the caller chose."""

    @property
    def timeline_id(self) -> str:
        """Where this batch's facts and results stand: each subject numbers its facts by itself."""
        return self.id if self.subject == "incident" else postmortem_timeline_id(self.id)


class Recorded(BaseModel):
    """The answer to one write: it was stored whole."""

    up_to_seq: int
    """Every fact from 1 to this number is stored; 0 where the first one is missing."""
    loads: list[RecentLoad] = []
    """Of everybody to whom a page left by one of these facts."""
    elsewhere: dict[str, int] = {}
    """Other open incidents of everybody who works on this one: those that they manage or were paged for."""


class IncidentColumns(BaseModel):
    """What incidents are listed, ranked and counted by; the rest of the view is kept as it is."""

    service: str
    status: str
    severity: str
    priority: str
    type: str = "default"
    major: bool = False
    incident_manager: str | None = None
    summary: str = ""
    raised_at: AwareDatetime
    resolved_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None


class ActionColumns(BaseModel):
    """One action of a postmortem."""

    id: str
    text: str = ""
    owner: str | None = None
    due_at: AwareDatetime | None = None
    done_at: AwareDatetime | None = None
    kind: str | None = None


class PostmortemColumns(BaseModel):
    """What postmortems are listed and counted by."""

    status: str
    owner: str | None = None
    due_at: AwareDatetime | None = None
    actions: list[ActionColumns] = []


def number_of(incident_id: str) -> int:
    """The number at the end of `checkout-17`; 0 for an id that has none."""
    digits = incident_id.rpartition("-")[2]
    # Nineteen digits and more do not fit the databases' integers.
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else 0


def deliveries_in(entry: Entry) -> Iterator[Delivery]:
    """The messages that a fact tells of.

    One of another shape is passed over: it still stands on the timeline, and must not keep the
    facts beside it out of the records.
    """
    listed = entry.data.get("deliveries")
    for raw in listed if isinstance(listed, list) else []:
        try:
            yield Delivery.model_validate(raw)
        except ValidationError:
            continue

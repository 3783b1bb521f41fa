"""What the outside knows of the workflows: names, ids, inputs, queues. Importable without a sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field, field_validator
from temporalio.common import SearchAttributeKey

from domain.aggregate import Aggregate
from domain.alert import Alert
from domain.messages import ResolvedPage
from domain.policy.slice import PolicySlice
from domain.raising import Origin
from domain.timeline import Entry
from domain.triage import DeskState, Fold, OpenRef

TASK_QUEUE = "tocsin"
PAGE_QUEUE = "tocsin-pages"

DESK = "ServiceDesk"
INCIDENT = "IncidentWorkflow"
POSTMORTEM = "PostmortemWorkflow"

STATUS = SearchAttributeKey.for_keyword("IncidentStatus")
SEVERITY = SearchAttributeKey.for_keyword("IncidentSeverity")
PRIORITY = SearchAttributeKey.for_keyword("IncidentPriority")
SERVICE = SearchAttributeKey.for_keyword("IncidentService")
MANAGER = SearchAttributeKey.for_keyword("IncidentManager")
MAJOR = SearchAttributeKey.for_bool("IncidentMajor")
SEARCH_ATTRIBUTES = (STATUS, SEVERITY, PRIORITY, SERVICE, MANAGER, MAJOR)

ROLL_OVER_AT = 2_000
"""History events after which an incident continues as new. Source: a cold query then costs 0.2 s."""
DESK_ROLL_OVER_AT = 500
TASK_TIMEOUT = timedelta(seconds=5)
"""A task that was given to a worker which then died goes to another after this; the default is 10 s."""
MAX_KEY_CHARS = 500
MAX_BATCH_BYTES = 1_000_000
"""An incident starts with the alerts of its batch, and Temporal takes no payload over 2 MB."""


def desk_id(service: str) -> str:
    return f"desk/{service}"


def postmortem_id(incident_id: str) -> str:
    return f"{incident_id}/postmortem"


class DeskInput(BaseModel):
    """Start of a desk, or of its next run."""

    service: str
    carried: DeskState | None = None
    inbox: list[dict[str, Any]] = []
    """What had come in and was not decided when the last run ended."""
    refused: list[str] = []
    """The last refusals, for the operator."""
    roll_over_at: int = DESK_ROLL_OVER_AT
    incident_roll_over_at: int = ROLL_OVER_AT


class ReportBatch(BaseModel):
    """Alerts that one front process delivers together. Signal `report`."""

    key: str = Field(max_length=MAX_KEY_CHARS)
    """Unique for each batch, so that a batch delivered twice counts once."""
    alerts: list[Alert]
    fold: Fold = "service"

    @field_validator("alerts")
    @classmethod
    def _fits_into_an_incident(cls, value: list[Alert]) -> list[Alert]:
        size = sum(len(alert.model_dump_json().encode()) for alert in value)
        if size > MAX_BATCH_BYTES:
            raise ValueError(f"at most {MAX_BATCH_BYTES} bytes of alerts in one batch, got {size}")
        return value


class DeclareRequest(BaseModel):
    """Body of `declare`: the fields of `domain.raising.Declare`, with who and under which key."""

    actor: str | None = None
    key: str | None = None


class Settled(BaseModel):
    """Signal `settled` to the desk: the incident takes no more alerts; these were not taken."""

    incident: str
    keys: list[str] = []
    alerts: list[Alert] = []
    key: str = Field("", max_length=MAX_KEY_CHARS)
    """Unique for each hand-back."""
    seq: int = 0
    """Number of the incident's fact behind this word: an older one changes nothing."""


class ReopenedRef(BaseModel):
    """Signal `reopened` to the desk."""

    incident: OpenRef
    seq: int = 0


class DeskSignal(BaseModel):
    """A signal to a desk, delivered though none runs. Input of the activity `signal_desk`."""

    service: str
    name: str
    body: dict[str, Any]


class CauseQuery(BaseModel):
    """Which report or declaration raised an incident. Input of the activity `cause_of`."""

    incident_id: str


class Carried(BaseModel):
    """What an incident or a postmortem takes along when it continues as new."""

    state: dict[str, Any]
    unrecorded: list[Entry] = []
    """Facts that are not yet known to be in the records; older ones are read from there."""


class IncidentInput(BaseModel):
    """Start of an incident, or of its next run."""

    id: str
    policy: PolicySlice
    url: str = ""
    cause: str = ""
    """Key of the declaration or report that raised it; also in the memo."""
    origin: Origin | None = None
    first_page: ResolvedPage | None = None
    """Who to page first, as the desk looked it up a moment ago."""
    prepared_at: datetime | None = None
    carried: Carried | None = None
    roll_over_at: int = ROLL_OVER_AT


class IncidentOutcome(BaseModel):
    """Result of an incident's workflow: its last view and the answers by key."""

    incident: dict[str, Any]
    results: dict[str, Any] = {}


class PostmortemInput(BaseModel):
    """Start of a postmortem, or of its next run."""

    incident: dict[str, Any]
    """The incident's view when it was resolved."""
    owner: str
    policy: PolicySlice
    carried: Carried | None = None
    roll_over_at: int = ROLL_OVER_AT


def snapshot(state: Aggregate) -> dict[str, Any]:
    """The state as it is carried."""
    return state.model_dump(mode="json")

"""What the outside knows of the workflows: names, ids, inputs, queues. Importable without a sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field, field_validator
from temporalio.common import Priority, SearchAttributeKey

from domain.aggregate import Aggregate
from domain.alert import Alert, AlertBatch
from domain.bundling import HandedPage
from domain.grouping import Rule
from domain.heartbeat import Definition, Heartbeat
from domain.likely_cause import LikelyCause
from domain.maintenance import Window
from domain.messages import ResolvedPage
from domain.open_ref import OpenRef
from domain.person_pages import PageOutcome, PersonState, RankNotice
from domain.policy.maintenance import Monitor
from domain.policy.slice import PolicySlice
from domain.preparing import PrepareIncident
from domain.priority import OpenIncident
from domain.raising import Origin
from domain.reporting import Report
from domain.roster import ContactSwitch, RosterState
from domain.roster import Entry as RosterEntry
from domain.timeline import Entry
from domain.triage import DeskState, Fold
from domain.wall_clock import Instant

TASK_QUEUE = "tocsin"
PAGE_QUEUE = "tocsin-pages"
STORM_QUEUE = "tocsin-storms"

DESK = "ServiceDesk"
INCIDENT = "IncidentWorkflow"
POSTMORTEM = "PostmortemWorkflow"
HEARTBEAT = "Heartbeat"
PERSON = "PersonPages"
REPORT = "Report"
ROSTER = "Roster"
ROSTER_ID = "roster"
STORM = "Storm"
SUBSCRIPTION = "Subscription"

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
HEARTBEAT_ROLL_OVER_AT = 500
PERSON_ROLL_OVER_AT = 1_000
ROSTER_ROLL_OVER_AT = 1_000
TASK_TIMEOUT = timedelta(seconds=5)
"""A task that was given to a worker which then died goes to another after this; the default is 10 s."""
MAX_KEY_CHARS = 500
MAX_BATCH_BYTES = 1_000_000
"""An incident starts with the alerts of its batch, and Temporal takes no payload over 2 MB."""


def priority_of(severity: str) -> Priority:
    """Urgent first, where a backlog exists: 1 for SEV1, 2 for SEV2, 3 for the rest."""
    return Priority(priority_key={"SEV1": 1, "SEV2": 2}.get(severity, 3))


def desk_id(service: str) -> str:
    return f"desk/{service}"


def postmortem_id(incident_id: str) -> str:
    return f"{incident_id}/postmortem"


def person_id(person: str) -> str:
    return f"person/{person}"


def heartbeat_id(name: str) -> str:
    return f"heartbeat/{name}"


def storm_id(integration: str) -> str:
    return f"storm/{integration}"


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
    rule: Rule = Rule()
    """What the service's policy says of grouping, as the sender of the batch knows it."""

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
    resolved_at: Instant | None = None
    """When it was resolved, where it may still be reopened."""
    ref: OpenRef | None = None
    """The incident itself, for a desk that has not known it; without its keys."""


class ReopenedRef(BaseModel):
    """Signal `reopened` to the desk."""

    incident: OpenRef
    seq: int = 0


class DeskSignal(BaseModel):
    """A signal to a desk, delivered though none runs. Input of the activity `signal_desk`."""

    service: str
    name: str
    body: dict[str, Any]


class HeartbeatInput(BaseModel):
    """Start of a monitor, or of its next run."""

    name: str
    monitor: Monitor
    fold: Fold = "service"
    rule: Rule = Rule()
    carried: Heartbeat | None = None
    roll_over_at: int = HEARTBEAT_ROLL_OVER_AT


class Beat(BaseModel):
    """Signal `beat` to a monitor. Empty it means: now."""

    at: Instant | None = None
    definition: Definition | None = None
    """What the policy said when it came: a change that nobody has told the monitor comes with it."""


class TimerQuery(BaseModel):
    """When a run's last timer fired. Input of the activity `timer_fired_at`."""

    workflow_id: str
    run_id: str


class StartIncident(PrepareIncident):
    """Start the next incident of a desk. Input of the activity `start_incident`."""

    cause: str
    """Key of the declaration or report that raises it: who finds it started knows whether it is theirs."""
    roll_over_at: int = ROLL_OVER_AT


class StartedIncident(BaseModel):
    """An incident that exists."""

    is_taken: bool = False
    """It was another's: the number is gone, and nothing was started."""
    folded_into: str = ""
    """The storm incident that takes its alerts; then nothing was started and the number is free."""
    integration: str = ""
    """Whose storm that is."""
    severity: str
    priority: str
    raised_at: datetime


class HandAlerts(BaseModel):
    """Alerts for an open incident. Input of the activity `hand_alerts`."""

    incident_id: str
    batches: list[AlertBatch]


class FeedState(BaseModel):
    """How the calendar of a schedule was found. Answer of the activity `refresh_calendars`."""

    schedule: str
    fault: str | None = None
    """Why it could not be read; the last good copy stays in force."""
    shifts: int = 0
    strangers: list[str] = []
    """Titles of events that name nobody of the policy."""


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
    windows: list[Window] = []
    """Maintenance of the service, as the desk knew it a moment ago."""
    likely_cause: LikelyCause | None = None
    """The open incident for whose end its page waits."""
    faults: list[str] = []
    """What went wrong while it was prepared; it was raised all the same."""
    carried: Carried | None = None
    roll_over_at: int = ROLL_OVER_AT


class PersonInput(BaseModel):
    """Start of the entity of one person's pages, or of its next run."""

    person: str
    carried: PersonState | None = None
    refused: list[str] = []
    """The last signals that could not be understood, for the operator."""
    roll_over_at: int = PERSON_ROLL_OVER_AT


class SettleStorm(BaseModel):
    """A storm's incident takes no more alerts. Input of the activity `settle_storm`."""

    integration: str
    services: list[str]
    settled: Settled


class HandToPerson(BaseModel):
    """A later page on its way to the entity of its person. Input of the activity `hand_to_person`."""

    person: str
    handed: HandedPage


class Withdrawal(BaseModel):
    """Signal `withdraw`: pages that are not wanted any more; without keys, all of the incident's."""

    incident: str
    keys: list[str] = []
    at: datetime | None = None
    """By the incident's clock: what it handed over again later stays."""


class WithdrawPages(BaseModel):
    """Input of the activity `withdraw_pages`."""

    person: str
    withdrawal: Withdrawal


class ReviewRank(BaseModel):
    """A change that may put another incident first for somebody. Input of `review_rank`."""

    key: str
    incident: OpenIncident
    """The one that changed, as it is now."""
    severity: str
    priority: str
    """As they were."""
    people: list[str]


class SendRankNotice(BaseModel):
    """Input of the activity `send_rank_notice`."""

    person: str
    notice: RankNotice


class TellOutcomes(BaseModel):
    """Input of the activity `tell_outcomes`: what became of pages, by incident."""

    outcomes: dict[str, list[PageOutcome]]


class IncidentOutcome(BaseModel):
    """Result of an incident's workflow: its last view and the answers by key."""

    incident: dict[str, Any]
    results: dict[str, Any] = {}


class RosterInput(BaseModel):
    """Start of the roster, or of its next run."""

    carried: RosterState | None = None
    is_copied: bool = True
    """Whether the copy in the data folder holds what is carried."""
    feeds: list[FeedState] = []
    refused: list[str] = []
    """The last refusals, for the operator."""
    roll_over_at: int = ROSTER_ROLL_OVER_AT


class JudgeChange(BaseModel):
    """A change of the roster against what is there. Input of the activity `judge_roster`."""

    name: str
    body: dict[str, Any]
    entries: list[RosterEntry]
    at: datetime
    contacts: list[ContactSwitch] = []


class ReportInput(BaseModel):
    """Start of a report, or of its next run."""

    report: Report
    is_new: bool = True
    notes: list[str] = []
    """The last faults, for the operator."""
    roll_over_at: int = ROLL_OVER_AT


class SubscriptionInput(BaseModel):
    """Start of a subscription."""

    subscriber: str
    """Id in the records, where the address is."""


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

"""The organisation's process as data: who is on call, what a severity means, who hears what.

Shape only. How single values are written is `value.py`; whether names refer to something is
`check.py`; reading files is `records/policy_file.py`. Defaults are those that `docs/policy.md`
shows: a section or field left out has the value shown there.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from domain.policy.access import Access
from domain.policy.audiences import AudiencePolicy, default_audiences, with_default_audiences
from domain.policy.base import Strict
from domain.policy.communications import Channels, StatusPage
from domain.policy.grouping import Grouping
from domain.policy.intake import Integration
from domain.policy.maintenance import Maintenance, Monitor
from domain.policy.person import Contact, Person
from domain.policy.reports import Reports
from domain.policy.rota import Schedule
from domain.policy.throttle import Throttle, default_throttles, with_defaults
from domain.policy.value import Days, Duration, EndTime, Interval, WallTime


class WorkingHours(Strict):
    days: Days = frozenset({0, 1, 2, 3, 4})
    start: WallTime = Field("09:00", alias="from")
    end: EndTime = Field("17:00", alias="to")


class Organisation(Strict):
    name: str = "Example"
    timezone: str = "Europe/Berlin"
    catch_all: list[str] | None = None
    """Targets paged when nobody else can be; None means every person with a contact."""
    default_severity: str = "SEV2"
    working_hours: WorkingHours = WorkingHours()


class Team(Strict):
    name: str = ""
    members: list[str] = []


class Step(Strict):
    page: list[str] = []
    after: Duration | None = None
    """Wait since the previous step was paged; None is 5m, and 0 for the first."""
    acknowledgements: int = Field(1, ge=1, le=100)
    """How many people have to take the page before the others are left alone."""


class EscalationPolicy(Strict):
    steps: list[Step] = []
    repeat: int = Field(2, ge=0, le=100)
    repeat_after: Duration = timedelta(minutes=5)
    escalating_unacknowledges: bool = False
    """Whether calling somebody in by hand takes an acknowledgement back."""


class Service(Strict):
    name: str = ""
    description: str = ""
    team: str | None = None
    escalation: str | None = None
    tier: int = Field(1, ge=1, le=5)
    public: bool = True
    depends_on: list[str] = []
    hold_for_cause: bool = True
    """Whether its pages wait while an incident as bad is open on something that it depends on."""
    runbooks: list[str] = []
    fold: Literal["service", "key"] = "service"
    grouping: Grouping | None = None
    reopen_within: Interval | None = None
    """An alert of a resolved incident that fires again so soon reopens it; None: it raises a related one."""
    on_clear: Literal["stay", "resolve"] = "stay"


class PageWhen(StrEnum):
    ALWAYS = "always"
    WORKING_HOURS = "working_hours"
    NEVER = "never"


class Cadence(Strict):
    internal: Interval | None = None
    external: Interval | None = None


class SeverityLevel(Strict):
    name: str = ""
    meaning: str = ""
    major: bool = False
    page: PageWhen = PageWhen.ALWAYS
    first_update: Duration | None = None
    update_every: Cadence = Cadence()
    postmortem_due: Duration | None = None


def default_severities() -> dict[str, SeverityLevel]:
    """SEV1 and SEV2 are major. Source: Atlassian's incident handbook, severity table."""
    minutes = timedelta(minutes=1)
    return {
        "SEV1": SeverityLevel(
            meaning="Critical: a customer-facing service is down for all customers",
            major=True,
            first_update=5 * minutes,
            update_every=Cadence(internal=20 * minutes, external=20 * minutes),
            postmortem_due=timedelta(days=3),
        ),
        "SEV2": SeverityLevel(
            meaning="Major: a customer-facing service is down for some customers",
            major=True,
            first_update=5 * minutes,
            update_every=Cadence(internal=30 * minutes, external=30 * minutes),
            postmortem_due=timedelta(days=5),
        ),
        "SEV3": SeverityLevel(
            meaning="Minor: an inconvenience with a workaround", page=PageWhen.WORKING_HOURS
        ),
    }


class External(StrEnum):
    AUTO = "auto"
    DRAFT = "draft"
    NEVER = "never"


class Process(Strict):
    external: External = External.DRAFT
    channels: list[str] | None = None
    """Which of the policy's `channels` open; None means all."""
    audiences: list[str] | None = None
    """Which stakeholder groups hear of it; None means all."""
    update_every: Cadence | None = None
    roles: list[str] | None = None
    private_room: bool | None = None
    """None: private where `audiences` names who hears, else as `channels` says."""

    @property
    def is_narrow(self) -> bool:
        """Whether its room is for those who work on it, and for nobody beside them."""
        return self.audiences is not None if self.private_room is None else self.private_room


class StakeholderGroup(Strict):
    severities: list[str] = ["SEV1", "SEV2"]
    services: list[str] | None = None
    to: list[Contact] = []


class SignOfLife(Strict):
    """Acknowledged and then silent. Both left out: nobody is asked."""

    remind_after: Interval | None = None
    """Without a command of any responder for so long, the acknowledger is asked."""
    unacknowledge_after: Interval | None = None
    """Unanswered for so long, the acknowledgement is taken back and the pages climb again."""


def _none_where_off(value: Any) -> Any:
    """`none` and `off` are words for no limit."""
    return None if value in ("none", "off", False) else value


class Limits(Strict):
    role_accept: Duration = timedelta(minutes=10)
    reopen_window: Duration = timedelta(hours=24)
    close_inactive: Interval | None = None
    """An open incident without a command or an alert for so long ends by itself. None: never."""
    confirm_within: Duration = timedelta(minutes=15)
    """Reminder to the incident manager; the deputy hears after twice this."""
    shift: Duration = timedelta(hours=3)
    """Longest time in the chair. Source: PagerDuty's response guide: 3 h is the absolute limit."""
    exhausted_every: Interval = timedelta(minutes=15)
    sign_of_life: SignOfLife = SignOfLife()
    bundle_window: Duration = Field(timedelta(seconds=30), le=timedelta(minutes=10))
    """Later pages for one person that come within this leave as one message."""
    throttles: Annotated[dict[str, list[Throttle]], BeforeValidator(with_defaults)] = Field(
        default_factory=default_throttles
    )
    """By channel; what is over the limit waits and is bundled, and is never dropped."""
    storm: Annotated[int | None, BeforeValidator(_none_where_off)] = Field(20, ge=1)
    """New incidents a minute of one integration; further ones are folded into one. None: never."""
    load: int = Field(2, ge=1, le=1000)
    """Incidents per 12 h that one person can handle well. Source: Google's SRE book, chapter 11."""

    @field_validator("close_inactive")
    @classmethod
    def _is_no_way_around_paging(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(days=1):
            raise ValueError(
                "must be at least 1d: an incident that nobody takes is loud on purpose"
            )
        return value


class Role(Strict):
    title: str = ""
    duties: list[str] = []
    many: bool = True


class Postmortems(Strict):
    remind_every: Interval = timedelta(days=1)
    """After the due date, until the postmortem is approved."""
    action_due: Duration = timedelta(weeks=4)
    """Due date of an action that names none. Source: Atlassian, priority actions: 4 or 8 weeks."""
    close_after: Duration = timedelta(seconds=5)
    """Once approved with no action open; the moment leaves room to add one."""


class Policy(Strict):
    """A whole policy file or folder."""

    version: Literal[1] = 1
    organisation: Organisation = Organisation()
    people: dict[str, Person] = {}
    teams: dict[str, Team] = {}
    schedules: dict[str, Schedule] = {}
    escalation_policies: dict[str, EscalationPolicy] = {}
    services: dict[str, Service] = {}
    severities: dict[str, SeverityLevel] = Field(default_factory=default_severities, min_length=1)
    processes: dict[str, Process] = {}
    stakeholders: dict[str, StakeholderGroup] = {}
    audiences: Annotated[dict[str, AudiencePolicy], BeforeValidator(with_default_audiences)] = (
        Field(default_factory=default_audiences)
    )
    integrations: dict[str, Integration] = {}
    limits: Limits = Limits()
    roles: dict[str, Role] = {}
    channels: Channels = Channels()
    status_page: StatusPage = StatusPage()
    postmortems: Postmortems = Postmortems()
    maintenance: Maintenance = Maintenance()
    heartbeats: dict[str, Monitor] = {}
    access: Access = Access()
    reports: Reports = Reports()

    @field_validator("severities", mode="before")
    @classmethod
    def _fill_known_levels(cls, value: Any) -> Any:
        """A level that the file names keeps the shown value of each field that it leaves out."""
        if not isinstance(value, dict):
            return value
        shown = {name: level.model_dump() for name, level in default_severities().items()}
        return {
            name: {**shown.get(name, {}), **level} if isinstance(level, dict) else level
            for name, level in value.items()
        }

    def process(self, kind: str) -> Process:
        """The process for an incident type; unknown types follow `default`."""
        return self.processes.get(kind) or self.processes.get("default") or Process()

    def has_private_room(self, kind: str) -> bool:
        """Whether only those who are invited read the room of an incident of that type."""
        process = self.process(kind)
        return process.is_narrow or (process.private_room is None and self.channels.private_room)

    def service(self, key: str) -> Service:
        """The service, or the built-in `unknown`: tier 1, not public, catch-all pages."""
        return self.services.get(key) or Service(name="Unknown service", public=False)

    def catch_all(self) -> list[str]:
        """Who is paged when nobody else can be."""
        if self.organisation.catch_all is not None:
            return list(self.organisation.catch_all)
        return [f"person:{key}" for key, person in self.people.items() if person.contacts]

"""The slice of a policy that one incident pins: all its rules need, and no contact of anybody.

Histories hold it, so there is no phone number and no address in it. Contacts, schedules and
overrides are read live by the activities.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from domain.access.claims import Trust
from domain.audiences import PinnedAudience, hearing, interval, pinned_audiences
from domain.durations import Duration
from domain.names import require_known
from domain.policy.model import External, Limits, PageWhen, Policy, Postmortems, Role, SeverityLevel
from domain.priority import default_priority
from domain.roles import INCIDENT_MANAGER, roles_of
from domain.status_page.incidents import is_for_the_public
from domain.updates import Audience

UNKNOWN_SERVICE = "unknown"
DEFAULT_STEP_DELAY = timedelta(minutes=5)


class PlanStep(BaseModel):
    """One rung of an escalation policy, with its wait filled in."""

    targets: list[str]
    after: Duration
    acknowledgements: int = 1
    """How many of those paged have to take it."""


class EscalationPlan(BaseModel):
    """An escalation policy as an incident follows it."""

    steps: list[PlanStep] = []
    repeat: int = 2
    repeat_after: Duration = timedelta(minutes=5)
    escalating_unacknowledges: bool = False


class PolicySlice(BaseModel):
    """What an incident pins."""

    version: str = ""
    """Content hash of the policy that the slice comes from."""
    organisation: str = ""
    service: str
    service_name: str
    tier: int = 1
    public: bool = True
    depends_on: list[str] = []
    runbooks: list[str] = []
    on_clear: str = "stay"
    escalation: EscalationPlan = EscalationPlan()
    severities: dict[str, SeverityLevel]
    default_severity: str
    external: External = External.DRAFT
    audiences: dict[str, PinnedAudience] = {}
    """Empty in what was pinned before there were any: then stakeholders and the status page hear."""
    on_status_page: bool = True
    """Whether the page may show anything of it; what was pinned before it was asked says yes."""
    roles: dict[str, Role]
    limits: Limits = Limits()
    postmortems: Postmortems = Postmortems()
    types: list[str] = ["default"]
    """Names of the processes: what an incident's type may be."""
    people: list[str] = []
    teams: list[str] = []
    schedules: list[str] = []
    trust: Trust = Trust()
    """Whose signatures count; what becomes of commands that nobody signed."""

    def level(self, severity: str) -> SeverityLevel:
        """What the severity triggers; a name that went out of the policy counts as major."""
        return self.severities.get(severity) or SeverityLevel(major=True, page=PageWhen.ALWAYS)

    def cadence(self, severity: str, side: Audience) -> timedelta | None:
        """How often a side is owed an update at that severity; None: never."""
        return interval(self.audiences, side, severity, self.level(severity))

    def why_silent(self, severity: str, kind: str) -> str | None:
        """Why nothing is said outside at that severity; None where it may be.

        Args:
            kind: the incident's type, for the sentence.
        """
        if self.external == External.NEVER:
            return f"the process {kind!r} never speaks to the outside"
        if self.audiences and not hearing(self.audiences, Audience.EXTERNAL, severity):
            return f"no audience of the policy hears external updates at {severity}"
        return None

    def hears(self, severity: str, side: Audience) -> bool:
        """Whether an update of that side may be published at that severity: somebody hears it.

        Inside, those who work on it always do.
        """
        return side is Audience.INTERNAL or self.why_silent(severity, "") is None

    def role(self, key: str) -> Role:
        """A role; one that went out of the policy while somebody holds it has its name and no duties."""
        return self.roles.get(key) or Role(title=key.replace("_", " ").capitalize())

    def rank_of(self, severity: str) -> int:
        """Where a severity stands in the policy, 0 for the worst; one that it does not have is last."""
        order = list(self.severities)
        return order.index(severity) if severity in order else len(order)

    def is_higher(self, severity: str, than: str) -> bool:
        """Whether `severity` is worse; the policy lists the worst first."""
        return self.rank_of(severity) < self.rank_of(than)

    def priority_for(self, severity: str) -> str:
        """The default priority of this service's incidents of that severity."""
        return default_priority(severity, list(self.severities), self.tier)

    def require_person(self, name: str, field: str) -> None:
        """Refuse a person whom the policy does not have."""
        require_known("person", name, self.people, field)

    def require_target(self, target: str, field: str) -> None:
        """Refuse an escalation target that is none of the policy's.

        `team:T`, `person:P`, `schedule:S`, `all:S` or `next:S`.
        """
        kinds = {"team": self.teams, "person": self.people, "schedule": self.schedules}
        kinds |= {"all": self.schedules, "next": self.schedules}
        kind, _, name = target.partition(":")
        if kind not in kinds or not name:
            every = [f"{k}:{n}" for k, names in kinds.items() for n in names]
            require_known("target", target, every, field)
        else:
            what = "schedule" if kind in ("all", "next") else kind
            require_known(what, name, kinds[kind], field)


def plan_for(policy: Policy, service_key: str) -> EscalationPlan:
    """The escalation plan of a service: its policy, else its team's members, else the catch-all."""
    service = policy.service(service_key)
    named = policy.escalation_policies.get(service.escalation or service.team or "")
    if named is not None:
        steps = [
            PlanStep(
                targets=list(step.page),
                after=step.after
                if step.after is not None
                else (DEFAULT_STEP_DELAY if index else timedelta(0)),
                acknowledgements=step.acknowledgements,
            )
            for index, step in enumerate(named.steps)
        ]
        return EscalationPlan(
            steps=steps,
            repeat=named.repeat,
            repeat_after=named.repeat_after,
            escalating_unacknowledges=named.escalating_unacknowledges,
        )
    targets = [f"team:{service.team}"] if service.team in policy.teams else policy.catch_all()
    return EscalationPlan(steps=[PlanStep(targets=targets, after=timedelta(0))])


def slice_for(
    policy: Policy, service_key: str, kind: str = "default", version: str = ""
) -> PolicySlice:
    """Cut the slice for an incident of `kind` on `service_key`."""
    service, process = policy.service(service_key), policy.process(kind)
    severities = policy.severities
    if process.update_every is not None:
        severities = {
            name: level.model_copy(update={"update_every": process.update_every})
            if level.major
            else level
            for name, level in severities.items()
        }
    roles = roles_of(policy)
    if process.roles is not None:
        # Somebody is always in charge, whatever other roles a process has.
        kept = {INCIDENT_MANAGER, *process.roles}
        roles = {key: role for key, role in roles.items() if key in kept}
    return PolicySlice(
        version=version,
        organisation=policy.organisation.name,
        service=service_key,
        service_name=service.name or service_key,
        tier=service.tier,
        public=service.public,
        depends_on=list(service.depends_on),
        runbooks=list(service.runbooks),
        on_clear=service.on_clear,
        escalation=plan_for(policy, service_key),
        severities=severities,
        default_severity=policy.organisation.default_severity,
        external=process.external,
        audiences=pinned_audiences(policy, service_key, kind),
        on_status_page=is_for_the_public(policy, service_key, kind),
        roles=roles,
        limits=policy.limits,
        postmortems=policy.postmortems,
        types=list(dict.fromkeys(["default", *policy.processes])),
        people=list(policy.people),
        teams=list(policy.teams),
        schedules=list(policy.schedules),
        trust=Trust(actor_keys=dict(policy.access.keys), unsigned=policy.access.unsigned),
    )

"""Facts about the incident as a whole: raised, assessed, changed, resolved, reopened, closed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from domain.access.claims import Trust
from domain.aggregate import Fact
from domain.escalation import Cause, PageRun
from domain.incident import Incident, Status
from domain.policy.model import PageWhen
from domain.policy.slice import PolicySlice
from domain.timeline import SYSTEM
from domain.updates import Audience, UpdateClock


def start_page_run(
    incident: Incident,
    at: datetime,
    cause: Cause,
    run: PageRun | None = None,
    *,
    by_machine: bool = False,
) -> None:
    """Begin a demand for an answer; by default along the service's own escalation plan.

    Args:
        by_machine: whether no person asked for it, so that a maintenance holds it.
    """
    level = incident.policy.level(incident.severity)
    if run is None:
        plan = incident.policy.escalation
        first_wait = plan.steps[0].after if plan.steps else at - at
        run = PageRun(
            id=f"p{len(incident.pages) + 1}",
            cause=cause,
            plan=plan,
            wait_for_working_hours=level.page is PageWhen.WORKING_HOURS,
            waits_for_maintenance=by_machine,
            round_started_at=at,
            due_at=at + first_wait,
            is_paging_catch_all=not plan.steps,
        )
    incident.pages.append(run)


def restart_clocks(incident: Incident, at: datetime, *, tighten: bool = False) -> None:
    """Set both update clocks for the current severity; they only run between confirmation and resolution.

    Args:
        tighten: whether the severity became worse, so that what was promised comes sooner.
    """
    if not incident.is_open or incident.confirmed_at is None:
        incident.clocks.clear()
        return
    level = incident.policy.level(incident.severity)
    for audience in Audience:
        old = incident.clocks.get(audience)
        published = [update for update in incident.updates if update.audience is audience]
        cadence = incident.policy.cadence(incident.severity, audience)
        # Nobody is reminded of an update that would be refused.
        is_silent = not incident.policy.hears(incident.severity, audience)
        promised = published[-1].next_update_at if published else None
        # Where no clock ran until now, nothing was owed until now.
        base, interval = old.base if old else at, cadence
        if old is not None and promised is not None:
            # A worse severity tightens what was promised; a milder one does not take a promise back.
            base, interval = published[-1].at, promised - published[-1].at
            interval = min(interval, cadence) if tighten and cadence is not None else interval
        elif not published and cadence is not None:
            interval = level.first_update or cadence
        if is_silent or interval is None:
            incident.clocks.pop(audience, None)
        elif old is None or (old.base, old.interval) != (base, interval):
            incident.clocks[audience] = UpdateClock(base=base, interval=interval)


class Raised(Fact):
    """The incident exists. Everything about it that was known then."""

    summary: str
    severity: str
    priority: str
    service: str
    reporter: str | None = None
    detected_by: str
    related: str | None = None
    alert: str | None = None
    """Key of the alert that raised it; None where a person did."""

    def sentence(self) -> str:
        by = f" by {self.reporter}" if self.reporter else ""
        return f"{self.severity} {self.priority} on {self.service} raised{by}: {self.summary}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.raised_by_alert = self.alert
        if incident.policy.level(self.severity).page is not PageWhen.NEVER:
            start_page_run(incident, at, Cause.RAISED, by_machine=self.alert is not None)


class Assessed(Fact):
    """Answers to the questions of the assessment; only those that were given now."""

    answers: dict[str, Any]

    def sentence(self) -> str:
        parts = [
            f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}"
            for name, value in self.answers.items()
        ]
        return "Assessed: " + "; ".join(parts)

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.assessment = incident.assessment.merged(self.answers)
        if incident.assessment.started_at is not None:
            incident.impact_started_at = incident.assessment.started_at


class Confirmed(Fact):
    """The incident is real: communications begin."""

    severity: str

    def sentence(self) -> str:
        return f"Confirmed as {self.severity}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.confirmed_at = at
        restart_clocks(incident, at)


class SeverityChanged(Fact):
    """How bad it is was judged anew."""

    old: str
    new: str
    reason: str
    pages: bool = False
    """Whether this made the incident major, or otherwise page-worthy at once."""
    starts_postmortem: bool = False
    """Whether a resolved incident owes a postmortem only because of this."""

    def sentence(self) -> str:
        return f"Severity {self.old} → {self.new}: {self.reason}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.severity = self.new
        rises = incident.policy.is_higher(self.new, self.old)
        if not incident.has_own_priority:
            usual = incident.policy.priority_for(self.new)
            # One that an integration maps may be more urgent already: getting worse never lowers it.
            incident.priority = min(incident.priority or usual, usual) if rises else usual
        restart_clocks(incident, at, tighten=rises)
        incident.owes_postmortem = incident.owes_postmortem or self.starts_postmortem
        own = [run for run in incident.active_pages() if run.cause is not Cause.ESCALATED]
        if self.pages:
            end_runs(incident, own, at, f"paged anew as {self.new}")
            # A page that was climbing when a maintenance began goes on, whoever made it worse.
            by_machine = actor == SYSTEM and not any(run.paged for run in own)
            start_page_run(incident, at, Cause.SEVERITY, by_machine=by_machine)
            held_for = own[-1].held_for if own and by_machine else ""
            if held_for:
                # Still no worse than its likely cause? The clock looks at once, and may let it go.
                incident.pages[-1].held_for = held_for
            return
        waits = incident.policy.level(self.new).page is PageWhen.WORKING_HOURS
        for run in own:
            # A milder severity pages nobody at night any more; what was sent stays sent.
            run.wait_for_working_hours = waits
            if run.held_for and rises:
                run.due_at = at  # it may be worse than its likely cause now: the clock looks at it


class PriorityChanged(Fact):
    """Which of several incidents comes first was judged anew."""

    old: str
    new: str
    reason: str

    def sentence(self) -> str:
        return f"Priority {self.old} → {self.new}: {self.reason}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.priority, incident.has_own_priority = self.new, True


class PolicyApplied(Fact):
    """The incident follows another version of the policy from now on."""

    old: str
    new: str
    pinned: PolicySlice

    def sentence(self) -> str:
        return f"Policy {self.new or 'current'} applied (was {self.old or 'unknown'})"

    def data(self) -> dict[str, Any]:
        return {"old": self.old, "new": self.new}

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.policy = self.pinned
        restart_clocks(incident, at)
        stale = [run for run in incident.active_pages() if run.cause is not Cause.ESCALATED]
        # The new policy pages at once and the old one sends nothing more.
        end_runs(incident, stale, at, "policy applied")
        is_unanswered = bool(stale) or incident.status is Status.RAISED
        if is_unanswered and incident.policy.level(incident.severity).page is not PageWhen.NEVER:
            # What a maintenance held is held under the new policy too.
            is_held = bool(stale) and all(run.held_by for run in stale)
            cause = stale[0].cause if stale else Cause.RAISED
            start_page_run(incident, at, cause, by_machine=is_held)


class Resolved(Fact):
    """The current or imminent business impact has ended."""

    summary: str
    ended_at: datetime
    owes_postmortem: bool

    def sentence(self) -> str:
        return f"Resolved: {self.summary}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.status = Status.RESOLVED
        incident.resolved_at, incident.impact_ended_at = at, self.ended_at
        incident.resolution, incident.owes_postmortem = self.summary, self.owes_postmortem
        stop_everything(incident, at, "resolved")


class Reopened(Fact):
    """It was not over after all."""

    reason: str
    flaps: int | None = None
    """How often alerts have reopened it by now; None where a person did."""

    def sentence(self) -> str:
        times = "once" if self.flaps == 1 else f"{self.flaps} times"
        return f"Reopened: {self.reason}" + (f"; flapped {times}" if self.flaps else "")

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.status = Status.FIXING
        incident.resolved_at = incident.impact_ended_at = incident.resolution = None
        incident.shift_reminded_at = at
        # The audiences were told that it is over: they are owed an update soon, not an overdue one.
        restart_clocks(incident, at)
        for key in [k for k, e in incident.effects.items() if e.input.get("variant") == "final"]:
            # Text not yet written that says there will be no more updates.
            incident.settle(key)
        incident.flaps = self.flaps or incident.flaps
        by_machine = self.flaps is not None
        if by_machine and incident.last_sign_at is not None:
            # Nobody owed a sign of life while it was resolved.
            incident.last_sign_at, incident.sign_asked_at = at, None
        pages = incident.policy.level(incident.severity).page is not PageWhen.NEVER
        if pages and (incident.incident_manager is None or by_machine):
            # Resolved before anybody took it, or they have left: somebody must take it now. And whoever
            # leads it believes that it is over, where no person has reopened it.
            start_page_run(incident, at, Cause.RAISED, by_machine=by_machine)


class Cancelled(Fact):
    """A false alarm, or a duplicate."""

    reason: str

    def sentence(self) -> str:
        return f"Cancelled: {self.reason}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.status = Status.CANCELLED
        stop_everything(incident, at, "cancelled")


class PostmortemStarted(Fact):
    """The postmortem exists, with an owner and a due date."""

    owner: str
    due_at: datetime | None = None

    def sentence(self) -> str:
        due = f", due {self.due_at:%Y-%m-%d %H:%M} UTC" if self.due_at else ""
        return f"Postmortem started, owner {self.owner}{due}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.has_postmortem = True


class Closed(Fact):
    """Nothing is left to do."""

    reason: str

    def sentence(self) -> str:
        return f"Closed: {self.reason}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.status, incident.closed_at = Status.CLOSED, at


class CommandRefused(Fact):
    """Somebody sent something that could not be done, where no answer could be given."""

    command: str
    why: str
    sent: str = ""

    def sentence(self) -> str:
        return f"Refused {self.command}: {self.why}"


class Faulted(Fact):
    """A rule of Tocsin's own raised an error; the incident goes on, and the operator is told."""

    what: str

    def sentence(self) -> str:
        return f"Fault in Tocsin: {self.what}"


class NamesRefreshed(Fact):
    """Bookkeeping: the names of people, teams and schedules were read anew from the live policy."""

    silent: ClassVar[bool] = True

    people: list[str]
    teams: list[str]
    schedules: list[str]
    trust: Trust | None = None
    """Whose signatures count now; None in histories of before."""

    def sentence(self) -> str:
        return ""

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.policy.people = self.people
        incident.policy.teams, incident.policy.schedules = self.teams, self.schedules
        if self.trust is not None:
            incident.policy.trust = self.trust


def stop_everything(incident: Incident, at: datetime, why: str) -> None:
    """Stop pages and clocks; what is being sent this moment ends by itself."""
    end_runs(incident, incident.active_pages(), at, why)
    incident.clocks.clear()
    for key in [k for k, effect in incident.effects.items() if effect.kind in PAGE_EFFECTS]:
        incident.settle(key)


def end_runs(incident: Incident, runs: list[PageRun], at: datetime, why: str) -> None:
    """Stop page runs, and forget the pages of theirs that have not left."""
    for run in runs:
        run.end(at, why)
    ended = {run.id for run in runs}
    for key, effect in list(incident.effects.items()):
        if effect.kind in PAGE_EFFECTS and effect.input.get("run") in ended:
            incident.settle(key)


PAGE_EFFECTS = frozenset({"resolve_page", "send_page"})

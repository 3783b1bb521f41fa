"""The incident's clocks: what the process does by itself when time has passed.

Those that accompany a page beside the climb itself are in `paging_clocks.py`.

Each reads absolute instants from the state, so that continue-as-new, replay and an outage of a day all
resume right: what was overtaken is said once and not made up for.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.aggregate import Clock, Deadline, Fact
from domain.escalation import due
from domain.facts import (
    ApprovalDue,
    Closed,
    ConfirmationDue,
    InMaintenance,
    PolicyExhausted,
    RoleUnanswered,
    ShiftTooLong,
    StepDue,
    StepSkipped,
    UpdateDue,
)
from domain.facts.crossing import CauseCheckDue, word_of_cause
from domain.facts.maintenance import word_of_maintenance
from domain.inactivity import InactivityClock
from domain.incident import Incident, RoleState, Status
from domain.paging_clocks import ContactClock, PagingFailureClock, ReceiptClock, SignOfLifeClock
from domain.roles import INCIDENT_MANAGER
from domain.updates import Stage

APPROVE_WITHIN = timedelta(minutes=5)
"""A public text that nobody reads is late: the incident manager hears after as long as a first update may
take."""
MAX_SKIPPED_SHOWN = 10
"""Overtaken steps that get a fact each; after a long outage the rest are summed up in one."""


class EscalationClock(Clock[Incident]):
    """Climbs the escalation policy of every page run that nobody has acknowledged."""

    def deadline(self, subject: Incident) -> Deadline | None:
        due_runs = [run for run in subject.active_pages() if run.due_at is not None]
        if not due_runs:
            return None
        run = min(due_runs, key=lambda r: (r.due_at or r.round_started_at, r.id))
        what = "catch-all" if run.is_paging_catch_all else f"step {run.step + 1}, round {run.round}"
        return Deadline(at=run.due_at or run.round_started_at, summary=f"Page {what}")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        facts: list[Fact] = []
        for run in subject.active_pages():
            owed = due(run, now, subject.policy.limits.exhausted_every)
            if owed is None:
                continue
            maintenance = word_of_maintenance(subject, run, now)
            if maintenance is not None:
                facts.append(maintenance)
            if isinstance(maintenance, InMaintenance):
                continue
            cause = word_of_cause(subject, run)
            if cause is not None:
                facts.append(cause)
            if isinstance(cause, CauseCheckDue):
                continue
            shown = owed.overtaken[-MAX_SKIPPED_SHOWN:]
            hidden = len(owed.overtaken) - len(shown)
            if hidden:
                reason = f"{hidden} steps were overtaken while Tocsin could not run"
                first = owed.overtaken[0]
                facts.append(
                    StepSkipped(run=run.id, round=first.round, step=first.step + 1, reason=reason)
                )
            facts += [
                StepSkipped(run=run.id, round=p.round, step=p.step + 1, reason="overtaken")
                for p in shown
            ]
            if owed.place.exhausted and not run.is_exhausted:
                facts.append(PolicyExhausted(run=run.id, rounds=min(run.rounds, owed.place.round)))
            facts.append(StepDue(run=run.id, place=owed.place, late=owed.late))
        return facts


class ConfirmationClock(Clock[Incident]):
    """Acknowledged and not confirmed: the incident manager hears, then the deputy."""

    def deadline(self, subject: Incident) -> Deadline | None:
        if (
            subject.status is not Status.FIXING
            or subject.confirmed_at is not None
            or subject.acknowledged_at is None
            or subject.confirm_reminders > 1
        ):
            return None
        within = subject.policy.limits.confirm_within
        at = subject.acknowledged_at + within * (subject.confirm_reminders + 1)
        return Deadline(at=at, summary="Remind to assess and confirm")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        acknowledged = subject.acknowledged_at or now
        is_second = now >= acknowledged + subject.policy.limits.confirm_within * 2
        return [ConfirmationDue(stage=Stage.DEPUTY if is_second else Stage.OWNER)]


class CommunicationClock(Clock[Incident]):
    """Reminds whoever owes an audience an update."""

    def deadline(self, subject: Incident) -> Deadline | None:
        if not subject.is_open or not subject.clocks:
            return None
        audience, clock = min(subject.clocks.items(), key=lambda item: item[1].next_reminder()[0])
        at, stage = clock.next_reminder()
        whom = stage.value.replace("_", " ")
        return Deadline(at=at, summary=f"{audience.capitalize()} update due: remind the {whom}")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        facts: list[Fact] = []
        for audience, clock in subject.clocks.items():
            if clock.next_reminder()[0] <= now:
                stage, overtaken = clock.catch_up(now)
                facts.append(
                    UpdateDue(
                        audience=audience, stage=stage, due_at=clock.due_at, overtaken=overtaken
                    )
                )
        return facts


class ApprovalClock(Clock[Incident]):
    """A text that waits for a second person is asked for once more, of the incident manager too."""

    def deadline(self, subject: Incident) -> Deadline | None:
        waiting = [one for one in subject.proposals if not one.reminded]
        if not waiting or subject.is_over:
            return None
        oldest = min(waiting, key=lambda one: one.at)
        return Deadline(at=oldest.at + APPROVE_WITHIN, summary=f"Approval of {oldest.id} due")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        return [
            ApprovalDue(update=one.id, audience=one.audience, by=one.by)
            for one in subject.proposals
            if not one.reminded and one.at + APPROVE_WITHIN <= now
        ]


class RoleClock(Clock[Incident]):
    """An offered role that nobody answers goes back to the incident manager."""

    def deadline(self, subject: Incident) -> Deadline | None:
        waiting = [h for h in subject.roles if h.state is RoleState.OFFERED and not h.reminded]
        if not waiting or subject.is_over:
            return None
        oldest = min(waiting, key=lambda h: h.at)
        at = oldest.at + subject.policy.limits.role_accept
        return Deadline(at=at, summary=f"Role {oldest.role}: answer of {oldest.person} due")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        return [
            RoleUnanswered(role=h.role, title=subject.policy.role(h.role).title, person=h.person)
            for h in subject.roles
            if h.state is RoleState.OFFERED
            and not h.reminded
            and h.at + subject.policy.limits.role_accept <= now
        ]


class ShiftClock(Clock[Incident]):
    """Nobody manages an incident for hours on end without being asked to hand over."""

    def deadline(self, subject: Incident) -> Deadline | None:
        manager = subject.incident_manager
        if manager is None or not subject.is_open or subject.shift_reminded_at is None:
            return None
        length = subject.policy.limits.shift
        if not length:
            return None  # `shift: 0s` switches it off
        at = subject.shift_reminded_at + length
        return Deadline(at=at, summary=f"Shift of {manager}: suggest a handover")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        manager = subject.incident_manager
        if manager is None:
            return []
        holding = subject.holding(INCIDENT_MANAGER, manager)
        since = holding.at if holding is not None else now
        hours = round((now - since).total_seconds() / 3600, 1)
        return [ShiftTooLong(person=manager, hours=hours)]


class CloseClock(Clock[Incident]):
    """A resolved incident without a postmortem closes once it can no longer be reopened."""

    def deadline(self, subject: Incident) -> Deadline | None:
        if subject.status is not Status.RESOLVED or subject.owes_postmortem:
            return None
        resolved = subject.resolved_at or subject.raised_at
        return Deadline(at=resolved + subject.policy.limits.reopen_window, summary="Close")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        return [Closed(reason="no postmortem is due and the time for reopening is over")]


INCIDENT_CLOCKS: tuple[Clock[Incident], ...] = (
    EscalationClock(),
    ContactClock(),
    ReceiptClock(),
    PagingFailureClock(),
    SignOfLifeClock(),
    ConfirmationClock(),
    CommunicationClock(),
    ApprovalClock(),
    RoleClock(),
    ShiftClock(),
    InactivityClock(),
    CloseClock(),
)

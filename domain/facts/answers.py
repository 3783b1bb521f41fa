"""Facts about who answers: acknowledged, called in, gone silent, taken back."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.aggregate import Fact
from domain.durations import format_duration
from domain.escalation import Cause, PageRun
from domain.facts.lifecycle import end_runs, start_page_run
from domain.facts.paging import drop_pages, run_of
from domain.facts.people import take_charge
from domain.incident import Incident, Responder, Status
from domain.policy.model import PageWhen
from domain.policy.slice import EscalationPlan, PlanStep

HOW = {
    "cli": "the command line", "api": "the API", "web": "the web page", "chat": "chat",
    "link": "the link in the message", "keypress": "keypress", "sms": "SMS",
    "sender": "the sender of the alert",
}  # fmt: skip
"""Ways of acknowledging, as the timeline says them."""


class Acknowledged(Fact):
    """A responder took the page."""

    person: str
    first: bool
    again: bool = False
    """Whether the incident had been acknowledged before, and that was taken back."""
    takes_charge: bool = False
    """Whether nobody was in charge, so that this person is now."""
    via: str = "api"
    page: str | None = None
    """Key of the page that was answered, where that is known."""
    after_seconds: float
    """Since the incident, or the page run, began."""
    took_seconds: float | None = None
    """Since this person's page left; where they had none, as `after_seconds`."""
    ended_runs: list[str] = []
    quieted_runs: list[str] = []
    """Runs that page the others until enough people have taken it."""
    told: list[str] = []
    """Everybody else who was paged: they hear who took it."""

    def sentence(self) -> str:
        seconds = self.after_seconds if self.took_seconds is None else self.took_seconds
        took = format_duration(timedelta(seconds=round(seconds)))
        role = ", now incident manager" if self.first or self.takes_charge else ""
        more = "; more acknowledgements are needed" if self.quieted_runs else ""
        how = HOW.get(self.via, self.via)
        return f"{self.person} acknowledged after {took} by {how}{role}{more}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        ended = [run_of(incident, run_id) for run_id in self.ended_runs]
        end_runs(incident, ended, at, f"acknowledged by {self.person}")
        if not incident.is_responder(self.person):
            incident.responders.append(Responder(person=self.person, joined_at=at))
        for run in [*ended, *(run_of(incident, run_id) for run_id in self.quieted_runs)]:
            if self.person not in run.acknowledged_by:
                run.acknowledged_by.append(self.person)
        for run in incident.active_pages():
            drop_pages(incident, run.id, self.person)
            for paged in run.people():
                if paged.person == self.person:
                    paged.go_quiet()
        if self.first:
            incident.status, incident.acknowledged_at = Status.FIXING, at
        if self.first or self.takes_charge:
            incident.acknowledged_by = self.person
            take_charge(incident, self.person, at)


class Escalated(Fact):
    """Somebody called in another expert, team or rotation."""

    to: str
    reason: str
    run: str

    def sentence(self) -> str:
        return f"Escalated to {self.to}: {self.reason}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        plan = EscalationPlan(
            steps=[PlanStep(targets=[self.to], after=timedelta(0))],
            repeat=incident.policy.escalation.repeat,
            repeat_after=incident.policy.escalation.repeat_after,
        )
        run = PageRun(
            id=self.run, cause=Cause.ESCALATED, reason=f"{actor}: {self.reason}", plan=plan,
            round_started_at=at, due_at=at,
        )  # fmt: skip
        start_page_run(incident, at, Cause.ESCALATED, run)


class Unacknowledged(Fact):
    """An acknowledgement was taken back: the pages climb on from where they were."""

    person: str | None
    """Who had taken it."""
    reason: str

    def sentence(self) -> str:
        who = f" (was {self.person})" if self.person else ""
        return f"Unacknowledged{who}: {self.reason}; the escalation goes on"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.status, incident.acknowledged_at = Status.RAISED, None
        incident.sign_asked_at = None
        own = [run for run in incident.pages if run.cause is not Cause.ESCALATED]
        if any(run.is_active for run in own):
            return
        if not own or not own[-1].plan.steps or own[-1].plan != incident.policy.escalation:
            start_page_run(incident, at, Cause.UNACKNOWLEDGED)
            return
        last = own[-1]
        waits = incident.policy.level(incident.severity).page is PageWhen.WORKING_HOURS
        resumed = PageRun(
            id=f"p{len(incident.pages) + 1}", cause=Cause.UNACKNOWLEDGED, reason=self.reason,
            plan=last.plan, wait_for_working_hours=waits, round=last.round, step=last.step,
            due_at=at, round_started_at=last.round_started_at, is_exhausted=last.is_exhausted,
            is_paging_catch_all=last.is_paging_catch_all,
        )  # fmt: skip
        start_page_run(incident, at, Cause.UNACKNOWLEDGED, resumed)


class SignOfLifeAsked(Fact):
    """Acknowledged, and then nothing: the acknowledger is asked whether they are still on it."""

    person: str | None
    silent_seconds: float

    def sentence(self) -> str:
        silent = format_duration(timedelta(seconds=round(self.silent_seconds)))
        return f"Nobody has done anything for {silent}: {self.person or 'the catch-all'} is asked"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.sign_asked_at = at


class StillWorking(Fact):
    """Somebody who was asked says that the work goes on."""

    person: str

    def sentence(self) -> str:
        return f"{self.person} is still on it"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.last_sign_at, incident.sign_asked_at = at, None

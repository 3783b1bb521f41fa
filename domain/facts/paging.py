"""Facts about pages: who is demanded an answer of, what became of it, and who acknowledged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from domain.aggregate import Fact
from domain.durations import format_duration
from domain.escalation import CATCH_ALL, Cause, PagedPerson, PageRun, Position, after
from domain.facts.lifecycle import PAGE_EFFECTS, end_runs, start_page_run
from domain.facts.people import take_charge
from domain.incident import Incident, Responder, Status
from domain.messages import Delivery, PageTarget, PageText, Purpose
from domain.policy.slice import EscalationPlan, PlanStep
from domain.priority import Rank

HELD_AT_LEAST = timedelta(minutes=1)


class StepDue(Fact):
    """Bookkeeping: a step is being resolved; its clock stands still meanwhile."""

    silent: ClassVar[bool] = True

    run: str
    place: Position
    late: bool = False

    def sentence(self) -> str:
        return ""

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = _run(incident, self.run)
        run.round, run.step = self.place.round, self.place.step
        run.round_started_at = self.place.round_started_at
        run.is_paging_catch_all = self.place.exhausted
        run.due_at = None


class StepPaged(Fact):
    """A step has its people: each is being paged now."""

    run: str
    round: int
    step: int
    targets: list[PageTarget]
    text: PageText
    skipped: list[str] = []
    faults: list[str] = []
    late: bool = False
    rank: dict[str, Any] | None = None

    def sentence(self) -> str:
        people = ", ".join(f"{t.person} ({t.why})" if t.why else t.person for t in self.targets)
        late = ", late" if self.late else ""
        notes = "; ".join(["", *self.skipped, *self.faults])
        return f"{_place(self.round, self.step)} pages {people}{late}{notes}"

    def data(self) -> dict[str, Any]:
        return super().data() | {"text": self.text.subject}

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = _run(incident, self.run)
        step = f"s{self.step}" if self.step else CATCH_ALL
        run.current = [
            PagedPerson(person=t.person, channels=t.channels, round=self.round, step=step)
            for t in self.targets
        ]
        for target in self.targets:
            # What an earlier step still tries to get to them comes with this page: no burst later.
            _drop_pages(incident, self.run, target.person)
        run.paged = list(dict.fromkeys([*run.paged, *(t.person for t in self.targets)]))
        if self.rank:
            incident.rank = Rank.model_validate(self.rank)
        run.reached_round = self.round
        _move_on(incident, run, at, at_once=False)


class PageHeld(Fact):
    """The page waits: this severity is no reason to wake anybody."""

    run: str
    until: datetime
    severity: str

    def sentence(self) -> str:
        return (
            f"{self.severity} waits for working hours: the page goes out {self.until:%a %H:%M} UTC"
        )

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        # By the clock of whoever looked it up, which may be behind: never ask again at once.
        _run(incident, self.run).due_at = max(self.until, at + HELD_AT_LEAST)


class StepSkipped(Fact):
    """A step was passed over, with the reason."""

    run: str
    round: int
    step: int
    reason: str
    empty: bool = False
    """Whether nobody was behind the step, so that the next one is due now."""

    def sentence(self) -> str:
        return f"{_place(self.round, self.step)} skipped: {self.reason}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        if self.empty:
            run = _run(incident, self.run)
            run.current = []
            _move_on(incident, run, at, at_once=True)


class PageSent(Fact):
    """A page left for one person over one contact."""

    run: str
    person: str
    channel: str
    purpose: Purpose = Purpose.PAGE
    attempt: int = 1
    round: int = 1
    late: bool = False
    deliveries: list[Delivery]

    def sentence(self) -> str:
        tries = f" at attempt {self.attempt}" if self.attempt > 1 else ""
        return f"Paged {self.person} by {self.channel}{tries}{', late' if self.late else ''}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = _run(incident, self.run)
        run.sent_round = max(run.sent_round, self.round)
        for person in run.current:
            if person.person == self.person:
                person.sent = True
        # One page is enough: other contacts of the same person are not tried any more.
        _drop_pages(incident, self.run, self.person)


class PageFailed(Fact):
    """A page did not leave."""

    run: str
    person: str
    channel: str
    purpose: Purpose = Purpose.PAGE
    attempt: int = 1
    reason: str
    detail: str = ""
    will_retry: bool
    next_contact: int | None = None
    """Number of the person's contact that is tried now, beside any retry of this one."""
    round: int = 1
    step: str = ""
    channels: list[str] = []
    text: PageText | None = None
    late: bool = False
    deliveries: list[Delivery]

    def sentence(self) -> str:
        then = "trying again" if self.will_retry else "not trying this contact again"
        return f"Page to {self.person} by {self.channel} failed ({self.reason}), {then}"

    def data(self) -> dict[str, Any]:
        return {k: v for k, v in super().data().items() if k not in ("text", "channels")}

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = _run(incident, self.run)
        person = run.paged_now(self.person, self.round, self.step)
        if person is None:
            return
        person.failed += 0 if self.will_retry else 1
        if self.next_contact is not None:
            person.tried = max(person.tried, self.next_contact + 1)
        is_dead_end = all(person.is_unreachable for person in run.current)
        if not is_dead_end or not run.is_active or run.due_at is None:
            return
        if run.step == 0 or run.is_paging_catch_all:
            # What comes next is a new round. If this one reached nobody, more rounds will not either:
            # the catch-all's turn is now, unless it is the catch-all that cannot be reached.
            if run.sent_round == self.round or self.step == CATCH_ALL:
                return
            run.round, run.is_paging_catch_all = self.round, True
        run.due_at = min(run.due_at, at)


class PolicyExhausted(Fact):
    """Every round of the escalation policy went by without an acknowledgement."""

    run: str
    rounds: int

    def sentence(self) -> str:
        return (
            f"Escalation policy exhausted after {self.rounds} rounds without acknowledgement; "
            "the catch-all is paged and the operator told"
        )

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        _run(incident, self.run).is_exhausted = True


class Acknowledged(Fact):
    """A responder took the page."""

    person: str
    first: bool
    takes_charge: bool = False
    """Whether nobody was in charge, so that this person is now."""
    after_seconds: float
    ended_runs: list[str] = []
    told: list[str] = []
    """Everybody else who was paged: they hear who took it."""

    def sentence(self) -> str:
        took = format_duration(timedelta(seconds=round(self.after_seconds)))
        role = ", now incident manager" if self.first or self.takes_charge else ""
        return f"{self.person} acknowledged after {took}{role}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        ended = [_run(incident, run_id) for run_id in self.ended_runs]
        end_runs(incident, ended, at, f"acknowledged by {self.person}")
        if not incident.is_responder(self.person):
            incident.responders.append(Responder(person=self.person, joined_at=at))
        for run in incident.active_pages():
            _drop_pages(incident, run.id, self.person)
        if self.first:
            incident.status, incident.acknowledged_at = Status.FIXING, at
        if self.first or self.takes_charge:
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


def _place(round_: int, step: int) -> str:
    return f"Step {step} of round {round_}" if step else f"Catch-all of round {round_}"


def _run(incident: Incident, run_id: str) -> PageRun:
    run = incident.run(run_id)
    if run is None:
        raise LookupError(f"{incident.id} has no page run {run_id}")
    return run


def _move_on(incident: Incident, run: PageRun, at: datetime, *, at_once: bool) -> None:
    """Set the run to the place after the one just done."""
    if not run.is_active:
        return
    place = Position(
        round=run.round, step=run.step, due_at=at, round_started_at=run.round_started_at,
        exhausted=run.is_paging_catch_all,
    )  # fmt: skip
    run.last_paged_at = at
    following = after(run, place, incident.policy.limits.exhausted_every)
    ends_round = following.round != run.round or following.exhausted
    if at_once and ends_round and run.reached_round != run.round and not place.exhausted:
        # Nobody is behind the whole round: the catch-all's turn is now, not after more empty rounds.
        following = place.model_copy(update={"exhausted": True})
    elif at_once and not ends_round:
        following = following.model_copy(update={"due_at": at})
    run.round, run.step = following.round, following.step
    run.round_started_at = following.round_started_at
    run.is_paging_catch_all, run.due_at = following.exhausted, following.due_at


def _drop_pages(incident: Incident, run_id: str, person: str) -> None:
    """Forget the pages of one run to one person that have not left."""
    for key, effect in list(incident.effects.items()):
        data = effect.input
        if effect.kind in PAGE_EFFECTS and (data.get("run"), data.get("person")) == (
            run_id,
            person,
        ):
            incident.settle(key)

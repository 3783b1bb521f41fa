"""Facts about the climb: which step is due, whom it pages, why it waits or is passed over.

What becomes of each page is `deliveries.py`, who answers is `answers.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from domain.aggregate import Effect, Fact
from domain.escalation import CATCH_ALL, PageRun, Position, after
from domain.facts.lifecycle import PAGE_EFFECTS
from domain.incident import Incident
from domain.messages import PageTarget, PageText
from domain.paged import PagedPerson
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
        run = run_of(incident, self.run)
        run.round, run.step = self.place.round, self.place.step
        run.round_started_at = self.place.round_started_at
        run.is_paging_catch_all = self.place.exhausted
        run.due_at, run.asked_at = None, at


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
        run = run_of(incident, self.run)
        step = f"s{self.step}" if self.step else CATCH_ALL
        named = {target.person for target in self.targets}
        run.earlier = [p for p in run.people() if p.person not in named]
        run.current = [_paged(target, self.round, step, at) for target in self.targets]
        run.text, run.text_at, run.late = self.text, at, self.late
        if 0 < self.step <= len(run.plan.steps):
            run.needed = max(run.needed, run.plan.steps[self.step - 1].acknowledgements)
        for target in self.targets:
            # What an earlier step still tries to get to them comes with this page: no burst later.
            drop_pages(incident, self.run, target.person)
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
    reason: str = ""

    def sentence(self) -> str:
        why = self.reason or f"{self.severity} waits for working hours"
        return f"{why}: the page goes out {self.until:%a %H:%M} UTC"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        # By the clock of whoever looked it up, which may be behind: never ask again at once.
        run_of(incident, self.run).due_at = max(self.until, at + HELD_AT_LEAST)


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
            run = run_of(incident, self.run)
            run.current, run.earlier = [], run.people()
            _move_on(incident, run, at, at_once=True)


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
        run_of(incident, self.run).is_exhausted = True


def _paged(target: PageTarget, round_: int, step: str, at: datetime) -> PagedPerson:
    person = PagedPerson(
        person=target.person, channels=target.channels, plan=target.plan, round=round_, step=step
    )
    person.begin(at)
    return person


def _place(round_: int, step: int) -> str:
    return f"Step {step} of round {round_}" if step else f"Catch-all of round {round_}"


def run_of(incident: Incident, run_id: str) -> PageRun:
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


def drop_pages(
    incident: Incident, run_id: str, person: str, keep: Callable[[Effect], bool] | None = None
) -> None:
    """Forget the pages of one run to one person that have not left, but for those to keep."""
    for key, effect in list(incident.effects.items()):
        data = effect.input
        is_meant = (data.get("run"), data.get("person")) == (run_id, person)
        if effect.kind in PAGE_EFFECTS and is_meant and not (keep and keep(effect)):
            incident.settle(key)

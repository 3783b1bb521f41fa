"""Escalation: which step of which round is due, when an incident's page is not acknowledged.

A **page run** is one demand for an answer: from raising, from a severity that became major, or from an
escalation by hand. It climbs its plan until a human acknowledges, and never ends by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel

from domain.messages import PageText
from domain.paged import PagedPerson
from domain.policy.slice import EscalationPlan

LATE_AFTER = timedelta(seconds=10)
"""A step that is paged later than this says that it is late. Timers and a restarted worker stay below."""


CATCH_ALL = "catch-all"
"""Label of the step that pages whoever is paged when nobody else can be."""


class Cause(StrEnum):
    RAISED = "raised"
    SEVERITY = "severity"
    ESCALATED = "escalated"
    UNACKNOWLEDGED = "unacknowledged"
    """Somebody took it and went silent, or called for help where policy takes that as a no."""


class PageRun(BaseModel):
    """One demand for an answer, and how far it has climbed."""

    id: str
    cause: Cause
    reason: str = ""
    plan: EscalationPlan
    wait_for_working_hours: bool = False
    waits_for_maintenance: bool = False
    """Whether a machine asked for it, so that a planned maintenance holds it until its end."""
    held_by: str = ""
    """The maintenance window that it waits for."""
    held_for: str = ""
    """The incident, its likely cause, for whose end it waits."""
    checks: int = 0
    """How often it was asked whether that one is still open."""
    waits_for_alert: bool = False
    """Nothing fired any more when its wait was over: it pages when an alert comes back."""
    round: int = 1
    step: int = 0
    """Index of the step that is due next, or is being paged."""
    due_at: datetime | None = None
    """When the next step is due; None while one is being resolved, and once the run has ended."""
    round_started_at: datetime
    last_paged_at: datetime | None = None
    reached_round: int = 0
    """Last round in which anybody stood behind a step."""
    sent_round: int = 0
    """Last round of which a page left."""
    is_exhausted: bool = False
    is_paging_catch_all: bool = False
    current: list[PagedPerson] = []
    """The people of the step that was paged last."""
    earlier: list[PagedPerson] = []
    """Those of the steps before: their plans go on until somebody acknowledges."""
    text: PageText | None = None
    """What the step that was paged last said, for the contacts that come later."""
    text_at: datetime | None = None
    late: bool = False
    asked_at: datetime | None = None
    """When the step that is being resolved was due."""
    needed: int = 0
    """Acknowledgements that the steps paged so far demand; 0 while none was paged."""
    acknowledged_by: list[str] = []
    first_sent: dict[str, datetime] = {}
    """When the first page left for each person."""
    failing_since: datetime | None = None
    """Since when every page to the current step has failed."""
    is_failing: bool = False
    """Whether that has been told."""
    paged: list[str] = []
    """Everybody whom this run has paged, in order."""
    reached: list[str] = []
    """To whom a page of this run has left."""
    ended_at: datetime | None = None
    ended_why: str = ""

    @property
    def is_active(self) -> bool:
        return self.ended_at is None

    @property
    def rounds(self) -> int:
        """Rounds before the policy counts as exhausted."""
        return 1 + self.plan.repeat

    @property
    def acknowledgements_needed(self) -> int:
        """How many people have to take it; before the first page as the first step says."""
        if self.needed or not self.plan.steps:
            return max(self.needed, 1)
        return self.plan.steps[0].acknowledgements

    def people(self) -> list[PagedPerson]:
        """Everybody whose plan may go on."""
        return [*self.current, *self.earlier]

    def end(self, at: datetime, why: str) -> None:
        """Stop climbing."""
        self.ended_at, self.ended_why, self.due_at = at, why, None
        self.text = None  # long, and nobody is paged any more

    def paged_now(self, person: str, round_: int, step: str) -> PagedPerson | None:
        """What became of a page, unless the person has been paged anew since."""
        for paged in self.people():
            if (paged.person, paged.round, paged.step) == (person, round_, step):
                return paged
        return None

    def step_key(self) -> str:
        """Business key of what is due now."""
        place = CATCH_ALL if self.is_paging_catch_all else f"s{self.step + 1}"
        return f"{self.id}/r{self.round}/{place}"


class Position(BaseModel):
    """A place on the climb."""

    round: int
    step: int
    due_at: datetime
    round_started_at: datetime
    exhausted: bool = False
    """The rounds of the policy are used up at this instant: the catch-all's turn."""


class Due(BaseModel):
    """What is due now: the place, what was overtaken on the way, and whether it is late."""

    place: Position
    overtaken: list[Position] = []
    late: bool = False


def after(run: PageRun, place: Position, exhausted_every: timedelta) -> Position:
    """The place after `place`, given that it was paged when it was due."""
    steps = run.plan.steps
    was_exhausted = run.is_exhausted or place.exhausted
    if not place.exhausted and place.step + 1 < len(steps):
        return place.model_copy(
            update={"step": place.step + 1, "due_at": place.due_at + steps[place.step + 1].after}
        )
    if not was_exhausted and place.round >= run.rounds:
        return place.model_copy(
            update={"exhausted": True, "due_at": place.due_at + run.plan.repeat_after}
        )
    # Once exhausted, rounds go on at a fixed pace, for as long as nobody has acknowledged.
    start = (
        max(place.round_started_at + exhausted_every, place.due_at)
        if was_exhausted and not place.exhausted
        else place.due_at + (exhausted_every if was_exhausted else run.plan.repeat_after)
    )
    first_wait = steps[0].after if steps else timedelta(0)
    return Position(
        round=place.round + 1, step=0, due_at=start + first_wait, round_started_at=start
    )


def due(run: PageRun, now: datetime, exhausted_every: timedelta) -> Due | None:
    """What the run owes now; after an outage only the step that is due now, the rest is overtaken."""
    if run.due_at is None or run.due_at > now:
        return None
    place = Position(
        round=run.round,
        step=run.step,
        due_at=run.due_at,
        round_started_at=run.round_started_at,
        exhausted=run.is_paging_catch_all or (not run.plan.steps and not run.is_exhausted),
    )
    passed = [place]
    # The catch-all hears of an exhausted policy, however late it is.
    while not passed[-1].exhausted:
        following = after(run, passed[-1], exhausted_every)
        if following.due_at > now:
            break
        passed.append(following)
    # Steps without a wait between them are due together: the first of them, the others follow.
    first = next(i for i, p in enumerate(passed) if p.due_at == passed[-1].due_at)
    place = passed[first]
    late = first > 0 or now - place.due_at > LATE_AFTER
    return Due(place=place, overtaken=passed[:first], late=late)

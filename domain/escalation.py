"""Escalation: which step of which round is due, when an incident's page is not acknowledged.

A **page run** is one demand for an answer: from raising, from a severity that became major, or from an
escalation by hand. It climbs its plan until a human acknowledges, and never ends by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel

from domain.policy.slice import EscalationPlan

LATE_AFTER = timedelta(seconds=10)
"""A step that is paged later than this says that it is late. Timers and a restarted worker stay below."""


CATCH_ALL = "catch-all"
"""Label of the step that pages whoever is paged when nobody else can be."""


class Cause(StrEnum):
    RAISED = "raised"
    SEVERITY = "severity"
    ESCALATED = "escalated"


class PagedPerson(BaseModel):
    """One person of the current step and what became of each of their contacts."""

    person: str
    channels: list[str]
    tried: int = 1
    """How many of the contacts have been started, in order."""
    failed: int = 0
    """How many of them failed for good."""
    sent: bool = False
    round: int = 1
    step: str = ""
    """Label of the step that pages them: `s2`, or `catch-all`."""

    @property
    def is_unreachable(self) -> bool:
        return not self.sent and self.failed >= len(self.channels)


class PageRun(BaseModel):
    """One demand for an answer, and how far it has climbed."""

    id: str
    cause: Cause
    reason: str = ""
    plan: EscalationPlan
    wait_for_working_hours: bool = False
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
    paged: list[str] = []
    """Everybody whom this run has paged, in order."""
    ended_at: datetime | None = None
    ended_why: str = ""

    @property
    def is_active(self) -> bool:
        return self.ended_at is None

    @property
    def rounds(self) -> int:
        """Rounds before the policy counts as exhausted."""
        return 1 + self.plan.repeat

    def end(self, at: datetime, why: str) -> None:
        """Stop climbing."""
        self.ended_at, self.ended_why, self.due_at = at, why, None

    def paged_now(self, person: str, round_: int, step: str) -> PagedPerson | None:
        """What became of a page, where it is one of the current step's."""
        for paged in self.current:
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

"""What an incident and a postmortem have in common: facts fold into state, and from facts effects follow.

A **fact** is what happened. `Aggregate.record` folds it, gives it its place on the timeline and keeps
the **effects** that follow from it: work for the outside world that is wanted and not settled. Effects
are part of the state, so an outage, a replay or continue-as-new never forgets one.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.timeline import SYSTEM, Entry

S = TypeVar("S")


class Effect(BaseModel):
    """One thing to do outside, under one business key, until it is settled."""

    key: str
    kind: str
    """Name in the workflow's table of effects; mostly that of the activity."""
    input: dict[str, Any] = {}
    attempt: int = 0
    next_try: datetime | None = None
    """Not before; None is at once."""


class Fact(BaseModel):
    """What happened, in the past tense. The class name in snake_case is its name on the timeline."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ClassVar[str]
    silent: ClassVar[bool] = False
    """Bookkeeping that changes state and is not for people: folded, never shown."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @abstractmethod
    def sentence(self) -> str:
        """The fact as one sentence for the timeline."""

    def apply(self, subject: Any, at: datetime, actor: str) -> None:
        """Fold into the state. The default changes nothing."""

    def data(self) -> dict[str, Any]:
        """The fields as they stand on the timeline."""
        return self.model_dump(mode="json", exclude_none=True)


class Result(BaseModel):
    """What a command with a caller-chosen key was answered, so that asking again answers the same."""

    seq: int
    facts: list[str] = []
    refusal: dict[str, Any] | None = None


class Deadline(BaseModel):
    """The next instant at which a clock wants to strike, and what the operator reads beside the timer."""

    at: datetime
    summary: str


class Clock(ABC, Generic[S]):
    """A rule that acts by itself when time has passed. Stateless: it reads its instants from the state."""

    @abstractmethod
    def deadline(self, subject: S) -> Deadline | None:
        """When to strike next; None while there is nothing to wait for."""

    @abstractmethod
    def strike(self, subject: S, now: datetime) -> list[Fact]:
        """The facts that follow from the deadline having passed."""


class Aggregate(BaseModel):
    """Base of the states that workflows carry."""

    id: str
    seq: int = 0
    effects: dict[str, Effect] = {}
    results: dict[str, Result] = {}

    RESULTS_KEPT: ClassVar[int] = 200

    def record(
        self,
        fact: Fact,
        at: datetime,
        actor: str = SYSTEM,
        follows: Callable[[Any, Fact, datetime, str], Iterable[Effect]] | None = None,
    ) -> Entry | None:
        """Fold one fact and keep what follows from it.

        Returns:
            The timeline entry, or None for a silent fact.
        """
        fact.apply(self, at, actor)
        for effect in follows(self, fact, at, actor) if follows else ():
            self.effects.setdefault(effect.key, effect)
        if fact.silent:
            return None
        self.seq += 1
        return Entry(
            seq=self.seq, at=at, fact=fact.name, actor=actor, text=fact.sentence(), data=fact.data()
        )

    def remember(self, key: str, result: Result) -> None:
        """Keep a command's result under its key; the oldest go first once there are 200."""
        self.results[key] = result
        while len(self.results) > self.RESULTS_KEPT:
            del self.results[next(iter(self.results))]

    def settle(self, key: str) -> None:
        """An effect is done, whatever came of it."""
        self.effects.pop(key, None)

    def postpone(self, key: str, until: datetime) -> None:
        """Try an effect again, not before `until`."""
        effect = self.effects.get(key)
        if effect is not None:
            effect.attempt += 1
            effect.next_try = until


def next_page_try(attempt: int) -> timedelta:
    """Wait before a page is tried again: 2 s, growing by half, at most 15 s, for as long as it takes."""
    return timedelta(seconds=min(2.0 * 1.5 ** min(attempt, 10), 15.0))


def next_message_try(attempt: int) -> timedelta:
    """Wait before any other message is tried again: 5 s, doubling, at most 5 minutes."""
    return timedelta(seconds=min(5.0 * 2.0 ** min(attempt, 10), 300.0))

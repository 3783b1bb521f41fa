"""When an audience is owed an update, and who hears that it is due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.updates import Stage, UpdateClock
from tests.factories import T0, minutes


def a_clock(interval: float = 20, reminded: int = 0) -> UpdateClock:
    """A clock that began at T0."""
    return UpdateClock(base=T0, interval=minutes(interval), reminded=reminded)


@pytest.mark.parametrize(
    ("reminded", "at", "stage"),
    [
        (0, 20, Stage.OWNER),
        (1, 30, Stage.DEPUTY),
        (2, 40, Stage.MANAGER),
        (3, 60, Stage.MANAGER),
        (4, 80, Stage.MANAGER),
    ],
)
def test_who_is_reminded_and_when(reminded: int, at: float, stage: Stage) -> None:
    """Owner when due, deputy at 1.5 times, incident manager at 2, then once per interval."""
    assert a_clock(reminded=reminded).next_reminder() == (T0 + minutes(at), stage)


@pytest.mark.parametrize(
    ("now", "stage", "overtaken", "reminded"),
    [
        (20, Stage.OWNER, 0, 1),
        (29, Stage.OWNER, 0, 1),
        (30, Stage.DEPUTY, 1, 2),
        (40, Stage.MANAGER, 2, 3),
        (59, Stage.MANAGER, 2, 3),
        (60, Stage.MANAGER, 3, 4),
        (200, Stage.MANAGER, 10, 11),
    ],
)
def test_after_an_outage_one_reminder_goes(
    now: float, stage: Stage, overtaken: int, reminded: int
) -> None:
    """What was overtaken is counted and not made up for."""
    clock = a_clock()
    assert clock.catch_up(T0 + minutes(now)) == (stage, overtaken)
    clock.mark(T0 + minutes(now))
    assert clock.reminded == reminded


def test_what_was_given_already_is_not_overtaken() -> None:
    """The owner was reminded before the outage: only what came after counts."""
    assert a_clock(reminded=1).catch_up(T0 + minutes(40)) == (Stage.MANAGER, 1)


@settings(deadline=None, max_examples=60)
@given(
    interval=st.timedeltas(timedelta(seconds=1), timedelta(days=7)),
    steps=st.lists(st.timedeltas(timedelta(0), timedelta(days=30)), max_size=6),
)
def test_a_marked_clock_always_waits_for_something_later(
    interval: timedelta, steps: list[timedelta]
) -> None:
    """After a reminder the next one lies ahead, whatever the interval: a clock never spins."""
    clock, now = UpdateClock(base=T0, interval=interval), T0
    for step in steps:
        now += step
        clock.mark(now)
        assert clock.next_reminder()[0] > now
        assert (
            clock.reminded == 0
            or clock.model_copy(update={"reminded": clock.reminded - 1}).next_reminder()[0] <= now
        )

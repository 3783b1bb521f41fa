"""In a storm what is urgent is let through first, and only then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from starter import hastening
from starter.hastening import Hastening
from starter.rush import BURST, CROWD, HASTENED_SECONDS, Rush


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def a_rush(services: int) -> tuple[Rush, Clock]:
    """That many desks have just been sent something."""
    clock = Clock()
    rush = Rush(clock)
    for number in range(services):
        rush.lets_through(f"other-{number}", is_urgent=False)
    return rush, clock


def test_on_a_quiet_day_nobody_is_hastened() -> None:
    """An urgent report costs nothing more while nobody waits."""
    rush, _ = a_rush(int(CROWD) - 2)
    assert not rush.lets_through("checkout", is_urgent=True)


def test_in_a_storm_the_urgent_are_let_through_and_others_wait() -> None:
    """Urgent passes, the rest does not, and a desk is hastened once for a while."""
    rush, clock = a_rush(200)
    assert not rush.lets_through("search", is_urgent=False)
    assert rush.lets_through("checkout", is_urgent=True)
    assert not rush.lets_through("checkout", is_urgent=True)
    clock.at += 1
    assert rush.lets_through("payments", is_urgent=True)


def test_a_storm_passes() -> None:
    """What was sent is served in time: a while later nobody waits any more."""
    rush, clock = a_rush(200)
    clock.at += 30
    assert not rush.lets_through("checkout", is_urgent=True)


def test_where_all_is_urgent_the_rest_waits_in_turn() -> None:
    """Hastening everybody would help nobody and cost two calls each."""
    rush, _ = a_rush(500)
    passed = sum(rush.lets_through(f"urgent-{number}", is_urgent=True) for number in range(100))
    assert passed == int(BURST)


def test_repeats_of_one_service_are_no_storm() -> None:
    """One service whose reports follow each other is served as they come."""
    clock = Clock()
    rush = Rush(clock)
    for _ in range(1000):
        clock.at += 0.01
        assert not rush.lets_through("checkout", is_urgent=True)


def test_a_desk_may_be_hastened_again_later() -> None:
    """After its time a desk is calm again, and the next storm may hasten it."""
    rush, clock = a_rush(3000)
    assert rush.lets_through("checkout", is_urgent=True)
    clock.at += HASTENED_SECONDS
    assert rush.lets_through("checkout", is_urgent=True)


class Link:
    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, str]] = []
        self.error = error

    async def hasten_desk(self, service: str) -> None:
        self.calls.append(("hasten", service))
        if self.error is not None:
            raise self.error

    async def calm_desk(self, service: str) -> None:
        self.calls.append(("calm", service))


async def test_a_hastened_desk_is_calmed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Priority is lent, not given."""
    monkeypatch.setattr(hastening, "HASTENED_SECONDS", 0.01)
    link: Any = Link()
    await Hastening(link, a_rush(200)[0]).before("checkout", is_urgent=True)
    async with asyncio.timeout(30):
        while len(link.calls) < 2:  # noqa: ASYNC110 - bounded
            await asyncio.sleep(0.01)
    assert link.calls == [("hasten", "checkout"), ("calm", "checkout")]


async def test_a_server_that_cannot_hasten_holds_nothing_up() -> None:
    """An older server refuses; the report goes its way all the same."""
    link: Any = Link(RPCError("unknown method", RPCStatusCode.UNIMPLEMENTED, b""))
    await Hastening(link, a_rush(200)[0]).before("checkout", is_urgent=True)
    assert link.calls == [("hasten", "checkout")]

"""Group commit: one signal per desk at a time, nothing lost, failures to exactly those concerned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from domain.alert import Alert, AlertStatus
from starter.reception.group_commit import GroupCommit, TooManyWaitingError


def an_alert(key: str, size: int = 0) -> Alert:
    return Alert(
        id=f"id-{key}",
        key=key,
        status=AlertStatus.FIRING,
        integration="test",
        service="checkout",
        severity="SEV1",
        summary="x" * size,
        received_at=datetime(2026, 11, 24, tzinfo=UTC),
    )


class Signaller:
    """Takes batches one by one, when it is let."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[str]]] = []
        self.running: dict[str, int] = {}
        self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: Callable[[list[Alert]], bool] = lambda alerts: False

    async def send(self, service: str, alerts: list[Alert]) -> None:
        self.running[service] = self.running.get(service, 0) + 1
        self.most_at_once = max(self.most_at_once, *self.running.values())
        self.batches.append((service, [alert.key for alert in alerts]))
        await self.gate.wait()
        await asyncio.sleep(0)
        self.running[service] -= 1
        if self.fails(alerts):
            raise ConnectionError("Temporal is away")


@pytest.fixture
def signaller():
    return Signaller()


async def test_what_comes_meanwhile_rides_in_the_next(signaller):
    """The first goes at once; whatever comes while it is under way is one batch, in order."""
    commit = GroupCommit(signaller.send)
    signaller.gate.clear()
    first = asyncio.create_task(commit.deliver("checkout", [an_alert("a")]))
    await asyncio.sleep(0.01)
    others = [
        asyncio.create_task(commit.deliver("checkout", [an_alert(f"b{n}")])) for n in range(5)
    ]
    await asyncio.sleep(0.01)
    assert signaller.batches == [("checkout", ["a"])]
    assert not any(task.done() for task in (first, *others))
    signaller.gate.set()
    await asyncio.gather(first, *others)
    assert signaller.batches[1:] == [("checkout", ["b0", "b1", "b2", "b3", "b4"])]


async def test_desks_do_not_wait_for_each_other(signaller):
    """One signal per desk, not one in all."""
    commit = GroupCommit(signaller.send)
    signaller.gate.clear()
    tasks = [
        asyncio.create_task(commit.deliver(service, [an_alert("a")])) for service in ("x", "y")
    ]
    await asyncio.sleep(0.01)
    assert sorted(service for service, _ in signaller.batches) == ["x", "y"]
    signaller.gate.set()
    await asyncio.gather(*tasks)


async def test_batches_are_bounded(signaller):
    """A request larger than a batch is answered when all of it is delivered."""
    commit = GroupCommit(signaller.send, max_alerts=10)
    await commit.deliver("checkout", [an_alert(f"k{n}") for n in range(25)])
    assert [len(keys) for _, keys in signaller.batches] == [10, 10, 5]


async def test_batches_are_bounded_in_bytes(signaller):
    """One alert always fits; two large ones ride one after the other."""
    commit = GroupCommit(signaller.send, max_bytes=1000)
    await commit.deliver("checkout", [an_alert(f"k{n}", size=700) for n in range(3)])
    assert [len(keys) for _, keys in signaller.batches] == [1, 1, 1]


async def test_repeats_ride_as_one(signaller):
    """The same alert many times at once is one with a count."""
    commit = GroupCommit(signaller.send)
    await commit.deliver("checkout", [an_alert("same") for _ in range(50)])
    assert signaller.batches == [("checkout", ["same"])]


async def test_failure_reaches_exactly_those_in_the_batch(signaller):
    """Whoever rode in the failed batch hears of it, and nobody else."""
    commit = GroupCommit(signaller.send, max_alerts=2)
    signaller.fails = lambda alerts: any(alert.key == "bad" for alert in alerts)
    signaller.gate.clear()
    names = ["a", "bad", "c", "d", "e"]
    tasks = [asyncio.create_task(commit.deliver("checkout", [an_alert(name)])) for name in names]
    await asyncio.sleep(0.01)
    signaller.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    failed = {name for name, result in zip(names, results, strict=True) if result is not None}
    # The first batch goes as soon as the first alert is there; what it holds is what failed.
    (batch,) = [keys for _, keys in signaller.batches if "bad" in keys]
    assert failed == set(batch)
    await commit.deliver("checkout", [an_alert("later")])


async def test_a_failed_request_is_not_sent_on(signaller):
    """Its sender sends all of it again; the rest of it does not go out before."""
    commit = GroupCommit(signaller.send, max_alerts=1)
    signaller.fails = lambda alerts: alerts[0].key == "k0"
    with pytest.raises(ConnectionError):
        await commit.deliver("checkout", [an_alert("k0"), an_alert("k1"), an_alert("k2")])
    await commit.deliver("checkout", [an_alert("next")])
    assert [keys for _, keys in signaller.batches] == [["k0"], ["next"]]


async def test_a_caller_that_goes_away_takes_nobody_along(signaller):
    """Its alert is delivered, and so are the others of its batch."""
    commit = GroupCommit(signaller.send)
    signaller.gate.clear()
    gone = asyncio.create_task(commit.deliver("checkout", [an_alert("gone")]))
    await asyncio.sleep(0.01)
    stays = asyncio.create_task(commit.deliver("checkout", [an_alert("stays")]))
    await asyncio.sleep(0.01)
    gone.cancel()
    signaller.gate.set()
    await stays
    assert [keys for _, keys in signaller.batches] == [["gone"], ["stays"]]


async def test_too_many_waiting_are_refused(signaller):
    """What cannot be kept is not taken: the sender has to keep it."""
    commit = GroupCommit(signaller.send, max_waiting=3)
    signaller.gate.clear()
    first = asyncio.create_task(commit.deliver("checkout", [an_alert("a")]))
    await asyncio.sleep(0.01)
    more = asyncio.create_task(
        commit.deliver("checkout", [an_alert("b"), an_alert("c"), an_alert("d")])
    )
    await asyncio.sleep(0.01)
    with pytest.raises(TooManyWaitingError):
        await commit.deliver("checkout", [an_alert("e")])
    signaller.gate.set()
    await asyncio.gather(first, more)


async def test_storm(signaller):
    """A thousand requests at once: all answered, never two signals of a desk at a time, each once."""
    commit = GroupCommit(signaller.send)
    await asyncio.gather(*(commit.deliver("checkout", [an_alert(f"k{n}")]) for n in range(1000)))
    keys = [key for _, batch in signaller.batches for key in batch]
    assert sorted(keys) == sorted(f"k{n}" for n in range(1000))
    assert signaller.most_at_once == 1
    assert max(len(batch) for _, batch in signaller.batches) <= 100


async def test_nothing_is_nothing(signaller):
    """No alerts, no signal."""
    await GroupCommit(signaller.send).deliver("checkout", [])
    assert signaller.batches == []

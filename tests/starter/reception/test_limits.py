"""Token buckets: how much at once, how much for ever, and never more memory than is set."""

from __future__ import annotations

import pytest

from starter.reception.limits import Buckets, Limits, retry_after


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: Buckets, tries: int, key: str = "a") -> int:
    return sum(1 for _ in range(tries) if not buckets.take(key, 2.0, 5.0))


def test_a_burst_and_then_the_rate() -> None:
    """Five at once, then two a second, and after a pause five again."""
    clock = Clock()
    buckets = Buckets(clock=clock)
    assert taken(buckets, 20) == 5
    clock.now += 1
    assert taken(buckets, 20) == 2
    clock.now += 3_600
    assert taken(buckets, 20) == 5


def test_it_says_when_to_come_back() -> None:
    """Whoever waits that long is let in; whoever waits less is not."""
    clock = Clock()
    buckets = Buckets(clock=clock)
    taken(buckets, 5)
    wait = buckets.take("a", 2.0, 5.0)
    assert wait == pytest.approx(0.5)
    clock.now += wait - 0.01
    assert buckets.take("a", 2.0, 5.0) > 0
    clock.now += 0.02
    assert buckets.take("a", 2.0, 5.0) == 0


def test_refused_tries_do_not_prolong_it() -> None:
    """A sender that hammers gets its rate all the same."""
    clock = Clock()
    buckets = Buckets(clock=clock)
    taken(buckets, 5)
    accepted = 0
    for _ in range(1_000):
        clock.now += 0.01
        accepted += taken(buckets, 1)
    assert accepted == pytest.approx(20, abs=1)


def test_each_key_has_its_own() -> None:
    """One sender's storm takes nothing from another."""
    buckets = Buckets(clock=Clock())
    assert (taken(buckets, 20, "a"), taken(buckets, 20, "b")) == (5, 5)


def test_memory_is_bounded() -> None:
    """A flood of addresses forgets the oldest ones and grows no further."""
    buckets = Buckets(max_keys=100, clock=Clock())
    for number in range(10_000):
        buckets.take(f"k{number}", 1.0, 1.0)
    assert len(buckets._buckets) == 100
    assert buckets.take("k9999", 1.0, 1.0) > 0


@pytest.mark.parametrize(("seconds", "header"), [(0.01, "1"), (1.0, "1"), (1.2, "2"), (1e9, "60")])
def test_retry_after(seconds: float, header: str) -> None:
    """Whole seconds, at least one, never so long that a storm is over before it is heard of."""
    assert retry_after(seconds) == header


def test_kinds_do_not_share() -> None:
    """Somebody who knocks without a key takes nothing from a sender of that name."""
    limits = Limits(Clock())
    while not limits.stranger("prometheus"):
        pass
    assert limits.sender("prometheus", 60, 1) == 0
    assert limits.sender("prometheus", 60, 1) > 0
    assert limits.caller("prometheus") == 0

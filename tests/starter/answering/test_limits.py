"""What may come in from outside is bounded, and so is what is remembered of it."""

from __future__ import annotations

from starter.answering import limits
from starter.answering.limits import Allowance, Seen


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_in_a_stretch_of_time() -> None:
    """The limit slides: each use comes back when its time is over, and keys do not touch each other."""
    clock = Clock()
    allowance = Allowance(2, 60, clock)
    assert [allowance.take("a") for _ in range(3)] == [True, True, False]
    assert allowance.take("b")
    clock.now = 59.9
    assert not allowance.take("a")
    clock.now = 60.0
    assert [allowance.take("a") for _ in range(3)] == [True, True, False]


def test_a_replay_is_known_for_as_long_as_it_could_count() -> None:
    """Afterwards the signature itself is too old."""
    clock = Clock()
    seen = Seen(300, clock)
    assert seen.is_new("a")
    clock.now = 299.0
    assert not seen.is_new("a")
    clock.now = 300.0
    assert seen.is_new("a")


def test_memory_is_bounded(monkeypatch) -> None:
    """A flood of different keys forgets the oldest instead of filling the memory."""
    monkeypatch.setattr(limits, "MAX_KEYS", 100)
    allowance, seen = Allowance(1, 60), Seen(300)
    for number in range(1000):
        allowance.take(str(number))
        seen.is_new(str(number))
    assert len(allowance._taken) == 100
    assert len(seen._seen) == 100
    assert not seen.is_new("999")
    assert not allowance.take("999")

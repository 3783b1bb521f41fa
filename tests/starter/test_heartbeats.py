"""Beats at the door: a storm is one signal a second, and what an outage refused is made up for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from starter import heartbeats
from starter.heartbeats import Beats
from starter.temporal_link import GatewayUnavailableError

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Monitors:
    """What is delivered, and a clock that only moves when told."""

    def __init__(self) -> None:
        self.delivered: list[tuple[str, datetime]] = []
        self.passed = 0.0
        self.is_away = False
        self.heard = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def send(self, name: str, at: datetime) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.is_away:
            raise GatewayUnavailableError("away")
        self.delivered.append((name, at))
        self.heard.set()

    def beats(self) -> Beats:
        return Beats(self.send, lambda: START + timedelta(seconds=self.passed), lambda: self.passed)


async def test_a_storm_is_one_signal_a_second() -> None:
    """A thousand beats of one monitor within a second are one; another monitor has its own."""
    monitors = Monitors()
    beats = monitors.beats()
    await asyncio.gather(*(beats.beat("backup") for _ in range(1000)), beats.beat("import"))
    assert sorted(name for name, _ in monitors.delivered) == ["backup", "import"]
    monitors.passed = 0.9
    await beats.beat("backup")
    assert len(monitors.delivered) == 2
    monitors.passed = 1.1
    await beats.beat("backup")
    assert monitors.delivered[-1] == ("backup", START + timedelta(seconds=1.1))


async def test_one_is_under_way_and_a_caller_that_leaves_does_not_take_it_along() -> None:
    """While a signal is under way others wait for it, and hear what became of it."""
    monitors = Monitors()
    monitors.gate = asyncio.Event()
    beats = monitors.beats()
    waiting = [asyncio.create_task(beats.beat("backup")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    monitors.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, type(None), type(None)]
    assert len(monitors.delivered) == 1


async def test_what_an_outage_refused_is_delivered_with_its_own_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sender hears that it was not kept; the latest beat goes out when Temporal is back, once."""
    monkeypatch.setattr(heartbeats, "AGAIN_SECONDS", (0.01, 0.02))
    monitors = Monitors()
    monitors.is_away = True
    beats = monitors.beats()
    for passed in (0.0, 5.0):
        monitors.passed = passed
        with pytest.raises(GatewayUnavailableError):
            await beats.beat("backup")
    await asyncio.sleep(0.05)
    assert monitors.delivered == []
    monitors.is_away, monitors.passed = False, 60.0
    async with asyncio.timeout(30):
        await monitors.heard.wait()
    await asyncio.sleep(0.05)
    assert monitors.delivered == [("backup", START + timedelta(seconds=5))]
    beats.close()


async def test_a_process_that_ends_stops_making_up() -> None:
    """Nothing is left running."""
    monitors = Monitors()
    monitors.is_away = True
    beats = monitors.beats()
    with pytest.raises(GatewayUnavailableError):
        await beats.beat("backup")
    beats.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}

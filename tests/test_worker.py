"""The worker process: what it prepares before it takes work, and that it ends in time."""

from __future__ import annotations

import asyncio
import threading

import pytest

import worker
from starter.event_loop import THREADS
from starter.settings import load_settings


async def test_a_worker_has_room_for_name_servers_that_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred blocking look-ups leave room for the next, and none of them holds up the end."""
    over = threading.Event()
    found: list[str] = []
    hanging: list[asyncio.Task[bool]] = []

    async def without_temporal(stop: asyncio.Event) -> None:
        hanging.extend(asyncio.create_task(asyncio.to_thread(over.wait, 90)) for _ in range(100))
        async with asyncio.timeout(30):
            found.append(await asyncio.to_thread(lambda: "answered"))

    monkeypatch.setattr(worker, "connect_and_prepare", without_temporal)
    try:
        await worker.run(load_settings({}), {})
        async with asyncio.timeout(30):
            await asyncio.get_running_loop().shutdown_default_executor()
        assert found == ["answered"]
        assert not any(task.done() for task in hanging), "they hang all the while"
    finally:
        over.set()
    await asyncio.gather(*hanging)
    assert worker.PAGE_SLOTS + worker.SLOTS < THREADS

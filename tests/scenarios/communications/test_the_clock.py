"""Nine hours of a SEV1 whose communications manager is silent: who is reminded, and what stays unsaid."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow

from tests.world import World, a_world

LENGTH = 9 * 60
"""Minutes of silence."""
DUE = re.compile(r"(internal|external) update is due")
EXPECTED = [
    # The interval of a SEV1 is 20 minutes: its owner, at 1.5 times the deputy, at 2 times the incident
    # manager, who from then on hears once an interval.
    (20, "bob"),
    (30, "carol"),
    *((minute, "alice") for minute in range(40, LENGTH + 1, 20)),
]


async def test_a_silent_communications_manager_is_reminded_and_escalated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every reminder at its minute for nine hours, over roll-overs and lost workers; then silence.

    No worker keeps anything in memory: each task is one after a crash, and twice the worker itself goes.
    The look-ups are ordinary activities for the reason that `tests/scenarios/test_cache_off.py` gives.
    """
    monkeypatch.setattr(workflow, "execute_local_activity", workflow.execute_activity)
    limits = {"incident": 150}
    async with a_world(tmp_path, limits=limits, max_cached_workflows=0) as world:
        incident = await world.declare()
        await world.command(incident, "acknowledge", "alice")
        for person in ("bob", "carol"):
            await world.command(
                incident, "delegate", "alice", role="communications_manager", to=person
            )
            await world.command(incident, "accept_role", person, role="communications_manager")
        await world.command(incident, "assess", "alice", confirmed=True)
        await world.eventually(lambda: len(world.outbox("external_update")) == 1)
        await world.eventually(lambda: len(world.outbox("internal_update")) == 2)
        published = await told(world)
        told_at = (await world.facts(incident, "update_published"))[-1]
        for hours in (3, 3):
            await world.skip(timedelta(hours=hours))
            await world.stop_workers()
            world.workers = await world.start_workers(world.client)
        await world.skip(timedelta(hours=3, minutes=1))
        for side in ("internal", "external"):
            assert await reminded(world, incident, side, told_at) == EXPECTED, side
        # It never posts filler by itself.
        assert await told(world) == published
        runs = await world.runs(incident)
        assert len(runs) > 1, "the story is to cross a roll-over"
        assert await world.failed_tasks(incident) == []

        await world.command(incident, "resolve", "alice", summary="rolled back")
        await world.eventually(lambda: len(world.outbox("external_update")) == 2)
        before = len(due_messages(world))
        assert before == 2 * len(EXPECTED), "each reminder left once"
        await world.skip(timedelta(hours=3))
        assert len(due_messages(world)) == before
        assert len(await world.facts(incident, "update_due")) == before


async def test_a_promise_and_a_severity_move_the_clock(tmp_path: Path) -> None:
    """What an update promised counts; a worse severity tightens it, a milder one takes nothing back."""
    async with a_world(tmp_path) as world:
        incident = await world.declare(severity="SEV2")
        await world.command(incident, "acknowledge", "alice")
        await world.command(incident, "assess", "alice", confirmed=True)
        await world.eventually(lambda: len(world.outbox("external_update")) == 1)
        view = await world.command(
            incident, "publish_update", "alice", audience="external", text="We look into it.",
            next_update_minutes=120,
        )  # fmt: skip
        said = datetime.fromisoformat(view["updates"][-1]["at"])
        assert due(view) == said + timedelta(minutes=120)
        view = await world.command(incident, "set_severity", "alice", severity="SEV1", reason="all")
        assert due(view) == said + timedelta(minutes=20)
        view = await world.command(incident, "set_severity", "alice", severity="SEV2", reason="few")
        assert due(view) == said + timedelta(minutes=120)


def due(view: dict[str, Any]) -> datetime:
    """When the outside is owed its next update."""
    return datetime.fromisoformat(view["next_update_due"]["external"])


def due_messages(world: World) -> list[dict[str, Any]]:
    """The reminders of due updates that left."""
    return [one for one in world.outbox("reminder") if DUE.search(one["subject"])]


async def told(world: World) -> int:
    """How many messages of updates have left."""
    return len(world.outbox("internal_update")) + len(world.outbox("external_update"))


async def reminded(
    world: World, incident: str, side: str, since: dict[str, Any]
) -> list[tuple[int, str]]:
    """(minute after the update, person) of each reminder of one side that left."""
    start = datetime.fromisoformat(since["at"])
    facts = await world.facts(incident, "update_due")
    minutes = [
        round((datetime.fromisoformat(one["at"]) - start).total_seconds() / 60)
        for one in facts
        if one["data"]["audience"] == side
    ]
    people = [
        one["recipient"].removeprefix("person:")
        for one in due_messages(world)
        if f"{side} update" in one["subject"]
    ]
    return list(zip(minutes, people, strict=True))

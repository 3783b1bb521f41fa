"""Heartbeats on the real server: late is an incident, back resolves it, and an outage of ours is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus

import worker
from domain.heartbeat import Definition, Heartbeat, definition_of
from records.policy_file import read_policy
from records.policy_store import PolicyStore
from starter.temporal_setup import start_monitors
from tests.world import EXAMPLE, World, a_world
from workflows import contract

MINUTE = timedelta(minutes=1)
BACKUP = contract.heartbeat_id("backup")


def a_policy(folder: Path, **fields: Any) -> Path:
    """The example with a monitor that has to call in every five minutes."""
    monitor = {"every": "5m", "grace": "1m", "service": "checkout", "severity": "SEV1"} | fields
    said = ", ".join(f"{name}: {value}" for name, value in monitor.items())
    file = folder / "policy.yaml"
    file.write_text(f"{EXAMPLE.read_text()}heartbeats: {{backup: {{{said}}}}}\n")
    return file


@asynccontextmanager
async def running(folder: Path, fields: dict[str, Any], **how: Any) -> AsyncIterator[World]:
    """A world with the monitor started, as a worker does it."""
    policy = a_policy(folder, **fields)
    async with a_world(folder / "data", policy=policy, **how) as world:
        await start(world)
        yield world


async def start(
    world: World,
    roll_over_at: int = contract.HEARTBEAT_ROLL_OVER_AT,
    heard: datetime | None = None,
) -> None:
    """Start the monitor; `heard`: as one whose last beat was then, and which slept since."""
    definition = definition_of(PolicyStore(world.data).current()[1], "backup")
    assert definition.monitor is not None
    carried = Heartbeat(name="backup", monitor=definition.monitor, last_beat=heard)
    begin = contract.HeartbeatInput(
        name="backup",
        monitor=definition.monitor,
        fold=definition.fold,
        roll_over_at=roll_over_at,
        carried=carried if heard else None,
    )
    await world.client.start_workflow(
        contract.HEARTBEAT, begin, id=BACKUP, task_queue=contract.TASK_QUEUE
    )


async def beat(world: World, **body: Any) -> None:
    await world.handle(BACKUP).signal("beat", body)


async def monitor(world: World) -> dict[str, Any]:
    return dict(await world.handle(BACKUP).query("status"))


async def in_state(world: World, state: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found = await monitor(world)
        return found if found["state"] == state else {}

    found: dict[str, Any] = await world.eventually(look)
    return found


async def test_heartbeat_late_incident_beat_returns_closes_and_later_rules_stay_silent(
    tmp_path: Path,
) -> None:
    """A beat too late raises an incident and pages; its return resolves it, and step 2 pages nobody."""
    async with running(tmp_path, {}) as world:
        assert (await monitor(world))["state"] == "waiting"
        await world.skip(timedelta(hours=2), timedelta(hours=1))
        assert await world.status("checkout-1") == {}, "never heard from, it is not late"
        for _ in range(3):
            await beat(world)
            await world.skip(timedelta(minutes=4), timedelta(minutes=4))
        assert (await monitor(world))["state"] == "alive"
        assert world.outbox() == []
        await world.skip(timedelta(minutes=3), MINUTE)
        view = await world.eventually(lambda: world.status("checkout-1"))
        assert (view["severity"], view["reporter"]) == ("SEV1", "alert:heartbeat")
        assert view["summary"] == "No heartbeat from backup, expected every 5m"
        await world.eventually(lambda: world.outbox("page"))
        assert (await monitor(world))["state"] == "late"
        await beat(world)
        await in_state(world, "alive")
        await world.eventually(lambda: world.facts("checkout-1", "resolved"))
        pages = len(world.outbox("page"))
        for _ in range(4):
            await world.skip(timedelta(minutes=4), timedelta(minutes=4))
            await beat(world)
        assert len(world.outbox("page")) == pages
        assert await world.status("checkout-2") == {}
        assert await world.failed_tasks(BACKUP) == await world.failed_tasks("checkout-1") == []


async def test_a_monitor_that_stays_late_raises_one_incident(tmp_path: Path) -> None:
    """Late for a day is one incident with one alert; with `on_return: stay` people resolve it."""
    async with running(tmp_path, {"on_return": "stay"}) as world:
        await beat(world)
        await world.skip(timedelta(minutes=7), timedelta(minutes=7))
        await world.eventually(lambda: world.status("checkout-1"))
        await world.command("checkout-1", "acknowledge", "bob")
        await world.skip(timedelta(hours=2), timedelta(minutes=30))
        assert (await world.status("checkout-1"))["alert_count"] == 1
        await beat(world)
        await world.eventually(lambda: world.facts("checkout-1", "alert_cleared"))
        assert (await world.status("checkout-1"))["status"] == "fixing"
        assert await world.status("checkout-2") == {}


async def test_disabled_monitor_never_fires(tmp_path: Path) -> None:
    """Switched off in the policy: whatever comes or does not come, nobody hears of it."""
    async with running(tmp_path, {"enabled": "false"}) as world:
        await beat(world)
        await world.skip(timedelta(hours=12), timedelta(hours=6))
        assert (await monitor(world))["state"] == "disabled"
        assert world.outbox() == []
        assert await world.status("checkout-1") == {}


async def test_one_switched_off_meanwhile_looks_before_it_fires(tmp_path: Path) -> None:
    """Nobody told the monitor of the new policy: it looks at its deadline, and keeps silent."""
    async with running(tmp_path, {}) as world:
        await beat(world)
        await in_state(world, "alive")
        PolicyStore(world.data).adopt(read_policy(a_policy(tmp_path, enabled="false")))
        await world.skip(timedelta(hours=1), timedelta(hours=1))
        assert (await monitor(world))["state"] == "disabled"
        PolicyStore(world.data).adopt(read_policy(a_policy(tmp_path)))
        on = definition_of(PolicyStore(world.data).current()[1], "backup")
        await world.handle(BACKUP).signal("define", on.model_dump(mode="json"))
        assert (await in_state(world, "alive"))["due_at"]
        PolicyStore(world.data).adopt(read_policy(EXAMPLE))
        await world.skip(timedelta(hours=1), timedelta(hours=1))
        described = await world.handle(BACKUP).describe()
        assert described.status is WorkflowExecutionStatus.COMPLETED, "it left the policy and ends"
        assert world.outbox() == []


async def test_many_beats_do_not_grow_a_history(tmp_path: Path) -> None:
    """It continues as new on the way: no beat is lost, the deadline goes along, garbage counts as a beat."""
    async with a_world(tmp_path / "data", policy=a_policy(tmp_path), skipping=False) as world:
        await start(world, roll_over_at=40)
        for number in range(60):
            await beat(world, **({"at": "nonsense"} if number % 7 == 0 else {}))
            if number % 5 == 0:
                await monitor(world)
        await world.handle(BACKUP).signal("no_such_signal", 7)

        async def all_heard() -> bool:
            return bool((await monitor(world))["beats"] == 60)

        await world.eventually(all_heard)
        runs = await world.runs(BACKUP)
        assert len(runs) > 1
        assert all(len(events) < 120 for events in runs)
        assert (await monitor(world))["state"] == "alive"
        assert await world.failed_tasks(BACKUP) == []


async def test_a_deadline_slept_through_is_told_from_a_dead_worker(tmp_path: Path) -> None:
    """The server was away at the deadline: one more period. Only the worker was: late at once."""
    asked: list[str] = []
    fired: list[datetime | None] = [None]

    def with_a_history(built: worker.Activities) -> worker.Activities:
        """The virtual clock has no outage: here the timer's history says that there was one."""

        @activity.defn(name="timer_fired_at")
        async def timer_fired_at(request: contract.TimerQuery) -> datetime | None:
            asked.append(request.workflow_id)
            return fired[-1]

        kept = [one for one in built.main if one.__name__ != "timer_fired_at"]
        return replace(built, main=[*kept, timer_fired_at])

    async with a_world(
        tmp_path / "data", policy=a_policy(tmp_path), activities=with_a_history
    ) as world:
        now = await world.now()
        await start(world, heard=now - timedelta(hours=1))

        async def excused() -> str:
            due = str((await monitor(world))["due_at"] or "")
            return due if due and datetime.fromisoformat(due) > now else ""

        due = datetime.fromisoformat(await world.eventually(excused))
        assert timedelta(minutes=5.9) < due - now < timedelta(minutes=6.5)
        assert asked == [BACKUP]
        assert await world.status("checkout-1") == {}
        await world.skip(timedelta(minutes=7), MINUTE)
        await world.eventually(lambda: world.status("checkout-1"))
        assert asked == [BACKUP], "the second time it was awake"

    async with a_world(
        tmp_path / "other", policy=a_policy(tmp_path), activities=with_a_history
    ) as world:
        now = await world.now()
        fired.append(now - timedelta(minutes=54))  # when the deadline was: the server was there
        await start(world, heard=now - timedelta(hours=1))
        await in_state(world, "late")
        await world.eventually(lambda: world.status("checkout-1"))


async def test_the_worker_starts_what_the_policy_has_and_ends_the_rest(tmp_path: Path) -> None:
    """One monitor for each heartbeat; starting again changes nothing; one that is gone is ended."""
    async with a_world(tmp_path / "data", policy=a_policy(tmp_path), skipping=False) as world:
        policy = PolicyStore(world.data).current()[1]
        for _ in range(2):
            await start_monitors(world.client, policy)
        assert (await monitor(world))["state"] == "waiting"
        fired = await read_timer(world)
        assert fired is None
        without = read_policy(EXAMPLE)
        PolicyStore(world.data).adopt(without)

        async def ended() -> bool:
            await start_monitors(world.client, without.policy)
            described = await world.handle(BACKUP).describe()
            return described.status is WorkflowExecutionStatus.COMPLETED

        await world.eventually(ended)
        assert len(await world.runs(BACKUP)) == 1


async def read_timer(world: World) -> datetime | None:
    """The real look-up, on the real server."""
    from activities.heartbeat import Listening

    described = await world.handle(BACKUP).describe()
    look_up = Listening(PolicyStore(world.data), world.client)
    query = contract.TimerQuery(workflow_id=BACKUP, run_id=str(described.run_id))
    return await look_up.timer_fired_at(query)


async def test_late_in_real_time_on_the_development_server(tmp_path: Path) -> None:
    """Seconds instead of minutes: late, paged, back, resolved; and the timer's own time is found."""
    async with running(tmp_path, {"every": "1s", "grace": "1s"}, skipping=False) as world:
        await beat(world)
        await in_state(world, "late")
        fired = await read_timer(world)
        assert fired is not None
        assert datetime.now(UTC) - fired < timedelta(seconds=30)
        await world.eventually(lambda: world.outbox("page"))
        slow = Definition.model_validate({"monitor": {"every": "1h", "service": "checkout"}})
        await beat(world, definition=slow.model_dump(mode="json"))
        assert (await in_state(world, "alive"))["late_since"] is None
        await world.eventually(lambda: world.facts("checkout-1", "resolved"))


@pytest.mark.parametrize("fold", ["service", "key"])
async def test_it_folds_as_its_service_does(tmp_path: Path, fold: str) -> None:
    """With an incident open for the service it joins it, or raises its own, as the policy says."""
    file = a_policy(tmp_path)
    file.write_text(file.read_text().replace("checkout:", f"checkout:\n    fold: {fold}", 1))
    async with a_world(tmp_path / "data", policy=file) as world:
        await start(world)
        await world.declare()
        await beat(world)
        await world.skip(timedelta(minutes=7), timedelta(minutes=7))
        if fold == "service":
            await world.eventually(lambda: world.facts("checkout-1", "alert_folded"))
            assert await world.status("checkout-2") == {}
            await beat(world)
            await world.eventually(lambda: world.facts("checkout-1", "alert_cleared"))
            assert (await world.status("checkout-1"))["status"] == "raised", "a person raised it"
        else:
            assert await world.eventually(lambda: world.status("checkout-2"))

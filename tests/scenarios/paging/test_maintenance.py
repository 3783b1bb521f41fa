"""Maintenance on the real server: who is not paged, who is all the same, and what happens at its end."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from records.policy_file import read_policy
from records.policy_store import PolicyStore
from tests.world import EXAMPLE, RefusedError, World, a_world, an_alert
from workflows import contract

DESK = contract.desk_id("checkout")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@asynccontextmanager
async def running(folder: Path, extra: str = "", **how: Any) -> AsyncIterator[World]:
    """A world whose virtual time begins on a working day, with the example policy and `extra`."""
    policy = folder / "policy.yaml"
    policy.write_text(EXAMPLE.read_text() + extra)
    async with a_world(folder / "data", policy=policy, **how) as world:
        await world.start_desk()
        yield world


async def begin(world: World, minutes: int = 60, reason: str = "new database") -> str:
    """A window from now on; its id."""
    answer = await change(world, "add_maintenance", minutes=minutes, reason=reason)
    return str(answer["window"]["id"])


async def change(world: World, name: str, **fields: Any) -> Any:
    return await world.command(DESK, name, "bob", **fields)


async def raised(world: World, number: int = 1) -> str:
    incident = f"checkout-{number}"
    await world.eventually(lambda: world.status(incident))
    return incident


async def facts_of(world: World, incident: str, name: str) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        return await world.facts(incident, name)

    found: list[dict[str, Any]] = await world.eventually(look)
    return found


async def test_service_in_maintenance_alert_recorded_no_page_escalate_refused_end_pages(
    tmp_path: Path,
) -> None:
    """The alert is on the timeline, nobody hears of it, escalating is refused; at the end step 1 pages."""
    async with running(tmp_path) as world:
        await begin(world)
        await world.report(an_alert())
        incident = await raised(world)
        (held,) = await facts_of(world, incident, "in_maintenance")
        assert held["data"]["reason"] == "new database"
        assert datetime.fromisoformat(held["data"]["until"]) - await world.now() <= HOUR
        assert (await world.status(incident))["alert_count"] == 1
        with pytest.raises(RefusedError, match="in maintenance until") as refused:
            await world.command(incident, "escalate", "bob", to="person:carol", reason="r")
        assert refused.value.kind == "TransitionError"
        assert refused.value.details["status"] == "raised"
        await world.report(an_alert("k2"))
        await world.skip(timedelta(minutes=55))
        assert world.outbox() == []
        await world.skip(timedelta(minutes=7), MINUTE)
        pages = await world.eventually(lambda: world.outbox("page"))
        assert {page["idempotency_key"].split("/")[1] for page in pages} == {"p1"}
        (first, *_) = await facts_of(world, incident, "step_paged")
        assert (first["data"]["round"], first["data"]["step"], first["data"]["late"]) == (
            1,
            1,
            False,
        )
        assert len(await world.facts(incident, "maintenance_ended")) == 1
        await world.command(incident, "escalate", "bob", to="person:carol", reason="now it may be")
        assert await world.failed_tasks(incident) == await world.failed_tasks(DESK) == []


async def test_page_in_progress_when_maintenance_starts_goes_on(tmp_path: Path) -> None:
    """Paged before the window began: the remaining steps are paged when they are due."""
    async with running(tmp_path) as world:
        await world.report(an_alert())
        incident = await raised(world)
        await facts_of(world, incident, "page_sent")
        await begin(world)
        await world.skip(timedelta(minutes=6), MINUTE)
        steps = await facts_of(world, incident, "step_paged")
        assert [step["data"]["step"] for step in steps] == [1, 2]
        assert await world.facts(incident, "in_maintenance") == []


async def test_a_window_ended_early_lets_the_page_go_out(tmp_path: Path) -> None:
    """The work was done sooner: the held page goes out within seconds, once."""
    async with running(tmp_path) as world:
        window = await begin(world, minutes=600)
        await world.report(an_alert())
        incident = await raised(world)
        await facts_of(world, incident, "in_maintenance")
        answer = await change(world, "remove_maintenance", id=window)
        assert answer["window"]["id"] == window
        assert await world.eventually(lambda: world.outbox("page"))
        (ended,) = await facts_of(world, incident, "maintenance_ended")
        assert ended["data"]["early"] is True
        await world.skip(MINUTE, MINUTE)
        assert len({page["to"] for page in world.outbox("page")}) == len(world.outbox("page"))
        with pytest.raises(RefusedError, match="unknown maintenance window"):
            await change(world, "remove_maintenance", id=window)


async def test_what_clears_in_the_window_pages_nobody(tmp_path: Path) -> None:
    """`on_clear: resolve`: over before the window ended, so that nobody is woken for it."""
    policy = EXAMPLE.read_text().replace("checkout:", "checkout:\n    on_clear: resolve", 1)
    (tmp_path / "one.yaml").write_text(policy)
    async with a_world(tmp_path / "data", policy=tmp_path / "one.yaml") as world:
        await world.start_desk()
        await begin(world)
        await world.report(an_alert())
        incident = await raised(world)
        await facts_of(world, incident, "in_maintenance")
        await world.report(an_alert(status="resolved"))
        await facts_of(world, incident, "resolved")
        await world.skip(2 * HOUR, HOUR)
        assert world.outbox("page") == []


async def test_who_declares_in_maintenance_is_heard(tmp_path: Path) -> None:
    """A person means it: paged at once, and the timeline says that the service is in maintenance."""
    async with running(tmp_path) as world:
        await begin(world)
        incident = await world.declare()
        assert await world.eventually(lambda: world.outbox("page"))
        (told,) = await facts_of(world, incident, "in_maintenance")
        assert "paged all the same" in told["text"]


async def test_windows_of_the_policy_count_and_follow_a_reload(tmp_path: Path) -> None:
    """Read live: a window that is taken out of the file lets the page go when the desks are told."""
    now = datetime.now(UTC)
    window = {"from": f"{now - HOUR:%Y-%m-%dT%H:%M}", "to": f"{now + 5 * HOUR:%Y-%m-%dT%H:%M}"}
    extra = (
        "maintenance: {windows: {db: {services: [checkout], timezone: UTC, reason: move, "
        f"from: {window['from']}, to: {window['to']}}}}}}}\n"
    )
    async with running(tmp_path, extra) as world:
        await world.report(an_alert())
        incident = await raised(world)
        (held,) = await facts_of(world, incident, "in_maintenance")
        assert (held["data"]["window"], held["data"]["reason"]) == ("db", "move")
        assert world.outbox("page") == []
        PolicyStore(world.data).adopt(read_policy(EXAMPLE))
        await world.signal(DESK, "review_maintenance", {})
        assert await world.eventually(lambda: world.outbox("page"))


async def test_windows_survive_the_desks_roll_over(tmp_path: Path) -> None:
    """The desk continues as new again and again: its windows go along, under their numbers."""
    async with running(tmp_path, limits={"desk": 40}, skipping=False) as world:
        window = await begin(world)
        for number in range(12):
            await world.report(an_alert(f"k{number}", status="resolved"))
            await world.handle(DESK).query("status")
        assert len(await world.runs(DESK)) > 1
        held = (await world.handle(DESK).query("status"))["maintenance"]
        assert [one["id"] for one in held] == [window]
        assert await begin(world) == "m2"
        await world.report(an_alert())
        await facts_of(world, await raised(world), "in_maintenance")


async def test_one_key_is_one_window_and_garbage_is_none(tmp_path: Path) -> None:
    """Sent twice it is done once; by signal too; what cannot be meant is refused, in words."""
    async with running(tmp_path) as world:
        key = str(uuid.uuid4())
        body = {"minutes": 30, "reason": "r", "key": key}
        first = await change(world, "add_maintenance", **body)
        await world.signal(DESK, "add_maintenance", {**body, "actor": "bob"})
        await world.signal(DESK, "add_maintenance", {"minutes": "many"})
        await world.signal(DESK, "remove_maintenance", 7, 8)
        for wrong in ({"minutes": 30}, {"minutes": 30, "reason": "r", "to": "2026"}):
            with pytest.raises(RefusedError) as refused:
                await change(world, "add_maintenance", **wrong)
            assert refused.value.kind == "CommandError"
        with pytest.raises(RefusedError, match="did you mean bob"):
            await world.command(DESK, "add_maintenance", "bbo", minutes=5, reason="r")
        status = await world.handle(DESK).query("status")
        assert [one["id"] for one in status["maintenance"]] == [first["window"]["id"]]
        assert len(status["refused"]) == 2
        assert await world.failed_tasks(DESK) == []

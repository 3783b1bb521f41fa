"""What the trusted systems of the field do with alerts, each behaviour once, on the real server.

Maintenance is `paging/test_maintenance.py`, heartbeats `paging/test_heartbeats.py`, an inhibited alert
`paging/test_likely_cause.py`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from tests.scenarios.test_desk import counted, deliver, desk, is_at
from tests.world import EXAMPLE, World, a_world, an_alert
from workflows.contract import desk_id


def a_policy(folder: Path, *changes: tuple[str, str]) -> Path:
    """The example policy, with changes to its text."""
    text = EXAMPLE.read_text()
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    file = folder / "policy.yaml"
    file.write_text(text)
    return file


async def paged(world: World, count: int) -> list[str]:
    """Of which incidents pages have left, once there are so many, and no more a moment later."""
    await world.eventually(lambda: len(world.outbox("page")) >= count)
    await asyncio.sleep(0.3)
    return [m["incident"] for m in world.outbox("page")]


async def test_same_key_and_summary_posted_twice_to_one_service_is_one_incident_and_one_page(
    tmp_path: Path,
) -> None:
    """One after the other, and at the same time: counted, and paged once."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.report(an_alert("disk", summary="Disk is full"))
        await counted(world, 1)
        await world.report(an_alert("disk", summary="Disk is full"))
        await asyncio.gather(
            *(world.report(an_alert("disk", summary="Disk is full")) for _ in range(5))
        )
        (view,) = await counted(world, 7)
        assert (view["id"], view["firing_count"]) == ("checkout-1", 1)
        assert await paged(world, 1) == ["checkout-1"]


async def test_same_summary_to_two_services_is_two_incidents(tmp_path: Path) -> None:
    """The same key and words on another service are another problem."""
    async with a_world(tmp_path, skipping=False) as world:
        for service in ("checkout", "search"):
            alert = an_alert("disk", summary="Disk is full", service=service)
            await world.report(alert, service=service)
        await counted(world, 1)
        await counted(world, 1, "search")
        assert sorted(await paged(world, 2)) == ["checkout-1", "search-1"]


async def test_a_key_with_a_changed_summary_is_a_duplicate_and_a_close_by_it_closes_only_that_one(
    tmp_path: Path,
) -> None:
    """The key decides, not the words; of two incidents the clearing ends the one that holds its key."""
    policy = a_policy(tmp_path, ("checkout:", "checkout:\n    fold: key\n    on_clear: resolve"))
    async with a_world(tmp_path / "data", policy=policy, skipping=False) as world:
        await world.start_desk()
        await deliver(world, "1", an_alert("disk", summary="Disk is full"), fold="key")
        await deliver(world, "2", an_alert("cpu", summary="CPU is busy"), fold="key")
        await deliver(world, "3", an_alert("disk", summary="Disk is very full"), fold="key")
        views = await counted(world, 3)
        assert [view["alert_count"] for view in views] == [2, 1]
        assert [view["summary"] for view in views] == ["Disk is full", "CPU is busy"]
        await deliver(world, "4", an_alert("disk", status="resolved"), fold="key")
        await world.eventually(lambda: is_at(world, "checkout-1", status="resolved"))
        assert (await world.status("checkout-2"))["status"] == "raised"
        assert sorted(await paged(world, 2)) == ["checkout-1", "checkout-2"]


async def test_incident_resolved_and_matching_alert_fires_again_is_a_new_one_linked_to_the_old(
    tmp_path: Path,
) -> None:
    """Never attached to what is over, closed or only resolved, and somebody is paged for it."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.report(an_alert("disk"))
        await counted(world, 1)
        for number in (1, 2):
            await world.command(f"checkout-{number}", "resolve", summary="gone")
            if number == 2:  # its postmortem is over as well
                await world.signal("checkout-2", "postmortem_closed")
                await world.eventually(lambda: is_at(world, "checkout-2", status="closed"))
            await world.report(an_alert("disk"))
            views = await counted(world, number + 1)
            assert views[-1]["links"] == [{"target": f"checkout-{number}", "kind": "related"}]
            assert [view["alert_count"] for view in views] == [1] * (number + 1)
        assert sorted(await paged(world, 3)) == [f"checkout-{n}" for n in (1, 2, 3)]


async def test_configured_inactivity_days_pass_and_the_stale_incident_closes(
    tmp_path: Path,
) -> None:
    """Only where the policy says so: closed by itself, said on the timeline, and the desk knows."""
    policy = a_policy(tmp_path, ("limits: {", "limits: {close_inactive: 1d, "))
    async with a_world(tmp_path / "data", policy=policy) as world:
        await world.report(an_alert("disk", severity="SEV3"))
        await world.eventually(lambda: world.status("checkout-1"))
        await world.skip(timedelta(hours=23, minutes=30), timedelta(hours=6))
        assert (await world.status("checkout-1"))["status"] == "raised"
        await world.skip(timedelta(hours=1))
        await world.eventually(lambda: is_at(world, "checkout-1", status="closed"))
        (fact,) = await world.facts("checkout-1", "closed")
        assert "nothing has happened for 1 d" in fact["text"]
        await world.eventually(lambda: _holds_nothing(world))
        left = len(world.outbox("page"))
        await world.skip(timedelta(hours=12), timedelta(hours=6))
        assert len(world.outbox("page")) == left


async def _holds_nothing(world: World) -> bool:
    return (await desk(world))["open"] == []


async def test_severity_only_rises_by_itself(tmp_path: Path) -> None:
    """A worse alert makes it worse; a milder one, a clearing, or a repeat after a person judged does not."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.report(an_alert("a", severity="SEV3"))
        await counted(world, 1)
        await world.report(an_alert("b", severity="SEV1"), an_alert("c", severity="SEV2"))
        await world.eventually(lambda: is_at(world, "checkout-1", severity="SEV1"))
        await world.report(an_alert("b", status="resolved"), an_alert("d", severity="SEV3"))
        await counted(world, 4)
        await world.eventually(lambda: world.facts("checkout-1", "alert_partly_cleared"))
        assert (await world.status("checkout-1"))["severity"] == "SEV1"
        changes = await world.facts("checkout-1", "severity_changed")
        assert [(c["data"]["old"], c["data"]["new"]) for c in changes] == [("SEV3", "SEV1")]
        await world.command(
            "checkout-1", "set_severity", "carol", severity="SEV3", reason="not that bad"
        )
        await world.report(an_alert("c", severity="SEV2"))  # said before carol judged
        await counted(world, 5)
        assert (await world.status("checkout-1"))["severity"] == "SEV3"
        assert await world.failed_tasks(desk_id("checkout")) == []


async def test_what_clears_by_itself_stays_open_until_somebody_looked(tmp_path: Path) -> None:
    """The incident manager is told when the last alert clears; while nobody leads it pages go on."""
    async with a_world(tmp_path) as world:
        await world.report(an_alert("a"), an_alert("b"))
        await world.eventually(lambda: world.outbox("page"))
        await world.report(an_alert("a", status="resolved"), an_alert("b", status="resolved"))
        await world.eventually(lambda: world.facts("checkout-1", "alert_cleared"))
        assert (await world.status("checkout-1"))["status"] == "raised"
        before = len(world.outbox("page"))
        await world.skip(timedelta(minutes=6))
        await world.eventually(lambda: len(world.outbox("page")) > before)
        await world.command("checkout-1", "acknowledge", "alice")
        await world.report(an_alert("a"))
        await world.report(an_alert("a", status="resolved"))
        await world.eventually(
            lambda: [m for m in world.outbox("reminder") if "alice" in str(m["to"])]
        )
        assert (await world.status("checkout-1"))["status"] == "fixing"

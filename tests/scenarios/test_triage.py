"""Triage on the real server: grouping by rule, flapping, and what senders say of their alerts."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.alert import Alert
from domain.grouping import Rule
from domain.policy.grouping import Grouping
from tests.scenarios.test_desk import counted, desk, is_at
from tests.world import World, a_world, an_alert
from workflows import contract
from workflows.contract import desk_id

HOUR = timedelta(hours=1)
BY_CLUSTER = Rule(grouping=Grouping(window="10m", labels=["cluster"]))  # type: ignore[arg-type]


async def report(world: World, *alerts: Alert, rule: Rule | None = None) -> None:
    """A batch with a rule, to the desk of checkout."""
    await world.start_desk()
    batch = contract.ReportBatch(key=str(uuid.uuid4()), alerts=list(alerts), rule=rule or Rule())
    await world.signal(desk_id("checkout"), "report", batch.model_dump(mode="json"))


async def texts(world: World, incident: str, *names: str) -> list[str]:
    return [entry["text"] for entry in await world.facts(incident, *names)]


def pages(world: World, *incidents: str) -> Sequence[Any]:
    return [m for m in world.outbox("page") if not incidents or m["incident"] in incidents]


async def test_alerts_are_grouped_by_the_services_rule(tmp_path: Path) -> None:
    """Two clusters are two incidents, a trickle ends, and each says why; the desk rolls over meanwhile."""
    async with a_world(tmp_path, skipping=False, limits={"desk": 40}) as world:
        began = datetime.now(UTC) - HOUR

        def at(minutes: float, key: str, cluster: str) -> Alert:
            received = began + timedelta(minutes=minutes)
            return an_alert(key, labels={"cluster": cluster}, received_at=received)

        first = [at(0, "a", "eu1"), at(0, "b", "us1"), at(0, "c", "eu1")]
        await report(world, *first, rule=BY_CLUSTER)
        views = await counted(world, 3)
        assert [view["alert_count"] for view in views] == [2, 1]
        for number in range(1, 15):  # repeats, which move no window
            await report(world, at(number / 2, "a", "eu1"), rule=BY_CLUSTER)
        await counted(world, 17)
        await report(world, at(9, "d", "eu1"), at(9.5, "e", "eu1"), rule=BY_CLUSTER)
        views = await counted(world, 19)
        assert [view["alert_count"] for view in views] == [18, 1]
        await report(world, at(20, "f", "eu1"), rule=BY_CLUSTER)
        views = await counted(world, 20)
        assert [view["alert_count"] for view in views] == [18, 1, 1]
        assert await texts(world, "checkout-3", "raised_apart") == [
            "Raised apart from checkout-1: 10 min window over"
        ]
        assert await texts(world, "checkout-2", "raised_apart") == [
            "Raised apart from checkout-1: cluster=us1 here, cluster=eu1 there"
        ]
        joined = await texts(world, "checkout-1", "alert_folded")
        assert joined[1] == "Alert from prometheus joined (SEV1, same cluster=eu1): alert c"
        assert (
            "Alert from prometheus joined (SEV1, same cluster=eu1, 9 min after the last): alert d"
            in joined
        )
        assert await texts(world, "checkout-1", "alerts_folded") == [
            "2 alerts folded: same cluster=eu1, 9 min after the last",
        ]
        await world.eventually(lambda: len(pages(world)) >= 3)
        assert sorted(m["incident"] for m in pages(world)) == [f"checkout-{n}" for n in (1, 2, 3)]
        assert len(await world.runs(desk_id("checkout"))) > 1
        assert await world.failed_tasks(desk_id("checkout")) == []


async def test_a_flapping_alert_reopens_its_incident_and_pages_again(tmp_path: Path) -> None:
    """Resolved and firing again inside the time: the same incident, counted; after its end a related one."""
    rule = Rule(reopen_within=timedelta(minutes=30))
    async with a_world(tmp_path, skipping=False) as world:
        await report(world, an_alert("a"), rule=rule)
        await world.eventually(lambda: len(pages(world)) == 1)
        await world.command("checkout-1", "acknowledge", "alice")
        for flaps in (1, 2):
            await world.command("checkout-1", "resolve", "alice", summary="gone")
            await world.eventually(lambda: _none_open(world))
            await report(world, an_alert("a"), an_alert("new"), rule=rule)
            await world.eventually(lambda: is_at(world, "checkout-1", status="fixing"))
            await world.eventually(lambda n=flaps: len(pages(world)) == 1 + n)
            await world.command("checkout-1", "acknowledge", "alice")
        views = await counted(world, 5)
        assert [view["id"] for view in views] == ["checkout-1"]
        said = await texts(world, "checkout-1", "reopened")
        assert "alert a fires again" in said[0]
        assert said[1].endswith(" s after the resolution; flapped 2 times")
        await world.eventually(lambda: _open(world, "checkout-1"))
        # Outside the time, a new incident that is linked to it.
        await world.command("checkout-1", "resolve", "alice", summary="gone")
        await world.eventually(lambda: _none_open(world))
        later = datetime.now(UTC) + timedelta(minutes=31)
        await report(world, an_alert("a", received_at=later), rule=rule)
        views = await counted(world, 6)
        assert [view["status"] for view in views] == ["resolved", "raised"]
        assert views[1]["links"] == [{"target": "checkout-1", "kind": "related"}]
        await world.eventually(lambda: len(pages(world)) == 4)
        assert await world.failed_tasks("checkout-1") == []
        assert (await desk(world))["refused"] == []


async def _open(world: World, *incidents: str) -> bool:
    return [ref["id"] for ref in (await desk(world))["open"]] == list(incidents)


async def _none_open(world: World) -> bool:
    return await _open(world)


async def test_an_alert_that_flaps_after_the_end_raises_a_related_incident(tmp_path: Path) -> None:
    """Closed meanwhile, of which the desk has not heard: it is asked, it is gone, a new one is raised."""
    rule = Rule(reopen_within=timedelta(hours=48))
    async with a_world(tmp_path, skipping=False) as world:
        await report(world, an_alert("a", severity="SEV3"), rule=rule)
        await counted(world, 1)
        await world.command("checkout-1", "resolve", "alice", summary="gone")
        await world.eventually(lambda: _none_open(world))
        await world.signal("checkout-1", "postmortem_closed")
        await world.eventually(lambda: is_at(world, "checkout-1", status="closed"))
        await report(world, an_alert("a", severity="SEV3"), rule=rule)
        views = await counted(world, 2)
        assert [view["status"] for view in views] == ["closed", "raised"]
        assert views[1]["links"] == [{"target": "checkout-1", "kind": "related"}]


async def test_what_a_sender_says_of_its_alerts_reaches_the_incident(tmp_path: Path) -> None:
    """Acknowledged by one of ours ends the pages; notes and changes stand on the timeline."""
    async with a_world(tmp_path, skipping=False) as world:
        change = an_alert("c1", status="changed", summary="Deploy 1.2.3", link="https://ci.test/7")
        word = {"integration": "opsgenie", "severity": None}
        await report(world, change, an_alert("x", status="acknowledged", by="alice", **word))
        await report(
            world,
            an_alert("a"),
            an_alert("a", status="noted", by="Jane Doe", description="pool is full", **word),
            an_alert("a", status="noted", by="Jane Doe", description="or is it", **word),
            an_alert("a", status="acknowledged", by="Jane Doe", **word),
        )
        await counted(world, 1)
        await world.eventually(lambda: len(pages(world)) == 1)
        await world.eventually(lambda: world.facts("checkout-1", "alert_acknowledged"))
        assert (await world.status("checkout-1"))["status"] == "raised"
        assert await texts(world, "checkout-1", "noted") == [
            "Jane Doe at opsgenie: pool is full",
            "Jane Doe at opsgenie: or is it",
        ]
        (told,) = await texts(world, "checkout-1", "change_noted")
        assert told.startswith("Change: Deploy 1.2.3, ")
        assert told.endswith(" s before the first alert")
        await report(world, an_alert("a", status="acknowledged", by="alice", **word))
        await world.eventually(lambda: is_at(world, "checkout-1", status="fixing"))
        view = await world.status("checkout-1")
        assert view["incident_manager"] == "alice"
        (fact,) = await world.facts("checkout-1", "acknowledged")
        assert (fact["actor"], fact["data"]["via"]) == ("alice", "sender")
        rollback = an_alert("c2", status="changed", summary="Rollback", by="bob")
        await report(world, rollback)
        await world.eventually(lambda: _has_change(world, "Rollback"))
        # One that is raised by hand knows both; what nobody holds is said to the operator.
        assert await world.declare() == "checkout-2"
        assert len(await world.facts("checkout-2", "change_noted")) == 2
        await report(world, an_alert("zz", status="noted", description="lost", **word))
        await world.eventually(lambda: _refused(world))
        assert len(await counted(world, 1)) == 2
        assert len(pages(world, "checkout-1")) == 1


async def _has_change(world: World, what: str) -> bool:
    return any(what in text for text in await texts(world, "checkout-1", "change_noted"))


async def _refused(world: World) -> bool:
    return any("note" in text for text in (await desk(world))["refused"])


async def test_who_was_paged_past_us_stands_on_the_timeline(tmp_path: Path) -> None:
    """Delivered from the journal after an outage: one incident, and who has heard already."""
    said = "alice was paged by sms at 10:01 UTC: orchestrator down, possible duplicate"
    async with a_world(tmp_path, skipping=False) as world:
        await report(world, an_alert("a"), an_alert("a", paged_directly=[said]))
        await counted(world, 2)
        assert await texts(world, "checkout-1", "paged_while_away") == [said]

"""The service desk on the real server: every alert is part of exactly one incident, whatever races it."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

import worker
from domain.messages import NumberFloor
from tests.world import EXAMPLE, RefusedError, World, a_world, an_alert
from workflows import contract
from workflows.contract import desk_id


async def deliver(world: World, key: str, *alerts: Any, fold: str = "service") -> None:
    """A batch under a key of its own, to the desk of checkout."""
    batch = contract.ReportBatch(key=key, alerts=list(alerts), fold=fold)
    await world.signal(desk_id("checkout"), "report", batch.model_dump(mode="json"))


async def desk(world: World, service: str = "checkout") -> dict[str, Any]:
    """What the desk holds; a query that reaches a run that just ends is asked again."""

    async def ask() -> dict[str, Any] | None:
        try:
            return dict(await world.handle(desk_id(service)).query("status"))
        except WorkflowQueryFailedError:
            return None

    found: dict[str, Any] = await world.eventually(ask)
    return found


async def incidents(world: World, service: str = "checkout") -> list[dict[str, Any]]:
    """All incidents of a service, in the order of their numbers; ended ones too."""
    last = (await desk(world, service))["next_number"] or 1
    views = await asyncio.gather(*(world.status(f"{service}-{n}") for n in range(1, last)))
    return [view for view in views if view]


async def counted(world: World, total: int, service: str = "checkout") -> list[dict[str, Any]]:
    """All incidents, once they hold as many alerts together; never more."""

    async def look() -> list[dict[str, Any]]:
        views = await incidents(world, service)
        held = sum(view["alert_count"] for view in views)
        assert held <= total, f"{held} alerts are counted, {total} were sent"
        return views if held == total else []

    found: list[dict[str, Any]] = await world.eventually(look, within=60)
    return found


async def is_at(world: World, incident: str, **fields: Any) -> bool:
    view = await world.status(incident)
    return all(view.get(name) == value for name, value in fields.items())


async def test_reports_fold_into_one_incident_for_each_service(tmp_path: Path) -> None:
    """The same alert, the same batch, other alerts, another service: what is one and what is two."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.start_desk()
        await asyncio.gather(*(deliver(world, "batch-1", an_alert("a")) for _ in range(5)))
        await counted(world, 1)  # one batch delivered five times
        await deliver(world, "batch-2", an_alert("a"), an_alert("a"), an_alert("b"))
        (view,) = await counted(world, 4)
        assert view["id"] == "checkout-1"
        await world.report(an_alert("a", service="search"), service="search")
        await counted(world, 1, "search")
        await world.eventually(lambda: len(world.outbox("page")) == 2)
        # By key: each key an incident of its own, and a key that is held stays with its holder.
        await deliver(world, "batch-3", an_alert("x"), an_alert("y"), an_alert("x"), fold="key")
        views = await counted(world, 7)
        assert [view["alert_count"] for view in views] == [4, 2, 1]
        await deliver(world, "batch-4", an_alert("y"), fold="service")
        await deliver(
            world, "batch-5", an_alert("x", status="resolved"), an_alert("q", status="resolved")
        )
        views = await counted(world, 8)
        assert [view["alert_count"] for view in views] == [4, 2, 2]
        await world.eventually(lambda: is_at(world, "checkout-2", firing_count=0))
        assert len(await incidents(world)) == 3  # what was over on arrival raised nothing
        # Raised and cleared within one batch: it exists, and says that it is over.
        await deliver(world, "batch-6", an_alert("z"), an_alert("z", status="resolved"), fold="key")
        await world.eventually(lambda: is_at(world, "checkout-4", alert_count=1, firing_count=0))
        await world.eventually(lambda: len(world.outbox("page")) >= 5)
        pages = [m["incident"] for m in world.outbox("page")]
        assert sorted(pages) == ["checkout-1", "checkout-2", "checkout-3", "checkout-4", "search-1"]
        assert await world.failed_tasks(desk_id("checkout")) == []


async def test_no_alert_is_lost_or_counted_twice_when_it_races_a_resolution(
    tmp_path: Path,
) -> None:
    """Alerts against random resolutions, with desk and incidents rolling over: each counted once."""
    dice = random.Random(7)
    limits = {"desk": 60, "incident": 60}
    policy = tmp_path / "policy.yaml"
    # More incidents a minute than a storm begins with, on purpose.
    policy.write_text(EXAMPLE.read_text().replace("limits: {", "limits: {storm: none, "))
    async with a_world(tmp_path, skipping=False, limits=limits, policy=policy) as world:
        await world.start_desk()
        sent = 0

        async def resolve_all() -> None:
            for ref in (await desk(world))["open"]:
                await asyncio.sleep(dice.random() * 0.02)
                try:
                    await world.command(ref["id"], "resolve", summary="gone")
                except (RefusedError, RPCError):
                    continue  # resolved already, or its run was ending: the next round sees to it

        for _ in range(40):
            count = dice.randint(1, 4)
            sent += count
            alerts = [an_alert(f"k{dice.randint(1, 3)}") for _ in range(count)]
            await asyncio.gather(resolve_all(), deliver(world, str(uuid.uuid4()), *alerts))
        views = await counted(world, sent)
        assert len(views) > 5
        assert [view["id"] for view in views] == [f"checkout-{n + 1}" for n in range(len(views))]
        later = [view for view in views if view["links"]]
        assert later  # what came back is linked to what it came back from
        for workflow in (desk_id("checkout"), *(view["id"] for view in views)):
            assert await world.failed_tasks(workflow) == []
        assert len(await world.runs(desk_id("checkout"))) > 1


async def test_declarations_are_answered_while_alerts_storm(tmp_path: Path) -> None:
    """Hundreds of alerts in the queue: a person who declares has the incident's id in two seconds."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.start_desk()
        loop = asyncio.get_running_loop()

        async def storm() -> None:
            for number in range(20):
                await deliver(world, f"s{number}", *(an_alert(f"k{number}-{i}") for i in range(20)))

        async def declare() -> tuple[str, float]:
            began = loop.time()
            incident = await world.declare("I see it too")
            return incident, loop.time() - began

        _, *answers = await asyncio.gather(storm(), *(declare() for _ in range(5)))
        assert len({incident for incident, _ in answers}) == 5
        assert max(took for _, took in answers) < 10
        await counted(world, 400)
        same = await asyncio.gather(
            *(world.declare("again", key="one-key", severity="SEV2") for _ in range(4))
        )
        assert len(set(same)) == 1


async def test_a_declaration_is_answered_only_when_its_incident_exists(tmp_path: Path) -> None:
    """Whoever has the id can act on it at once; a declaration that is refused makes nothing."""
    async with a_world(tmp_path, skipping=False, limits={"desk": 40}) as world:
        for number in range(1, 13):
            incident = await world.declare(service="search")
            assert incident == f"search-{number}"
            described = await world.handle(incident).describe()
            assert described.status is not None
            assert described.status.name == "RUNNING"
            assert (await described.memo())["cause"]
            view = await world.command(incident, "note", text="seen")
            assert view["id"] == incident
        for wrong in ({"severity": "SEV9"}, {"actor": "nobody"}, {"summary": ""}):
            with pytest.raises(RefusedError) as refused:
                await world.declare(service="search", **wrong)
            assert refused.value.details["problems"]
        assert await world.declare(service="search") == "search-13"  # no number was used up


async def test_settled_and_reopened_may_come_early_late_or_twice(tmp_path: Path) -> None:
    """What the desk believes to be open is corrected by the incident, whatever the desk was told."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.report(an_alert("a"))
        await counted(world, 1)
        handle = world.handle(desk_id("checkout"))
        early = {"incident": "checkout-1", "keys": ["a"]}
        await handle.signal("settled", early)  # it is not: a second incident is the price, no loss
        await world.report(an_alert("a"))
        await counted(world, 2)
        assert (await world.facts("checkout-2", "linked"))[0]["data"]["target"] == "checkout-1"
        given = an_alert("late").model_dump(mode="json")
        back = {"incident": "checkout-7", "alerts": [given], "key": "checkout-7/hand-back/1"}
        for _ in range(3):
            await handle.signal("settled", back)  # of an incident that the desk never knew
        await counted(world, 3)
        await world.command("checkout-2", "resolve", summary="gone")
        await world.command("checkout-2", "reopen", reason="back")
        await world.eventually(lambda: _is_open(world, "checkout-2"))
        await world.report(an_alert("late"))
        views = await counted(world, 4)
        assert len(views) == 2
        # Told that a resolved one is open: the incident gives the alert back, and it is raised anew.
        ref = next(r for r in (await desk(world))["open"] if r["id"] == "checkout-2")
        await world.command("checkout-2", "resolve", summary="gone")
        await world.eventually(lambda: _is_settled(world, "checkout-2"))
        await handle.signal("reopened", {"incident": ref})
        await handle.signal("reopened", {"incident": ref})
        await world.report(an_alert("late"))
        views = await counted(world, 5)
        assert len(views) == 3
        # A cleared alert that comes with its firing one to a resolved incident clears in the next.
        await world.command("checkout-3", "resolve", summary="gone")
        pair = [an_alert("p"), an_alert("p", status="resolved")]
        await world.signal("checkout-3", "alerts", [a.model_dump(mode="json") for a in pair])
        await world.eventually(lambda: is_at(world, "checkout-4", alert_count=1, firing_count=0))
        assert (await desk(world))["refused"] == []


async def _is_open(world: World, incident: str) -> bool:
    return incident in [ref["id"] for ref in (await desk(world))["open"]]


async def _is_settled(world: World, incident: str) -> bool:
    return not await _is_open(world, incident)


async def test_a_desk_that_is_lost_goes_on_where_the_records_say(tmp_path: Path) -> None:
    """Terminated while incidents are open: a new desk knows what is open, and ids stay unique."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.report(an_alert("a"))
        await counted(world, 1)
        assert await world.declare() == "checkout-2"
        await world.eventually(lambda: len(world.outbox("page")) == 2)
        await world.eventually(lambda: world.records.highest_number("checkout") == 2)
        await world.handle(desk_id("checkout")).terminate("lost")
        # The incident hands back what it does not take any more, and finds no desk.
        await world.command("checkout-1", "resolve", summary="gone")
        await world.signal("checkout-1", "alerts", [an_alert("b").model_dump(mode="json")])
        await world.eventually(lambda: is_at(world, "checkout-2", alert_count=1))
        # Its clearing finds the incident too, although the new desk never saw the alert.
        cleared = an_alert("b", status="resolved")
        await world.report(cleared)
        await world.eventually(lambda: world.facts("checkout-2", "alert_cleared"))
        assert await world.declare() == "checkout-3"
        await world.eventually(lambda: len(world.outbox("page")) == 3)
        assert len({m["idempotency_key"] for m in world.outbox("page")}) == 3
        await world.command(
            "checkout-2", "acknowledge", "alice"
        )  # and the old ones are as they were


async def test_a_desk_that_forgot_its_numbers_adopts_its_own_and_passes_over_others(
    tmp_path: Path,
) -> None:
    """Records and outbox know nothing, Temporal does: the same cause is adopted, a taken number not."""

    def forgetful(built: worker.Activities) -> worker.Activities:
        @activity.defn(name="number_floor")
        async def number_floor(service: str) -> NumberFloor:
            return NumberFloor(next_number=1)

        good = next(a for a in built.main if a.__name__ == "number_floor")
        return replace(built, main=[*(a for a in built.main if a is not good), number_floor])

    async with a_world(tmp_path, skipping=False, activities=forgetful) as world:
        assert await world.declare("first", key="k1") == "checkout-1"
        assert await world.declare("second", key="k2") == "checkout-2"
        await world.handle(desk_id("checkout")).terminate("restored from a copy")
        assert await world.declare("second", key="k2b") == "checkout-3"
        await world.handle(desk_id("checkout")).terminate("restored from a copy")
        # The desk that answered is gone; who asks again under the same key gets the same incident.
        assert await world.declare("first", key="k1") == "checkout-1"
        views = await incidents(world)
        assert [view["summary"] for view in views] == ["first"]
        assert await world.declare("third", key="k4") == "checkout-4"
        assert [(await world.status(f"checkout-{n}"))["summary"] for n in range(1, 5)] == [
            "first",
            "second",
            "second",
            "third",
        ]
        await world.eventually(lambda: len(world.outbox("page")) == 4)
        with_pages = [m["incident"] for m in world.outbox("page")]
        assert sorted(with_pages) == [f"checkout-{n}" for n in range(1, 5)]


async def test_an_alert_for_an_incident_that_is_gone_is_decided_anew(tmp_path: Path) -> None:
    """An open incident was terminated by hand: the next alert raises one that is linked to it."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.report(an_alert("a"))
        await counted(world, 1)
        await world.handle("checkout-1").terminate("by hand")
        await world.report(an_alert("a"))
        await world.eventually(lambda: is_at(world, "checkout-2", alert_count=1))
        (link,) = await world.facts("checkout-2", "linked")
        assert link["data"] == {"target": "checkout-1", "kind": "related"}
        with pytest.raises(RPCError) as gone:
            await world.command("checkout-1", "acknowledge", "alice")
        assert gone.value.status is RPCStatusCode.NOT_FOUND

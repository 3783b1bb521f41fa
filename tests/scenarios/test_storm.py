"""Storms on the real server: past the limit one incident pages once, and every alert is part of one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

import worker
from domain.heartbeat import INTEGRATION as HEARTBEAT
from domain.storm import StormOrder
from tests.scenarios.storms import STORM, Shop, a_shop
from tests.world import an_alert
from workflows import contract

ENTITY = contract.storm_id("prometheus")


async def test_past_the_limit_one_storm_incident_pages_once_and_names_the_services(
    tmp_path: Path,
) -> None:
    """60 services at once, limit 20: 20 incidents of their own and one storm, which holds all the rest."""
    async with a_shop(tmp_path) as shop:
        world = shop.world
        await shop.storm()
        views = await shop.attributed()
        own = [one for one in views if one != STORM]
        assert len(own) == 20
        assert views[STORM]["alert_count"] == 40
        assert views[STORM]["summary"].startswith(
            "Alert storm from prometheus: 40 alerts on 40 services: s-"
        )
        assert views[STORM]["service"] == "unknown"
        await world.eventually(lambda: len(shop.paged()) == 21)
        assert sorted(shop.paged()) == sorted(views)  # each once
        (page,) = [m for m in world.outbox("page") if m["incident"] == STORM]
        assert "21 services" in page["subject"]
        assert page["to"] == "carol@example.com"

        folded, other = [s for s in shop.services if f"{s}-1" not in own][:2]
        # Another integration on a service in the storm, a person, and a heartbeat are not swallowed.
        await shop.alert(folded, "disk", integration="datadog")
        await shop.alert("s-61", "late", integration=HEARTBEAT)
        declared = await world.declare("I see it too", service="s-62")

        async def listed() -> bool:
            return declared in await shop.incidents()

        await world.eventually(listed)  # a declaration brings no alert that could be counted
        views = await shop.attributed()
        assert set(views) - {STORM, *own} == {f"{folded}-1", "s-61-1", declared}
        # What else the storm's own integration says of a service that is in it joins, and so do repeats;
        # a service that has an incident of its own keeps to that.
        for service in (other, folded, own[0].removesuffix("-1")):
            await shop.alert(service, "new")
        await shop.alert(other)
        views = await shop.attributed()
        counts = [views[one]["alert_count"] for one in (STORM, f"{folded}-1", own[0])]
        assert counts == [42, 2, 2]

        # Clearing reaches whoever holds the alert.
        await shop.storm(status="resolved")
        for service in (other, folded, own[0].removesuffix("-1")):
            await shop.alert(service, "new", status="resolved")

        async def all_clear() -> bool:
            views = await shop.incidents()
            firing = {
                one: view["firing_count"] for one, view in views.items() if view["firing_count"]
            }
            return firing == {f"{folded}-1": 1, "s-61-1": 1}

        await world.eventually(all_clear, 60)
        assert len(await world.facts(STORM, "alert_cleared")) == 1
        assert len(shop.paged()) == len(set(shop.paged())) == 24
        for workflow in (ENTITY, STORM, contract.desk_id(folded), contract.desk_id("unknown")):
            assert await world.failed_tasks(workflow) == []


async def test_what_still_fires_when_the_storm_incident_ends_is_decided_again(
    tmp_path: Path,
) -> None:
    """Resolved while a service still fires: an incident of its own, linked; what has cleared raises none."""
    async with a_shop(tmp_path, count=5, storm=2) as shop:
        world = shop.world
        await shop.storm()
        views = await shop.attributed()
        folded = [s for s in shop.services if f"{s}-1" not in views]
        assert len(folded) == 3
        await shop.alert(folded[0], status="resolved")
        await world.eventually(lambda: world.facts(STORM, "alert_partly_cleared"), 60)
        await world.command(STORM, "resolve", "carol", summary="the network is back")

        async def raised() -> dict[str, Any]:
            views = await shop.incidents()
            again = views.get("unknown-2", {})
            return views if len(views) == 4 and again.get("firing_count") == 2 else {}

        # Still past the limit, so that it is a storm again: the next one holds them, and pages.
        await world.eventually(raised, 60)
        await shop.attributed()  # and none is counted twice
        await world.eventually(lambda: shop.paged().count("unknown-2") == 1)
        # A minute later the rate is low: the entity is asked, and what still fires is raised as usual.
        await world.handle(ENTITY).terminate("a new one has counted nothing")
        await world.command("unknown-2", "resolve", "carol", summary="really")
        await world.eventually(lambda: world.status(f"{folded[1]}-1"), 60)
        await world.eventually(lambda: world.status(f"{folded[2]}-1"), 60)
        (link,) = await world.facts(f"{folded[1]}-1", "linked")
        assert link["data"]["target"] == "unknown-2"
        assert await world.status(f"{folded[0]}-1") == {}
        await shop.attributed()
        await shop.alert(folded[1], status="resolved")
        await world.eventually(lambda: world.facts(f"{folded[1]}-1", "alert_cleared"))


async def test_storms_switched_off_raise_every_incident(tmp_path: Path) -> None:
    """`limits.storm: none`: as many incidents as services, and nobody watches."""
    async with a_shop(tmp_path, count=40, storm="none") as shop:
        await shop.storm()
        views = await shop.attributed()
        assert len(views) == 40
        await shop.world.eventually(lambda: len(shop.paged()) == 40)
        assert not await _runs(shop, ENTITY)


async def test_the_storm_takes_the_worst_severity_and_pages_it_at_once(tmp_path: Path) -> None:
    """Folded alerts that page nobody, and then a critical one: the storm becomes critical and pages."""
    sections = {"severities": {"SEV1": {}, "SEV2": {}, "SEV3": {"page": "never"}}}
    async with a_shop(tmp_path, count=6, storm=2, **sections) as shop:
        world = shop.world
        await shop.storm(shop.services[:5], severity="SEV3")
        views = await shop.attributed()
        assert views[STORM]["severity"] == "SEV3"
        assert shop.paged() == []
        await shop.alert("s-5", severity="SEV1")
        await world.eventually(lambda: shop.paged() == [STORM], 60)
        assert (await world.status(STORM))["severity"] == "SEV1"
        # On a service that the storm holds already a worse one does not wait for company either.
        changed = await world.facts(STORM, "severity_changed")
        assert [fact["data"]["new"] for fact in changed] == ["SEV1"]


async def test_without_an_answer_of_the_entity_every_incident_is_raised(tmp_path: Path) -> None:
    """The storm's incident cannot be raised: after a second each goes on by itself, and nothing is lost."""

    def broken(built: worker.Activities) -> worker.Activities:
        @activity.defn(name="raise_storm")
        async def raise_storm(order: StormOrder) -> None:
            raise ApplicationError("the desk of unknown is gone")

        return replace(built, storms=[raise_storm])

    async with a_shop(tmp_path, count=12, storm=4, activities=broken) as shop:
        await shop.storm()
        views = await shop.attributed()
        assert sorted(views) == sorted(f"{service}-1" for service in shop.services)
        await shop.world.eventually(lambda: len(shop.paged()) == 12)
        assert len(set(shop.paged())) == 12


async def test_workers_that_stop_and_an_entity_that_is_lost_in_a_storm_lose_nothing(
    tmp_path: Path,
) -> None:
    """Whatever goes away in between: each alert is part of exactly one incident, and each pages once."""
    async with a_shop(tmp_path) as shop:
        world = shop.world
        shop.roll_over_at = 40
        await shop.storm(shop.services[:25])
        await asyncio.sleep(0.1)
        await world.stop_workers()
        await shop.storm(shop.services[25:40])
        world.workers = await world.start_workers(world.client)
        await shop.attributed()
        await world.handle(ENTITY).terminate("lost")
        await shop.storm(shop.services[40:])
        await shop.storm()
        views = await shop.attributed()
        pages = await world.eventually(lambda: _paged_all(shop, views))
        assert len(pages) == len(set(pages))
        for view in views.values():
            assert await world.failed_tasks(view["id"]) == []


async def test_a_storm_ends_when_the_rate_has_been_low_for_five_minutes(tmp_path: Path) -> None:
    """Minutes later what comes is raised on its own service again, and the storm's timeline says so."""
    async with a_shop(tmp_path, count=8, storm=3, skipping=True) as shop:
        world = shop.world
        await shop.storm(shop.services[:6])
        await shop.attributed()
        await world.skip(timedelta(minutes=2), timedelta(seconds=30))
        now = await world.now()
        await shop.alert("s-6", received_at=now)
        await shop.attributed()
        assert (await world.status(STORM))[
            "alert_count"
        ] == 4  # it lasts, however low the rate is now
        await world.skip(timedelta(minutes=4), timedelta(seconds=30))
        await world.eventually(lambda: world.facts(STORM, "storm_ended"))
        await shop.alert("s-7", received_at=await world.now())
        await world.eventually(lambda: world.status("s-7-1"))
        await world.skip(timedelta(minutes=15))

        async def has_ended() -> bool:
            return (await world.handle(ENTITY).describe()).close_time is not None

        await world.eventually(has_ended)


async def test_what_is_sent_by_hand_stops_neither_desk_nor_entity(tmp_path: Path) -> None:
    """Times without a zone count as UTC; what is no word at all is refused; alerts go on as before."""
    bare = "2026-11-28T17:00:00"
    async with a_shop(tmp_path, count=3, storm=2) as shop:
        world = shop.world
        await shop.alert("s-0")
        await shop.attributed()
        alert = an_alert("by-hand", service="s-0").model_dump(mode="json")
        by_hand = {"key": "by-hand", "alerts": [alert | {"received_at": bare, "starts_at": bare}]}
        await world.signal(contract.desk_id("s-0"), "report", by_hand)
        shop.sent += 1
        ref = {"id": "s-0-9", "severity": "SEV1", "priority": "P1", "raised_at": bare}
        await world.signal(contract.desk_id("s-0"), "reopened", {"incident": ref, "seq": 1})
        ended = {"incident": "s-0-9", "seq": 2, "resolved_at": bare, "ref": ref}
        await world.signal(contract.desk_id("s-0"), "settled", ended)
        await shop.alert("s-0", "after")
        await shop.attributed()

        await shop.storm(shop.services[1:])
        await world.eventually(lambda: world.status(STORM))
        entity = world.handle(ENTITY)
        told = {"limit": 2, "started": [{"cause": "x", "service": "s-0", "at": bare}]}
        assert (await entity.execute_update("admit", told))["storm"] == STORM
        for nonsense in ([], [1], [{"limit": 0}], [{"limit": 1, "asked": [{}]}], [told, told]):
            with pytest.raises(WorkflowUpdateFailedError):
                await entity.execute_update("admit", args=nonsense)
            for name in ("raised", "settled", "colour"):
                await world.signal(ENTITY, name, *nonsense)
        await shop.alert("s-1", "after")
        await shop.attributed()
        for workflow in (ENTITY, STORM, "s-0-1", contract.desk_id("s-0")):
            assert await world.failed_tasks(workflow) == []


async def _runs(shop: Shop, workflow: str) -> bool:
    found = shop.world.client.list_workflows(f"WorkflowId = '{workflow}'")
    return bool([one async for one in found])


def _paged_all(shop: Shop, views: dict[str, Any]) -> list[str]:
    pages = shop.paged()
    return pages if set(pages) == set(views) else []

"""Likely cause on the real server: one broken thing below others pages once, and nothing stays silent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

import worker
from domain.alert import Alert
from tests.world import EXAMPLE, World, a_world, an_alert

MINUTE = timedelta(minutes=1)
DATABASE, CHECKOUT, SEARCH = "database-1", "checkout-1", "search-1"


@asynccontextmanager
async def running(folder: Path, policy: str = "", **how: Any) -> AsyncIterator[World]:
    """A world in virtual time: checkout and search depend on database."""
    file = folder / "policy.yaml"
    file.write_text(policy or EXAMPLE.read_text(), encoding="utf-8")
    async with a_world(folder / "data", policy=file, **how) as world:
        yield world


async def report(world: World, service: str, **fields: Any) -> str:
    """An alert on a service; its incident, once that is raised."""
    alert: Alert = an_alert(f"{service}-down", service=service, **fields)
    await world.report(alert, service=service)
    incident = f"{service}-1"
    await world.eventually(lambda: world.status(incident))
    return incident


async def facts_of(world: World, incident: str, *names: str) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        return await world.facts(incident, *names)

    found: list[dict[str, Any]] = await world.eventually(look)
    return found


async def broken(world: World) -> None:
    """The database is down, and with it checkout and search."""
    await report(world, "database")
    await facts_of(world, DATABASE, "page_sent")
    for service in ("checkout", "search"):
        await report(world, service)
    await world.eventually(lambda: _count(world, DATABASE, "dependent_collected", 2))


async def _count(world: World, incident: str, fact: str, count: int) -> bool:
    return len(await world.facts(incident, fact)) == count


def paged(world: World) -> set[str]:
    return {page["incident"] for page in world.outbox("page")}


async def test_inhibited_by_an_open_parent_pages_when_that_ends_and_it_still_fires(
    tmp_path: Path,
) -> None:
    """One page for all three; resolved, what still fires pages at once, and what has cleared does not."""
    async with running(tmp_path) as world:
        await broken(world)
        (held,) = await facts_of(world, CHECKOUT, "held_for_cause")
        assert held["text"].startswith(
            "database-1 (SEV1) is the likely cause: checkout depends on database"
        )
        (link,) = await facts_of(world, CHECKOUT, "linked")
        assert link["data"] == {"target": DATABASE, "kind": "related"}
        links = (await world.status(DATABASE))["links"]
        assert {link["target"] for link in links} == {CHECKOUT, SEARCH}
        # For half an hour its page climbs, and theirs do not.
        await world.skip(timedelta(minutes=31), timedelta(minutes=3))
        assert paged(world) == {DATABASE}
        await world.command(DATABASE, "acknowledge", "carol")
        await world.skip(timedelta(minutes=11), timedelta(minutes=3))
        assert paged(world) == {DATABASE}
        await world.report(
            an_alert("search-down", service="search", status="resolved"), service="search"
        )
        await facts_of(world, SEARCH, "alert_cleared")
        await world.command(DATABASE, "resolve", "carol", summary="failed over")
        await facts_of(world, CHECKOUT, "page_sent")
        (ended,) = await facts_of(world, CHECKOUT, "cause_ended")
        assert ended["text"] == "database-1, the likely cause, is resolved: the page goes out"
        (step, *_) = await facts_of(world, CHECKOUT, "step_paged")
        assert (step["data"]["step"], step["data"]["late"]) == (1, False)
        (quiet,) = await facts_of(world, SEARCH, "cause_ended")
        assert "nobody is paged unless it comes back" in quiet["text"]
        await world.skip(timedelta(minutes=20), timedelta(minutes=5))
        assert paged(world) == {DATABASE, CHECKOUT}
        # And when it does come back on the incident that is still open, it pages.
        await world.report(an_alert("search-down", service="search"), service="search")
        await facts_of(world, SEARCH, "page_sent")
        for workflow in (DATABASE, CHECKOUT, SEARCH, "desk/checkout", "desk/database"):
            assert await world.failed_tasks(workflow) == []


async def test_a_parent_that_is_lost_holds_no_page_for_longer_than_the_check(
    tmp_path: Path,
) -> None:
    """Terminated by hand: no word of its end ever comes, and the dependents page within minutes."""
    async with running(tmp_path) as world:
        await broken(world)
        await world.handle(DATABASE).terminate("by hand")
        await world.skip(timedelta(minutes=7), MINUTE)
        await facts_of(world, CHECKOUT, "page_sent")
        await facts_of(world, SEARCH, "page_sent")
        (ended,) = await facts_of(world, CHECKOUT, "cause_ended")
        assert "cannot be found any more" in ended["text"]


async def test_a_person_and_a_worse_severity_are_never_held(tmp_path: Path) -> None:
    """Declared by hand, escalated by hand, or worse than the cause: the page goes out at once."""
    async with running(tmp_path) as world:
        await report(world, "database", severity="SEV2")
        await facts_of(world, DATABASE, "page_sent")
        declared = await world.declare(service="search", severity="SEV2")
        await facts_of(world, declared, "page_sent")
        await report(world, "checkout", severity="SEV2")
        await facts_of(world, CHECKOUT, "held_for_cause")
        await world.command(CHECKOUT, "escalate", "bob", to="person:dana", reason="I want her")
        await world.eventually(lambda: any("dana" in m["to"] for m in world.outbox("page")))
        assert [m["to"] for m in world.outbox("page") if m["incident"] == CHECKOUT] == [
            "dana@example.com"
        ]
        await world.report(an_alert("worse", severity="SEV1"))
        (ended,) = await facts_of(world, CHECKOUT, "cause_ended")
        assert ended["text"] == "SEV1 is worse than database-1: the page goes out"
        steps = await facts_of(world, CHECKOUT, "step_paged")
        await world.eventually(lambda: _count(world, CHECKOUT, "step_paged", 2))
        assert len(steps) >= 1


async def test_switched_off_or_worse_than_the_cause_everything_pages_at_once(
    tmp_path: Path,
) -> None:
    """`hold_for_cause: false` for checkout; search is SEV1 where the database is only SEV2."""
    policy = EXAMPLE.read_text().replace(
        "  checkout:\n", "  checkout:\n    hold_for_cause: false\n", 1
    )
    async with running(tmp_path, policy) as world:
        await report(world, "database", severity="SEV2")
        await facts_of(world, DATABASE, "page_sent")
        await report(world, "checkout", severity="SEV2")
        await facts_of(world, CHECKOUT, "page_sent")
        await report(world, "search", severity="SEV1")
        await facts_of(world, SEARCH, "page_sent")
        for incident in (CHECKOUT, SEARCH):
            assert await world.facts(incident, "held_for_cause") == []


async def test_a_cause_that_comes_after_its_dependents_is_linked_to_them(tmp_path: Path) -> None:
    """Checkout has paged already: both say that they belong together, and both page."""
    async with running(tmp_path) as world:
        await report(world, "checkout")
        await facts_of(world, CHECKOUT, "page_sent")
        # Whoever comes later finds those that wait for it in the records.
        await world.eventually(lambda: world.records.incident(CHECKOUT))
        await report(world, "database")
        await facts_of(world, DATABASE, "page_sent")
        (found,) = await facts_of(world, DATABASE, "dependent_collected")
        assert found["text"] == "Linked as related: checkout-1 (checkout depends on database)"
        (link,) = await facts_of(world, CHECKOUT, "linked")
        assert link["data"]["target"] == DATABASE


async def test_a_cause_under_maintenance_holds_nobody(tmp_path: Path) -> None:
    """What pages nobody itself is no reason to page nobody for what depends on it."""
    async with running(tmp_path) as world:
        await world.start_desk("database")
        await world.command(
            "desk/database", "add_maintenance", "bob", minutes=60, reason="new disks"
        )
        await report(world, "database")
        await facts_of(world, DATABASE, "in_maintenance")
        await report(world, "checkout")
        await facts_of(world, CHECKOUT, "page_sent")
        assert paged(world) == {CHECKOUT}


async def test_held_pages_survive_rolling_over(tmp_path: Path) -> None:
    """Incidents that continue as new every few events: what was held goes out all the same, once."""
    async with running(tmp_path, limits={"incident": 40, "desk": 30}, skipping=False) as world:
        await broken(world)
        for number in range(12):
            for incident in (DATABASE, CHECKOUT):
                await world.command(incident, "note", "carol", text=f"note {number}")
        assert len(await world.runs(CHECKOUT)) > 1
        await world.command(DATABASE, "resolve", "carol", summary="failed over")
        await facts_of(world, CHECKOUT, "page_sent")
        await facts_of(world, SEARCH, "page_sent")
        assert len(await world.facts(CHECKOUT, "cause_ended")) == 1


async def test_a_cause_that_cannot_be_asked_holds_no_page(tmp_path: Path) -> None:
    """The check itself fails, and goes on failing: after one round of it the page goes out."""

    def broken_check(built: worker.Activities) -> worker.Activities:
        @activity.defn(name="check_cause")
        async def check_cause(incident: str) -> None:
            raise ApplicationError("Temporal does not say")

        kept = [one for one in built.main if one.__name__ != "check_cause"]
        return replace(built, main=[*kept, check_cause])

    async with running(tmp_path, activities=broken_check) as world:
        await broken(world)
        await world.skip(timedelta(minutes=7), MINUTE)
        await facts_of(world, CHECKOUT, "page_sent")
        (ended,) = await facts_of(world, CHECKOUT, "cause_ended")
        assert "cannot be asked whether it is over: the page goes out" in ended["text"]


async def test_a_cause_that_is_over_already_says_so_to_whoever_waits_for_it(tmp_path: Path) -> None:
    """Resolved in the moment in which something is put down to it: it hears so at once."""
    async with running(tmp_path) as world:
        await broken(world)
        await world.command(DATABASE, "resolve", "carol", summary="failed over")
        await facts_of(world, CHECKOUT, "page_sent")
        late = {"incident": CHECKOUT, "service": "checkout"}
        await world.signal(DATABASE, "dependent", late)
        await world.signal(DATABASE, "dependent", {"nonsense": True})
        await facts_of(world, DATABASE, "command_refused")
        assert len(await world.facts(CHECKOUT, "cause_ended")) == 1
        assert await world.failed_tasks(DATABASE) == await world.failed_tasks(CHECKOUT) == []

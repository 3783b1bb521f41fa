"""The way of a later page to the entity of its person and back, with everything that can come between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

import worker
from domain.person_pages import BundleSent, SendBundle
from tests.scenarios.paging.test_not_too_much import (
    MINUTE,
    SECOND,
    count,
    later,
    paged,
    running,
    wait,
)
from tests.scenarios.paging.vendors import ALONE, a_policy, contact, paging, vendors_and_world
from tests.world import World
from workflows import contract

ALICE = contract.person_id("alice")
QUICK = "{repeat: 50, repeat_after: 3s, steps: [{page: [person:alice]}]}"
SHORT = "{bundle_window: 2s, throttles: {others: []}}"
"""For stories in real time."""
QUITE_QUICK = "{repeat: 50, repeat_after: 7s, steps: [{page: [person:alice]}]}"
QUITE_SHORT = "{bundle_window: 5s, throttles: {others: []}}"
"""The same, where incidents that a slow machine raises seconds apart have to meet."""


class Gate:
    """Holds every bundle while it is leaving."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.leaving: set[str] = set()
        """Incidents of the bundles that were held."""

    def install(self, built: worker.Activities) -> worker.Activities:
        real: Callable[..., Any] = next(a for a in built.pages if a.__name__ == "send_bundle")

        @activity.defn(name="send_bundle")
        async def send_bundle(request: SendBundle) -> BundleSent:
            self.leaving |= {one.page.incident_id for one in request.pages}
            await self.opened.wait()
            answer: BundleSent = await real(request)
            return answer

        others = [one for one in built.pages if one is not real]
        return replace(built, pages=[*others, send_bundle])


async def sent(world: World, incident: str, number: int) -> list[dict[str, Any]]:
    """The facts of its pages that left, once there are as many."""

    async def look() -> list[dict[str, Any]]:
        found = await world.facts(incident, "page_sent")
        return found if len(found) >= number else []

    found: list[dict[str, Any]] = await world.eventually(look, within=30)
    assert len(found) == number, [entry["text"] for entry in found]
    return found


async def test_a_contact_that_came_due_before_the_one_before_it_left_still_goes_out(
    tmp_path: Path,
) -> None:
    """The text message waits for others, and the call is due meanwhile: it waits anew, and is made."""
    waits = [{"use": "push"}, {"use": "sms", "after": "3s"}, {"use": "voice", "after": "1s"}]
    ways = [contact(channel, "alice") for channel in ("push", "sms", "voice")]
    people = {"alice": {"contacts": ways, "contact_rules": [{"contacts": waits}]}}
    limits = {**ALONE, "bundle_window": "5s"}
    policy = a_policy([paging("alice")], people=people, limits=limits)
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await sent(world, incident, 1)
        await world.skip(20 * SECOND, step=SECOND)

        async def told() -> bool:
            # Where the call leaves beside the text after all, it is told as sent a second time.
            facts = await world.facts(incident, "page_sent")
            return len({fact["data"]["deliveries"][0]["key"] for fact in facts}) == 3

        await world.eventually(told)
        assert sorted(vendors.pages()) == [("alice", "push"), ("alice", "sms"), ("alice", "voice")]
        vendors.nothing_else()
        assert await count(world, incident, "paged_directly", "faulted") == 0


async def test_acknowledged_while_the_message_is_leaving(tmp_path: Path, gathering: None) -> None:
    """It cannot be recalled: the acknowledgement is answered at once, and the page is told, once."""
    gate = Gate()
    how: dict[str, Any] = {"skipping": False, "activities": gate.install}
    async with running(tmp_path, QUITE_QUICK, QUITE_SHORT, **how) as world:
        checkout, search = await paged(world, "checkout", "search")
        await world.eventually(lambda: checkout in gate.leaving, within=60)
        view = await world.command(checkout, "acknowledge", "alice")
        assert view["incident_manager"] == "alice"
        assert await count(world, checkout, "page_sent") == 1
        gate.opened.set()
        facts = await sent(world, checkout, 2)
        (taken,) = await world.facts(checkout, "acknowledged")
        assert facts[1]["seq"] > taken["seq"]
        await world.command(search, "acknowledge", "alice")
        await asyncio.sleep(9)  # the next message would have left
        assert len(await sent(world, checkout, 2)) == 2
        assert len([m for m in world.outbox("page") if m["incident"] == checkout]) == 2
        assert await count(world, checkout, "paged_directly", "faulted", "command_refused") == 0


async def test_a_word_that_comes_twice_or_late_counts_once(tmp_path: Path) -> None:
    """The same outcome again, an outcome of no page, and nonsense: one page on the timeline."""
    async with running(tmp_path) as world:
        (checkout,) = await paged(world, "checkout")
        await wait(world, 5 * MINUTE + 45 * SECOND)
        facts = await sent(world, checkout, 2)
        delivery = facts[1]["data"]["deliveries"][0]
        again = {"key": delivery["key"], "delivery": delivery}
        await world.signal(checkout, "page_outcome", [again, again])
        await world.signal(checkout, "page_outcome", [{**again, "key": "of/no/page"}])
        await world.signal(checkout, "page_outcome", "nonsense")

        async def refused() -> bool:
            return await count(world, checkout, "command_refused") > 0

        await world.eventually(refused)
        assert len(await sent(world, checkout, 2)) == 2
        assert await count(world, checkout, "faulted") == 0
        assert len(world.outbox("page")) == 2
        assert await world.failed_tasks(checkout) == []


async def test_the_incident_rolls_over_while_its_page_waits(
    tmp_path: Path, gathering: None
) -> None:
    """The next run hears what became of the page; it leaves once, and nobody goes past the entity."""
    async with running(tmp_path, roll_over={"incident": 60}) as world:
        checkout, _ = await paged(world, "checkout", "search")
        await wait(world, 5 * MINUTE + 5 * SECOND)
        assert len(world.outbox("page")) == 2
        before = len(await world.runs(checkout))
        for number in range(30):
            await world.signal(checkout, "note", {"text": f"note {number}"})

        async def rolled() -> bool:
            return len(await world.runs(checkout)) > before

        await world.eventually(rolled)
        await wait(world, 60 * SECOND)
        await sent(world, checkout, 2)
        assert len(world.outbox("page")) == 4
        assert await count(world, checkout, "paged_directly", "faulted") == 0


async def test_the_entity_rolls_over_again_and_again_and_loses_no_page(tmp_path: Path) -> None:
    """Rounds of four incidents through an entity that continues as new all the time: each page once."""
    services = ("checkout", "search", "cart", "api")
    async with running(tmp_path, QUICK, SHORT, skipping=False) as world:
        await world.client.start_workflow(
            contract.PERSON,
            contract.PersonInput(person="alice", roll_over_at=40),
            id=ALICE,
            task_queue=contract.TASK_QUEUE,
        )
        incidents = await paged(world, *services)
        await world.eventually(lambda: len(world.outbox("page")) >= 24, within=90)
        for incident in incidents:
            await world.command(incident, "acknowledge", "alice")
        assert len(await world.runs(ALICE)) > 2

        async def settled() -> bool:
            return not (await world.handle(ALICE).query("status"))["waiting"]

        await world.eventually(settled)
        assert await world.failed_tasks(ALICE) == []
        for incident in incidents:
            files = {
                m["idempotency_key"] for m in world.outbox("page") if m["incident"] == incident
            }

            async def keys(of: str = incident) -> list[str]:
                facts = await world.facts(of, "page_sent")
                return [fact["data"]["deliveries"][0]["key"] for fact in facts]

            async def all_told(of: str = incident, left: set[str] = files) -> bool:
                return set(await keys(of)) == left

            await world.eventually(all_told)  # what becomes of a message is told after it has left
            assert len(await keys()) == len(files)
            assert await count(world, incident, "paged_directly", "faulted") == 0


async def test_a_first_word_that_is_faster_than_the_handing_over_counts(tmp_path: Path) -> None:
    """The entity says that the page waits for its contact's limit before the incident knows it arrived."""

    def install(built: worker.Activities) -> worker.Activities:
        real: Callable[..., Any] = next(a for a in built.pages if a.__name__ == "hand_to_person")

        @activity.defn(name="hand_to_person")
        async def hand_to_person(request: contract.HandToPerson) -> None:
            await real(request)
            await asyncio.sleep(1)  # the answer is on its way; the entity's word is faster

        others = [one for one in built.pages if one is not real]
        return replace(built, pages=[*others, hand_to_person])

    limits = "{bundle_window: 2s, throttles: {others: [{count: 1, per: 10m}]}}"
    async with running(tmp_path, QUICK, limits, skipping=False, activities=install) as world:
        checkout, _ = await paged(world, "checkout", "search")

        async def throttled() -> list[dict[str, Any]]:
            return await world.facts(checkout, "page_throttled")

        await world.eventually(throttled, within=30)


async def test_a_page_that_cannot_be_handed_over_goes_at_once(tmp_path: Path) -> None:
    """Temporal refuses the signal: the page leaves now, not after half a minute, and says why."""

    def broken(built: worker.Activities) -> worker.Activities:
        @activity.defn(name="hand_to_person")
        async def hand_to_person(request: Any) -> None:
            raise ApplicationError("no such namespace", non_retryable=True)

        others = [one for one in built.pages if one.__name__ != "hand_to_person"]
        return replace(built, pages=[*others, hand_to_person])

    async with running(tmp_path, activities=broken) as world:
        (checkout,) = await paged(world, "checkout")
        await wait(world, 5 * MINUTE + 5 * SECOND)
        assert len(world.outbox("page")) == 2
        (past,) = await world.facts(checkout, "paged_directly")
        assert "no such namespace" in past["text"]
        await wait(world, 2 * MINUTE)
        assert len(world.outbox("page")) == 2


async def test_an_entity_without_work_ends_after_a_day_and_comes_back(tmp_path: Path) -> None:
    """A day of peace ends it; the next later page starts it again, and leaves as it should."""
    rounds = (
        "{repeat: 0, repeat_after: 1h, steps: [{page: [person:alice]}, {page: [person:alice]}]}"
    )
    async with running(tmp_path, rounds) as world:
        (checkout,) = await paged(world, "checkout")
        await wait(world, 6 * MINUTE)
        assert len(world.outbox("page")) == 2
        await world.command(checkout, "acknowledge", "alice")
        await world.command(checkout, "cancel", "alice", reason="a drill")
        await world.skip(timedelta(hours=26), step=timedelta(hours=1))
        described = await world.handle(ALICE).describe()
        assert described.status is WorkflowExecutionStatus.COMPLETED
        first = len(world.outbox("page"))
        (search,) = await paged(world, "search")
        await world.eventually(lambda: len(world.outbox("page")) == first + 1)
        await wait(world, 6 * MINUTE)
        assert [m["incident"] for m in later(world, first)] == [search, search]
        assert await count(world, search, "paged_directly") == 0


async def test_the_entity_survives_nonsense(tmp_path: Path) -> None:
    """Signals of any shape: none stops it, each is kept for the operator, and its next page leaves."""
    async with running(tmp_path) as world:
        (checkout,) = await paged(world, "checkout")
        await wait(world, 5 * MINUTE + 2 * SECOND)
        for name in ("page", "withdraw", "rank", "what-is-this"):
            await world.signal(ALICE, name)
            await world.signal(ALICE, name, "text", 17)
            await world.signal(ALICE, name, {"page": {"key": None}})
        await wait(world, 45 * SECOND)
        await sent(world, checkout, 2)
        status = await world.handle(ALICE).query("status")
        assert len(status["refused"]) == 12
        assert await world.failed_tasks(ALICE) == []
        assert len(world.outbox("page")) == 2

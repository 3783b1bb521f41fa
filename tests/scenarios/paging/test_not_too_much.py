"""Not too much, on the real server: later pages leave as one message, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.world import World, a_world, an_alert
from workflows import contract

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
SERVICES = ("checkout", "search", "cart", "api")
TIERS = {"checkout": 2, "search": 1, "cart": 3, "api": 4}
IN_ORDER = ["search-1", "checkout-1", "cart-1", "api-1"]
ROUNDS = "{repeat: 50, repeat_after: 5m, steps: [{page: [person:alice]}]}"


def a_policy(folder: Path, escalation: str = ROUNDS, limits: str = "{}") -> Path:
    """Four services whose pages all go to alice by mail, every five minutes; in rank order by tier."""
    services = "\n".join(
        f"  {name}: {{name: {name.capitalize()}, escalation: alice, tier: {TIERS[name]}}}"
        for name in SERVICES
    )
    file = folder / "policy.yaml"
    file.write_text(
        f"""version: 1
organisation: {{name: Example, catch_all: [person:carol]}}
people:
  alice: {{contacts: [{{channel: email, to: alice@example.com}}]}}
  bob: {{contacts: [{{channel: email, to: bob@example.com}}]}}
  carol: {{contacts: [{{channel: email, to: carol@example.com}}]}}
teams: {{all: {{members: [alice, bob]}}}}
escalation_policies: {{alice: {escalation}}}
services:
{services}
limits: {limits}
"""
    )
    return file


@asynccontextmanager
async def running(
    folder: Path,
    escalation: str = ROUNDS,
    limits: str = "{}",
    roll_over: dict[str, int] | None = None,
    **how: Any,
) -> AsyncIterator[World]:
    """A world with that policy; `roll_over` is after how many events workflows continue as new."""
    policy = a_policy(folder, escalation, limits)
    async with a_world(folder / "data", policy=policy, limits=roll_over, **how) as world:
        yield world


async def paged(world: World, *services: str) -> list[str]:
    """Incidents of these services, each with its first page."""
    found = [await world.declare(f"{name} is down", service=name) for name in services]
    await world.eventually(lambda: len(world.outbox("page")) >= len(found))
    return found


async def recorded(world: World, service: str) -> str:
    """An incident with its first page that the records know of, so that the next one has its rank."""
    before = len(world.outbox("page"))
    incident = await world.declare(f"{service} is down", service=service)
    await world.eventually(lambda: len(world.outbox("page")) > before)
    await world.eventually(lambda: world.records.incidents_of("alice")[before:])
    return incident


async def wait(world: World, delta: timedelta) -> None:
    """Let time pass in small steps, so that no word is overtaken by the clock."""
    await world.skip(delta, step=5 * SECOND)


def later(world: World, first: int) -> list[dict[str, Any]]:
    """The pages after the first ones."""
    return world.outbox("page")[first:]


async def count(world: World, incident: str, *names: str) -> int:
    return len(await world.facts(incident, *names))


async def test_four_incidents_for_one_person_make_one_message_and_ack_all_acks_all_four(
    tmp_path: Path, gathering: None
) -> None:
    """Each first page leaves at once and alone; the next round is one message; ack all ends all of it."""
    async with running(tmp_path) as world:
        incidents = await paged(world, *SERVICES)
        first = world.outbox("page")
        assert len(first) == 4
        assert sorted(m["incident"] for m in first) == sorted(incidents)
        assert {m["bundle"] for m in first} == {None}
        await wait(world, 4 * MINUTE)
        assert len(world.outbox("page")) == 4
        await wait(world, 2 * MINUTE)
        bundled = later(world, 4)
        assert sorted(m["incident"] for m in bundled) == sorted(incidents)
        assert len({m["bundle"] for m in bundled}) == 1
        assert bundled[0]["bundle"]
        assert len({m["text"] for m in bundled}) == 1
        assert len({m["idempotency_key"] for m in bundled}) == 4
        assert {m["state"] for m in bundled} == {"sent"}
        text = bundled[0]["text"]
        assert sorted(IN_ORDER, key=text.index) == IN_ORDER
        for incident in incidents:
            (fact,) = (await world.facts(incident, "page_sent"))[1:]
            assert sorted([incident, *fact["data"]["together_with"]]) == sorted(incidents)
        # Nothing else was sent, to nobody.
        assert len(world.outbox()) == 8
        assert {m["to"] for m in world.outbox()} == {"alice@example.com"}

        of_bundle = world.records.incidents_of_bundle(bundled[0]["bundle"])
        assert sorted(of_bundle) == sorted(incidents)
        for incident in of_bundle:
            await world.command(incident, "acknowledge", "alice")
        await wait(world, MINUTE)
        await world.skip(MINUTE * 60)
        assert len(world.outbox("page")) == 8
        assert not world.outbox("page_update")


async def test_too_many_incidents_in_a_shift_are_told_to_the_manager_once(tmp_path: Path) -> None:
    """The third incident within 12 hours is one too many: one of them says so, and its manager hears."""
    async with running(tmp_path) as world:
        incidents = await paged(world, *SERVICES[:2])
        await wait(world, 10 * SECOND)
        assert [await count(world, i, "overloaded") for i in incidents] == [0, 0]
        third, fourth = [await world.declare(service=name) for name in SERVICES[2:]]

        async def told() -> list[Any]:
            return await world.facts(third, "overloaded")

        (fact,) = await world.eventually(told)
        assert fact["data"]["person"] == "alice"
        number = len(fact["data"]["incidents"])
        assert number in (3, 4)  # the fourth may be on record already
        assert world.outbox("reminder") == []  # nobody is in charge yet
        for incident in (third, fourth):
            await world.command(incident, "acknowledge", "alice")
        (reminder,) = await world.eventually(lambda: world.outbox("reminder"))
        assert (reminder["incident"], reminder["to"]) == (third, "alice@example.com")
        assert f"alice was paged for {number} incidents within 12 hours" in reminder["text"]
        await wait(world, 10 * MINUTE)
        assert [await count(world, i, "overloaded") for i in (*incidents, third, fourth)] == [
            0, 0, 1, 0,
        ]  # fmt: skip
        about = [m for m in world.outbox("reminder") if "paged for" in m["text"]]
        assert len(about) == 1


async def test_the_workload_says_who_is_in_more_than_one_incident(tmp_path: Path) -> None:
    """Asked of one incident: alice has two, and one again once the other is resolved."""
    async with running(tmp_path) as world:
        search, checkout = [await recorded(world, name) for name in ("search", "checkout")]

        async def of_alice() -> int:
            found = await world.handle(checkout).query("workload")
            return int(found[0]["open_incidents"]) if found else 0

        async def has(number: int) -> bool:
            return await of_alice() == number

        await world.command(checkout, "acknowledge", "alice")
        await world.eventually(lambda: has(2))
        (load,) = await world.handle(checkout).query("workload")
        assert (load["person"], load["roles"]) == ("alice", ["incident_manager"])
        await world.command(search, "acknowledge", "alice")
        await world.command(search, "resolve", "alice", summary="fixed")
        await world.eventually(
            lambda: [one.id for one in world.records.incidents_of("alice")] == [checkout]
        )
        await world.command(checkout, "note", "alice", text="the last one")
        await world.eventually(lambda: has(1))


async def test_after_an_outage_of_several_steps_each_person_gets_one_message(
    tmp_path: Path, gathering: None
) -> None:
    """No worker while three steps came due: one message per person, late, with all incidents."""
    later_steps = [f"{{page: [team:all], after: {wait}}}" for wait in ("14s", "1s", "1s")]
    steps = ", ".join(["{page: [person:alice]}", *later_steps])
    quick = f"{{repeat: 0, repeat_after: 1h, steps: [{steps}]}}"
    async with running(tmp_path, quick, skipping=False) as world:
        incidents = await paged(world, *SERVICES)
        await world.outage(timedelta(seconds=17))
        await world.eventually(lambda: len(world.outbox("page")) >= 12, within=60)
        after = later(world, 4)
        for person in ("alice", "bob"):
            mine = [m for m in after if m["person"] == person]
            assert sorted(m["incident"] for m in mine) == sorted(incidents)
            assert len({m["bundle"] for m in mine}) == 1
            assert mine[0]["subject"].startswith("LATE ")
            assert "LATE" in mine[0]["text"]
        for incident in incidents:
            assert await count(world, incident, "step_skipped") == 2
            assert await count(world, incident, "paged_directly") == 0
            await world.command(incident, "acknowledge", "carol")
        assert len(after) == 8
        assert {m["purpose"] for m in world.outbox()} <= {
            "page", "page_update", "role", "reminder",
        }  # fmt: skip


async def test_a_contact_over_its_limit_bundles_and_a_first_page_goes_at_once(
    tmp_path: Path,
) -> None:
    """One mail a minute: what comes meanwhile waits and leaves as one; a new incident does not wait."""
    limits = "{throttles: {email: [{count: 1, per: 3m}]}}"
    async with running(tmp_path, limits=limits) as world:
        (checkout,) = await paged(world, "checkout")
        await wait(world, 45 * SECOND)
        (search,) = await paged(world, "search")
        await wait(world, 30 * SECOND)
        (cart,) = await paged(world, "cart")
        await world.eventually(lambda: len(world.outbox("page")) == 3)
        # Checkout's second round leaves at 5:02, alone; search's would at 5:45 and cart's at 6:15.
        await wait(world, 4 * MINUTE + 20 * SECOND)
        (second,) = later(world, 3)
        assert (second["incident"], second["bundle"]) == (checkout, None)
        await wait(world, 80 * SECOND)
        assert len(world.outbox("page")) == 4
        for incident in (search, cart):
            assert await count(world, incident, "page_throttled") == 1
        api = await world.declare("api is down", service="api")
        await world.eventually(lambda: len(world.outbox("page")) == 5)
        assert later(world, 4)[0]["incident"] == api
        await wait(world, 100 * SECOND)
        bundled = [m for m in later(world, 5) if m["incident"] in (search, cart)]
        assert sorted(m["incident"] for m in bundled) == [cart, search]
        assert len({m["bundle"] for m in bundled}) == 1
        assert {m["purpose"] for m in world.outbox()} == {"page"}
        assert await count(world, search, "paged_directly", "page_failed") == 0


async def test_the_part_of_an_acknowledged_incident_is_withdrawn(
    tmp_path: Path, gathering: None
) -> None:
    """Acknowledged while its page waits for others: the others' leave, and it is not named."""
    async with running(tmp_path) as world:
        checkout, search, cart = await paged(world, "checkout", "search", "cart")
        await wait(world, 5 * MINUTE + 5 * SECOND)
        assert len(world.outbox("page")) == 3
        await world.command(checkout, "acknowledge", "alice")
        await wait(world, 60 * SECOND)
        bundled = later(world, 3)
        assert sorted(m["incident"] for m in bundled) == [cart, search]
        assert checkout not in bundled[0]["text"]
        assert await count(world, checkout, "page_sent") == 1
        assert await world.handle(contract.person_id("alice")).query("status") | {"sent": 0} == {
            "person": "alice", "waiting": [], "sent": 0, "notice": None, "refused": [],
        }  # fmt: skip


async def test_an_entity_that_gives_no_word_is_gone_past_within_thirty_seconds(
    tmp_path: Path,
) -> None:
    """Nothing carries out the entity of alice: the page goes directly in time, and the timeline says so."""
    async with running(tmp_path) as world:
        await world.client.start_workflow(
            contract.PERSON,
            contract.PersonInput(person="alice"),
            id=contract.person_id("alice"),
            task_queue="nobody-listens-here",
        )
        (checkout,) = await paged(world, "checkout")
        await wait(world, 5 * MINUTE + 35 * SECOND)
        assert len(world.outbox("page")) == 2
        sent = await world.facts(checkout, "page_sent")
        steps = await world.facts(checkout, "step_paged")
        (past,) = await world.facts(checkout, "paged_directly")
        assert past["seq"] < sent[1]["seq"]
        waited = _at(sent[1]) - _at(steps[1])
        assert 20 * SECOND < waited <= 30 * SECOND
        assert {m["purpose"] for m in world.outbox()} == {"page"}


async def test_alerts_folded_into_an_open_incident_do_not_page_again(tmp_path: Path) -> None:
    """Twenty alerts about one failure: one incident, one page, nothing else."""
    async with running(tmp_path) as world:
        await world.report(an_alert("k1"))
        await world.eventually(lambda: world.outbox("page"))
        for number in range(19):
            await world.report(an_alert(f"k{number % 5}"))

        async def folded() -> bool:
            return bool((await world.status("checkout-1"))["alert_count"] == 20)

        await world.eventually(folded)
        await wait(world, 4 * MINUTE)
        assert len(world.outbox()) == 1
        assert await world.status("checkout-2") == {}


async def test_a_changed_order_is_told_once(tmp_path: Path) -> None:
    """Checkout is put behind search: alice hears it in one message; a change without effect says nothing."""
    async with running(tmp_path) as world:
        search, checkout = [await recorded(world, name) for name in ("search", "checkout")]
        page = next(m for m in world.outbox("page") if m["incident"] == checkout)
        assert f"can wait behind {search} (SEV1)" in page["text"]
        for incident in (checkout, search):
            await world.command(incident, "acknowledge", "alice")
        await wait(world, MINUTE)
        change = {"actor": "alice", "reason": "customers leave"}
        await world.command(checkout, "set_priority", priority="P3", **change)
        await wait(world, MINUTE)
        assert world.outbox("page_update") == []  # search goes first as before
        await world.command(search, "set_priority", priority="P5", **change)
        await wait(world, MINUTE)
        (word,) = world.outbox("page_update")
        assert word["subject"] == f"{checkout} (SEV1) now goes first; {search} can wait"
        assert word["to"] == "alice@example.com"
        sent = await world.facts(search, "message_sent")
        assert [f["data"]["what"] for f in sent if "order" in f["data"]["what"]] == [
            "Word that the order has changed"
        ]
        await wait(world, 5 * MINUTE)
        assert len(world.outbox("page_update")) == 1


async def test_an_order_that_is_as_the_first_pages_said_is_not_told(tmp_path: Path) -> None:
    """Search goes first, as its page said; put behind checkout and back at once: no message at all."""
    async with running(tmp_path) as world:
        search, checkout = [await recorded(world, name) for name in ("search", "checkout")]
        for incident in (checkout, search):
            await world.command(incident, "acknowledge", "alice")
        for priority in ("P5", "P1"):
            fields = {"priority": priority, "reason": "a slip of the hand"}
            await world.command(search, "set_priority", "alice", **fields)

            async def is_noted(wanted: str = priority) -> bool:
                found = await asyncio.to_thread(world.records.incidents_of, "alice")
                return any(one.id == search and one.priority == wanted for one in found)

            await world.eventually(is_noted)
        await wait(world, 10 * MINUTE)
        assert world.outbox("page_update") == []
        assert len(world.outbox("page")) == 2


def _at(fact: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(fact["at"])

"""Stories of on-call and paging for the replays: see `record.py`, which plays and keeps them.

A workflow that is to continue as new is not queried meanwhile: on the time-skipping server a run that ends
so while a query is open stands still, its last task begun and never completed. The real server does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

import worker
from domain.messages import Delivery, DeliveryState, SendPage
from domain.on_call import on_call_at
from records.policy_store import PolicyStore
from records.roster_files import RosterFiles
from starter.temporal_setup import start_monitors
from tests.replay.stage import Stage
from tests.world import RefusedError, World, an_alert
from workflows import contract

ALICE = contract.person_id("alice")
DESK = contract.desk_id("checkout")
BACKUP = contract.heartbeat_id("backup")
INCIDENT = "checkout-1"
ALL_OF_IT = 100
"""Steps of five seconds in which anything has to have happened."""


def a_policy(steps: str, alice: str = "{channel: email, to: a@example.com}", **more: str) -> str:
    """Two services, three people; `more`: further fields of alice, and sections."""
    fields = more.pop("fields", "")
    sections = "\n".join(f"{name}: {text}" for name, text in more.items())
    return f"""version: 1
organisation: {{name: Example, timezone: UTC, catch_all: [person:carol]}}
people:
  alice: {{contacts: [{alice}]{fields}}}
  bob: {{contacts: [{{channel: email, to: b@example.com}}]}}
  carol: {{contacts: [{{channel: email, to: c@example.com}}]}}
teams: {{all: {{members: [alice, bob]}}}}
schedules: {{all: {{timezone: UTC, rotations: [{{people: [alice, bob], starts: 2026-01-05}}]}}}}
escalation_policies: {{all: {steps}}}
services:
  checkout: {{name: Checkout, escalation: all, team: all}}
  search: {{name: Search, escalation: all, team: all}}
{sections}
"""


async def until(world: World, look: Callable[[], Awaitable[Any]]) -> None:
    """Let time pass, in small steps, until something has happened."""
    for _ in range(ALL_OF_IT):
        if await look():
            return
        await world.skip(timedelta(seconds=5), step=timedelta(seconds=5))
    raise AssertionError(f"waited in vain: {[e['fact'] for e in await world.timeline(INCIDENT)]}")


async def has_fact(world: World, name: str) -> None:
    """A fact is on the timeline of the incident, sooner or later."""

    async def look() -> bool:
        return bool(await world.facts(INCIDENT, name))

    await until(world, look)


async def bundled(world: World) -> dict[str, tuple[str, int]]:
    """Two incidents page one person, round after round, as one message; what waits is taken back."""
    await world.client.start_workflow(
        contract.PERSON,
        contract.PersonInput(person="alice", roll_over_at=45),
        id=ALICE,
        task_queue=contract.TASK_QUEUE,
    )
    for service in ("checkout", "search"):
        await world.declare(f"{service} is down", service=service)
    await world.eventually(lambda: len(world.outbox("page")) == 2)

    async def both_wait() -> bool:
        return len((await world.handle(ALICE).query("status"))["waiting"]) == 2

    async def left(count: int) -> bool:
        return len(world.outbox("page")) == count

    await until(world, both_wait)
    await until(world, lambda: left(4))
    await until(world, both_wait)
    await world.command(INCIDENT, "acknowledge", "alice")
    await until(world, lambda: left(5))
    assert len(await world.runs(ALICE)) > 1
    return {
        "person-bundling": (ALICE, 0),
        "person-after-rolling": (ALICE, 1),
        "incident-paged-through-person": (INCIDENT, 0),
    }


async def held_by_maintenance(world: World) -> dict[str, tuple[str, int]]:
    """An alert in a maintenance window pages nobody; the window is ended early, and the page goes out."""
    await world.start_desk()
    change = {"minutes": 600, "reason": "new database"}
    window = (await world.command(DESK, "add_maintenance", "bob", **change))["window"]["id"]
    await world.report(an_alert())
    await world.eventually(lambda: world.status(INCIDENT))
    await has_fact(world, "in_maintenance")
    await world.command(DESK, "remove_maintenance", "bob", id=window)
    await world.eventually(lambda: world.outbox("page"))
    await has_fact(world, "maintenance_ended")
    return {"incident-held-by-maintenance": (INCIDENT, 0), "desk-in-maintenance": (DESK, 0)}


def without_receipts(built: worker.Activities) -> worker.Activities:
    """A vendor that promises a receipt for a text message and never sends one."""

    @activity.defn(name="send_page")
    async def send_page(request: SendPage) -> Delivery:
        return Delivery(
            key=request.key, recipient=f"person:{request.person}", channel=request.channel,
            state=DeliveryState.SENT, awaits_receipt=request.channel == "sms",
        )  # fmt: skip

    kept = [one for one in built.pages if one.__name__ != "send_page"]
    return replace(built, pages=[*kept, send_page])


async def unconfirmed(world: World) -> dict[str, tuple[str, int]]:
    """A plan of text message, then mail; no receipt comes, so that mail is tried, and the answer is late."""
    await world.declare()
    await has_fact(world, "page_unconfirmed")
    await until(world, lambda: _pages(world, 2))
    (sent, *_) = await world.facts(INCIDENT, "page_sent")
    late = {"key": sent["data"]["deliveries"][0]["key"], "state": "delivered"}
    await world.signal(INCIDENT, "delivery_receipt", late)
    await has_fact(world, "page_delivered")
    await world.command(INCIDENT, "acknowledge", "alice")
    return {"incident-unconfirmed": (INCIDENT, 0)}


async def _pages(world: World, count: int) -> bool:
    return len(await world.facts(INCIDENT, "page_sent")) == count


async def silent(world: World) -> dict[str, tuple[str, int]]:
    """Acknowledged and then silent: a question, no answer, and the next step is paged."""
    await world.declare(severity="SEV2")
    await world.eventually(lambda: world.outbox("page"))
    await world.command(INCIDENT, "acknowledge", "alice")
    await has_fact(world, "sign_of_life_asked")
    await has_fact(world, "unacknowledged")
    await world.eventually(lambda: len(world.outbox("page")) == 2)
    return {"incident-unacknowledged": (INCIDENT, 0)}


async def late_and_back(world: World) -> dict[str, tuple[str, int]]:
    """Beats, none for too long, an alert; a beat again, and the alert clears."""
    await start_monitors(world.client, PolicyStore(world.data).current()[1])
    for _ in range(2):
        await world.signal(BACKUP, "beat", {})
        await world.skip(timedelta(seconds=40), step=timedelta(seconds=40))
    await until(world, lambda: _is(world, "late"))
    await world.eventually(lambda: world.outbox("page"))
    await world.signal(BACKUP, "beat", {})
    await until(world, lambda: _is(world, "alive"))
    await has_fact(world, "resolved")
    return {"heartbeat-late-and-back": (BACKUP, 0)}


async def _is(world: World, state: str) -> bool:
    return bool((await world.handle(BACKUP).query("status"))["state"] == state)


async def roster_changed(world: World) -> dict[str, tuple[str, int]]:
    """Override, swap, refusal, removal, a contact switched off; it continues as new on the way."""
    await world.client.start_workflow(
        contract.ROSTER,
        contract.RosterInput(roll_over_at=45),
        id=contract.ROSTER_ID,
        task_queue=contract.TASK_QUEUE,
    )
    now = datetime.now(UTC).replace(microsecond=0)
    hours = {n: (now + timedelta(hours=n)).isoformat() for n in (1, 3, 5)}
    turns = PolicyStore(world.data).current()[1].schedules["all"]
    (first,) = {duty.person for duty in on_call_at(turns, now + timedelta(hours=2)).on}
    second = {"alice": "bob", "bob": "alice"}[first]

    async def change(name: str, **body: Any) -> None:
        await world.command(contract.ROSTER_ID, name, "carol", schedule="all", **body)

    def held(count: int) -> bool:
        return len(RosterFiles(world.data / "policy").roster().entries) == count

    later, soon = {"from": hours[3], "to": hours[5]}, {"from": hours[1], "to": hours[3]}
    await change("add_override", person="carol", **later)
    await world.signal(
        contract.ROSTER_ID, "swap", {"schedule": "all", "person": first, "with": second, **soon}
    )
    await world.eventually(lambda: held(3))
    with suppress(RefusedError):
        await change("add_override", person="bob", **later)
    await world.command(contract.ROSTER_ID, "remove_override", "carol", id="o1")
    await world.command(
        contract.ROSTER_ID, "set_contact", person="bob", channel="email", enabled=False
    )
    for number in range(3):
        await change("add_override", person="carol", also=True, key=f"k{number}", **later)
    assert len(await world.runs(contract.ROSTER_ID)) > 1
    return {
        "roster-changed": (contract.ROSTER_ID, 0),
        "roster-after-rolling": (contract.ROSTER_ID, 1),
    }


ROUNDS = "{repeat: 50, repeat_after: 2m, steps: [{page: [person:alice]}]}"
CLIMB = "{repeat: 2, steps: [{page: [person:alice]}, {page: [person:bob], after: 5m}]}"
PLAN = ", contact_rules: [{contacts: [{use: sms}, {use: email, after: 2m}]}]"
SILENCE = "{sign_of_life: {remind_after: 2m, unacknowledge_after: 1m}, confirm_within: 10h}"
BEATS = "{backup: {every: 1m, grace: 10s, service: checkout, severity: SEV1, on_return: resolve}}"

PAGING_STORIES = {
    bundled: Stage(policy=a_policy(ROUNDS)),
    held_by_maintenance: Stage(policy=a_policy(CLIMB)),
    unconfirmed: Stage(
        policy=a_policy(
            CLIMB,
            '{channel: sms, to: "+15550100"}, {channel: email, to: a@example.com}',
            fields=PLAN,
        ),
        activities=without_receipts,
    ),
    silent: Stage(policy=a_policy(CLIMB, limits=SILENCE)),
    late_and_back: Stage(policy=a_policy(CLIMB, heartbeats=BEATS)),
    roster_changed: Stage(policy=a_policy(CLIMB)),
}

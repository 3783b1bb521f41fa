"""Records the histories that every release must replay: `python -m tests.replay.record [STORY...]`.

Short stories on a time-skipping server, one history for each path through a workflow. Run it by hand,
before a first release, or with the story's name to add a path; a history of a released version is never
recorded anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from domain.reporting import Report, Said, report_id
from domain.subscribers import SubscriberKind
from records.reporters import Reporters
from records.subscribers import SubscriberBook
from tests.replay.paging_stories import PAGING_STORIES
from tests.replay.room_stories import ROOM_STORIES
from tests.replay.stage import Stage
from tests.replay.triage_stories import TRIAGE_STORIES
from tests.world import EXAMPLE, World, an_alert
from workflows import contract

HERE = Path(__file__).parent
NOT_KEPT = (
    "identity",
    "requestId",
    "stickyAttributes",
    "binaryChecksum",
    "stackTrace",
    "historySizeBytes",
)
"""Of the machine that recorded, and without weight for a replay."""

Story = Callable[[World], Awaitable[dict[str, tuple[str, int]]]]
"""Plays, and answers with the paths that were walked: name -> (workflow id, number of the run)."""


async def closed_with_postmortem(world: World) -> dict[str, tuple[str, int]]:
    """Acknowledged, confirmed, informed, delegated, resolved, reopened, resolved; actions until done."""
    incident = await world.declare()
    await world.command(incident, "acknowledge", "alice")
    await world.eventually(lambda: world.outbox("role"))
    await world.command(incident, "assess", "alice", confirmed=True, symptoms="timeouts")
    await world.eventually(lambda: world.outbox("external_update"))
    await world.command(incident, "delegate", "alice", role="communications_manager", to="bob")
    await world.command(incident, "accept_role", "bob", role="communications_manager")
    await world.command(
        incident, "publish_update", "bob", audience="external", text="We look at it"
    )
    await world.signal(incident, "note", {"actor": "bob", "text": "pool is full"})
    await world.signal(incident, "no_such_command", {"actor": "bob"})
    await world.skip(timedelta(minutes=25))
    await world.command(incident, "resolve", "alice", summary="larger pool")
    await world.eventually(lambda: world.outbox("postmortem"))
    await world.command(incident, "reopen", "alice", reason="it is back")
    await world.command(incident, "resolve", "alice", summary="much larger pool")
    pm = f"{incident}/postmortem"
    await world.eventually(lambda: world.facts(pm, "resolved_again"))
    await world.skip(timedelta(days=3, hours=1), step=timedelta(hours=12))
    await world.postmortem(incident, "edit", "alice", fields={"root_cause": "too few connections"})
    await world.postmortem(incident, "add_action", "alice", text="Alert on the pool", owner="bob")
    await world.postmortem(incident, "submit", "alice")
    await world.postmortem(incident, "approve", "carol")
    await world.skip(timedelta(days=22), step=timedelta(days=2))
    await world.postmortem(incident, "complete_action", "bob", action="a1")
    await world.postmortem(incident, "close", "alice")
    await world.eventually(lambda: _has(world, incident, "closed"))
    await _ended(world, incident)
    return {
        "incident-closed": (incident, 0),
        "postmortem-with-actions": (pm, 0),
        "desk-declaring": ("desk/checkout", 0),
    }


async def escalated_and_exhausted(world: World) -> dict[str, tuple[str, int]]:
    """Nobody answers: steps, rounds, catch-all; then an expert is called, and somebody takes it."""
    incident = await world.declare(severity="SEV2")
    await world.skip(timedelta(minutes=80))
    await world.command(incident, "escalate", to="person:dana", reason="knows the database")
    await world.eventually(lambda: _paged(world, "dana"))
    await world.command(incident, "acknowledge", "dana")
    await world.eventually(lambda: world.outbox("page_update"))
    await world.command(incident, "resolve", "dana", summary="failed over")
    await world.eventually(lambda: world.outbox("postmortem"))
    return {"incident-exhausted": (incident, 0)}


async def cancelled(world: World) -> dict[str, tuple[str, int]]:
    """A false alarm by night that waited for working hours, made worse and cancelled."""
    incident = await world.declare(severity="SEV3")
    await world.eventually(lambda: world.facts(incident, "page_held", "step_paged"))
    await world.command(incident, "set_severity", "carol", severity="SEV1", reason="worse")
    await world.eventually(lambda: world.outbox("page"))
    await world.command(incident, "cancel", "carol", reason="false alarm")
    await _ended(world, incident)
    return {"incident-cancelled": (incident, 0)}


async def rolled_over(world: World) -> dict[str, tuple[str, int]]:
    """Continued as new with commands all the while."""
    incident = await world.declare()
    await world.command(incident, "acknowledge", "alice", key="first")
    for number in range(14):
        await world.command(incident, "note", "alice", text=f"note {number}")
    await world.command(incident, "acknowledge", "alice", key="first")
    await world.command(incident, "resolve", "alice", summary="fixed")
    await world.eventually(lambda: world.outbox("postmortem"))
    return {"incident-rolled-over": (incident, 0), "incident-after-rolling": (incident, 1)}


async def folding(world: World) -> dict[str, tuple[str, int]]:
    """Alerts raise, join, clear, come too late, and raise a related incident; the desk rolls over."""
    await world.report(an_alert("a", severity="SEV3"))
    await world.eventually(lambda: _has(world, "checkout-1", "raised"))
    await world.report(an_alert("a", severity="SEV3"), an_alert("b"))
    await world.report(an_alert("b", status="resolved"))
    await world.eventually(lambda: world.facts("checkout-1", "alert_partly_cleared"))
    await world.command("checkout-1", "resolve", "alice", summary="fixed")
    late = an_alert("a").model_dump(mode="json")
    await world.signal("checkout-1", "alerts", [late])
    await world.eventually(lambda: _has(world, "checkout-2", "raised"))
    await world.report(an_alert("c"), an_alert("d"), fold="key")
    await world.eventually(lambda: _has(world, "checkout-4", "raised"))
    for _ in range(20):
        await world.report(an_alert("c"))

    async def has_rolled() -> bool:
        return len(await world.runs("desk/checkout")) > 1

    await world.eventually(has_rolled)
    await world.report(an_alert("c"), an_alert("e"), fold="key")
    await world.eventually(lambda: _has(world, "checkout-5", "raised"))
    await world.declare("Something else")
    return {
        "incident-with-alerts": ("checkout-1", 0),
        "desk-folding": ("desk/checkout", 0),
        "desk-after-rolling": ("desk/checkout", 1),
    }


async def reported(world: World) -> dict[str, tuple[str, int]]:
    """A report waits, is reminded of, becomes an incident, and its end is told."""
    ref = "R-7K3M9QX2"
    said = Said(service="checkout", summary="I cannot pay", has_address=True)
    Reporters(world.data).keep(ref, "kim@example.com")
    await world.client.start_workflow(
        contract.REPORT,
        contract.ReportInput(report=Report(ref=ref, said=said, received_at=await world.now())),
        id=report_id(ref),
        task_queue=contract.TASK_QUEUE,
    )
    await world.eventually(lambda: len(world.outbox("report")) >= 2)
    await world.skip(timedelta(minutes=16))
    incident = await world.declare("Cards are refused")
    handle = world.handle(report_id(ref))
    await handle.execute_update("decide", {"actor": "alice", "incident": incident})
    await world.command(incident, "cancel", "alice", reason="false alarm")
    await world.skip(timedelta(minutes=5))
    await _ended(world, report_id(ref))
    return {"report-confirmed": (report_id(ref), 0)}


async def held_for_cause(world: World) -> dict[str, tuple[str, int]]:
    """The database is down: checkout and search wait; one is asked about, and pages at the end."""
    for service in ("database", "checkout", "search"):
        await world.report(an_alert(f"{service}-down", service=service), service=service)
        await world.eventually(lambda one=service: _has(world, f"{one}-1", "raised"))
        await world.eventually(lambda: world.outbox("page"))
    await world.eventually(lambda: world.facts("database-1", "dependent_collected"))
    await world.skip(timedelta(minutes=6), timedelta(minutes=1))
    cleared = an_alert("search-down", service="search", status="resolved")
    await world.report(cleared, service="search")
    await world.eventually(lambda: world.facts("search-1", "alert_cleared"))
    await world.command("database-1", "resolve", "carol", summary="failed over")
    await world.eventually(lambda: world.facts("checkout-1", "page_sent"))
    await world.eventually(lambda: world.facts("search-1", "cause_ended"))
    return {
        "incident-held-for-cause": ("checkout-1", 0),
        "incident-with-dependents": ("database-1", 0),
    }


async def a_storm(world: World) -> dict[str, tuple[str, int]]:
    """Past the limit: folded, cleared in part, resolved, and what still fires comes back to its desk."""
    services = ("checkout", "search", "database")
    for service in services:
        await world.report(an_alert(f"{service}-down", service=service), service=service)
    await world.eventually(lambda: _has(world, "unknown-1", "raised"))

    async def folded() -> bool:
        return len(await world.facts("unknown-1", "alert_folded")) == 2

    await world.eventually(folded)
    folded_services = [one for one in services if not await world.status(f"{one}-1")]
    await world.command("unknown-1", "resolve", "carol", summary="the network is back")
    await world.eventually(lambda: _has(world, "unknown-2", "raised"))
    await world.skip(timedelta(minutes=20), timedelta(minutes=1))
    return {
        "storm-of-an-integration": ("storm/prometheus", 0),
        "storm-incident": ("unknown-1", 0),
        "desk-in-a-storm": (f"desk/{folded_services[0]}", 0),
    }


async def subscribed(world: World) -> dict[str, tuple[str, int]]:
    """Somebody asks for updates and does not confirm: asked once, and forgotten after two days."""
    book = SubscriberBook(world.records.engine)
    asked = book.ask("reader-kim", SubscriberKind.EMAIL, "kim@example.com", None, await world.now())
    workflow_id = f"subscription/{asked.id}/1"
    await world.client.start_workflow(
        contract.SUBSCRIPTION,
        contract.SubscriptionInput(subscriber=asked.id),
        id=workflow_id,
        task_queue=contract.TASK_QUEUE,
    )
    await world.eventually(lambda: world.outbox("subscription"))
    await world.skip(timedelta(hours=48, minutes=2))
    await _ended(world, workflow_id)
    assert book.find(asked.id) is None
    return {"subscription-unconfirmed": (workflow_id, 0)}


STORIES: dict[Story, Stage] = {
    closed_with_postmortem: Stage(),
    escalated_and_exhausted: Stage(),
    cancelled: Stage(),
    rolled_over: Stage(limits={"incident": 70}),
    folding: Stage(limits={"desk": 40}),
    held_for_cause: Stage(),
    a_storm: Stage(
        policy=EXAMPLE.read_text(encoding="utf-8")
        .replace("limits: {", "limits: {storm: 1, ")
        .replace("depends_on: [database]", "depends_on: []")
    ),
    reported: Stage(),
    subscribed: Stage(),
    **PAGING_STORIES,
    **TRIAGE_STORIES,
    **ROOM_STORIES,
}
"""Each with where it is played."""

PATHS = (
    "incident-closed",
    "incident-exhausted",
    "incident-cancelled",
    "incident-rolled-over",
    "incident-after-rolling",
    "incident-with-alerts",
    "postmortem-with-actions",
    "desk-declaring",
    "desk-folding",
    "desk-after-rolling",
    "person-bundling",
    "person-after-rolling",
    "incident-paged-through-person",
    "incident-held-by-maintenance",
    "desk-in-maintenance",
    "incident-unconfirmed",
    "incident-unacknowledged",
    "heartbeat-late-and-back",
    "roster-changed",
    "roster-after-rolling",
    "report-confirmed",
    "subscription-unconfirmed",
    "desk-grouping",
    "desk-grouping-after-rolling",
    "incident-flapping",
    "incident-held-for-cause",
    "incident-with-dependents",
    "storm-of-an-integration",
    "storm-incident",
    "desk-in-a-storm",
    "incident-with-room",
    "incident-with-room-after-rolling",
    "incident-cancelling-timers",
)
"""The last one no story makes any more: its run cancelled timers that were about to fire, see
`workflows/alarm.py`. It was recorded with the code from before, and is kept."""


async def _has(world: World, incident: str, status: str) -> bool:
    return (await world.status(incident)).get("status") == status


async def _paged(world: World, person: str) -> bool:
    return any(person in m["to"] for m in world.outbox("page"))


async def _ended(world: World, workflow: str) -> None:
    async def look() -> bool:
        return (await world.handle(workflow).describe()).close_time is not None

    await world.eventually(look)


def without_machine(value: Any) -> Any:
    """A history's JSON without what tells of the machine that recorded it."""
    if isinstance(value, dict):
        return {k: without_machine(v) for k, v in value.items() if k not in NOT_KEPT}
    if isinstance(value, list):
        return [without_machine(item) for item in value]
    return value


def _one_event_a_line(kept: dict[str, Any]) -> str:
    events = ",\n".join(json.dumps(event, sort_keys=True) for event in kept["history"]["events"])
    return f'{{"workflow_id": "{kept["workflow_id"]}", "history": {{"events": [\n{events}\n]}}}}\n'


async def record(target: Path, names: Sequence[str] = ()) -> list[Path]:
    """Play every story, or those of these names, and write its histories."""
    written = []
    known = {story.__name__ for story in STORIES}
    assert known >= set(names), f"the stories are {', '.join(sorted(known))}"
    for story, stage in STORIES.items():
        if names and story.__name__ not in names:
            continue
        with tempfile.TemporaryDirectory() as data:
            async with stage.world(Path(data)) as world:
                for name, (workflow, number) in (await story(world)).items():
                    described = await world.handle(workflow).describe()
                    first = described.raw_info.first_run_id or described.run_id
                    run = await _run(world, workflow, first, number)
                    handle = world.client.get_workflow_handle(workflow, run_id=run)
                    history = json.loads((await handle.fetch_history()).to_json())
                    file = target / f"{name}.json"
                    kept = {"workflow_id": workflow, "history": without_machine(history)}
                    file.write_text(_one_event_a_line(kept))
                    written.append(file)
    return written


async def _run(world: World, workflow: str, first: str, number: int) -> str:
    """The id of a workflow's run, counted from 0."""
    run = first
    for _ in range(number):
        handle = world.client.get_workflow_handle(workflow, run_id=run)
        last = [event async for event in handle.fetch_history_events()][-1]
        run = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return run


if __name__ == "__main__":
    for path in asyncio.run(record(HERE, sys.argv[1:])):
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")
    sys.stdout.flush()
    # A process that has held a Temporal client may abort while the interpreter ends.
    os._exit(0)

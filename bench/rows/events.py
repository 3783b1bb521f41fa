"""History events of the reference incident, against a workflow with a signal and an activity for each step.

The 17 steps: a page, its acknowledgement, two channels opened, the assessment, six notes, an expert
called in, a role delegated, three updates, the resolution. The channels, and the initial updates to both
audiences, leave by themselves; the naive workflow is told each by a signal. The commands come slower
than facts are batched, as people type, so that no batching flatters us.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from typing import Any

from temporalio.client import Client

from bench.bare import BARE_QUEUE, NaiveIncident
from bench.measure import Result, Round, Row, judge_ratio
from bench.system import BenchError, System
from workflows.contract import desk_id, postmortem_id

ROW = Row(
    "reference-incident-events",
    "history events of the reference incident, 17 steps",
    "a naive workflow with one signal and one activity for each step",
    must=0.7,
    aim=0.5,
)
ROWS = (ROW,)

ROUNDS = 3
STEPS = 17
PACE_SECONDS = 1.6
"""Between two commands; longer than the records wait for company."""
NAIVE_PACE_SECONDS = 0.25
QUIET_SECONDS = 4.0

Command = tuple[str, str, dict[str, Any]]
STORY: tuple[Command, ...] = (
    ("acknowledge", "ana", {}),
    (
        "assess",
        "ana",
        {
            "customer_impact": "38% of checkouts fail",
            "employee_impact": "none",
            "symptoms": "an error page after 'Pay now'",
            "affected": "some",
            "confirmed": True,
        },
    ),
    ("observe", "ana", {"text": "Connection pool of orders-db is at 100%"}),
    ("note", "ana", {"text": "The 14:00 deploy touched the pool"}),
    ("note", "ana", {"text": "Asking the database people"}),
    ("escalate", "ana", {"to": "person:ben", "reason": "the orders database looks slow"}),
    ("delegate", "ana", {"role": "tech_lead", "to": "ben"}),
    ("observe", "ben", {"text": "Queries are fast; connections are not given back"}),
    ("note", "ben", {"text": "Rolling back the 14:00 deploy"}),
    ("publish_update", "ana", {"audience": "internal", "text": "Cause found, rolling back."}),
    ("note", "ben", {"text": "Rolled back, errors stop"}),
    ("resolve", "ana", {"summary": "The 14:00 deploy was rolled back"}),
)


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """All rounds side by side: events are counted, not timed."""
    await system.add_services(rounds)
    services = [system.next_service() for _ in range(rounds)]
    ours = await asyncio.gather(*(_incident(system, service) for service in services))
    naive = await asyncio.gather(
        *(_naive(system.client, f"naive-{index}") for index in range(rounds))
    )
    counted = [
        Round(sum(mine.values()), sum(theirs.values()), sum(theirs.values()))
        for mine, theirs in zip(ours, naive, strict=True)
    ]
    beside = [
        sum((await history(system.client, workflow)).values())
        for workflow in (desk_id(services[0]), postmortem_id(f"{services[0]}-1"))
    ]
    middle = statistics.median(one.ours for one in counted)
    notes = [
        f"ours {middle:.0f} events, naive {counted[0].floor:.0f}",
        f"beside it: the desk {beside[0]}, the postmortem so far {beside[1]}",
        "by type: " + ", ".join(f"{name} {count}" for name, count in ours[0].most_common()),
    ]
    return [judge_ratio(ROW, counted, notes)]


async def _incident(system: System, service: str) -> Counter[str]:
    incident = f"{service}-1"
    status, body = await system.intake_once(system.alert_request(service))
    if status != 202:
        raise BenchError(f"intake answered {status}: {body[:300]!r}")
    await system.receiver.first(incident)
    for name, actor, fields in STORY:
        await asyncio.sleep(PACE_SECONDS)
        body_of = {"actor": actor, **fields}
        await asyncio.to_thread(system.api.command, incident, name, body_of)
    return await _quiet(system.client, incident)


async def _quiet(client: Client, workflow: str) -> Counter[str]:
    """The history once nothing has been added for a while."""
    before: Counter[str] = Counter()
    while True:
        await asyncio.sleep(QUIET_SECONDS)
        now = await history(client, workflow)
        if now == before:
            return now
        before = now


async def _naive(client: Client, workflow: str) -> Counter[str]:
    handle = await client.start_workflow(
        NaiveIncident.run, STEPS, id=workflow, task_queue=BARE_QUEUE
    )
    for index in range(STEPS):
        await asyncio.sleep(NAIVE_PACE_SECONDS)
        await handle.signal(NaiveIncident.step, f"step {index + 1}")
    await handle.result()
    return await history(client, workflow)


async def history(client: Client, workflow: str) -> Counter[str]:
    """Events of a workflow's latest run, by type."""
    fetched = await client.get_workflow_handle(workflow).fetch_history()
    return Counter(_type_of(event) for event in fetched.events)


def _type_of(event: Any) -> str:
    field: str = event.WhichOneof("attributes")
    return field.removesuffix("_event_attributes")

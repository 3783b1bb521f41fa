"""A thousand escalations due in one second, against a thousand bare timers with the same activity.

The incidents wait in the server with their second step due at one instant; so do the bare workflows, a
while later. What counts is how long after that instant each page arrives.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.common import TypedSearchAttributes

from bench.bare import BARE_QUEUE, BareTimer, Due, Message
from bench.machine import CpuMeter
from bench.measure import Result, Round, Row, judge_ratio, quantile
from bench.system import BenchError, System
from domain.aggregate import Aggregate
from domain.alert import Alert, AlertStatus
from domain.incident import Incident
from domain.policy.slice import slice_for
from domain.raising import Origin, raise_incident
from records.policy_store import PolicyStore
from workflows import contract

ROW = Row(
    "escalations-at-once-p99",
    "1,000 escalations due in one second: due to page, p99",
    "1,000 bare timers with one remote activity that posts to the same receiver",
    must=1.3,
    aim=1.0,
)
ROWS = (ROW,)

ROUNDS = 2
COUNT = 1000
AT_ONCE = 32
"""Starts in flight."""
LEAD_SECONDS = 25.0
"""From the first start to the instant at which all are due: starting them takes part of it."""
WITHIN_SECONDS = 120.0
SETTLE_SECONDS = 6.0


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Ours and the bare ones in turns."""
    await system.add_services(1)
    service = system.next_service()
    version, policy = PolicyStore(system.data).current()
    pinned = slice_for(policy, service, "default", version)
    meters = [CpuMeter(system.pids), CpuMeter(system.pids)]
    taken: list[Round] = []
    for index in range(rounds):

        async def ours(number: int, due: datetime, index: int = index) -> str:
            incident = _waiting(f"{service}-{index + 1}{number:04}", pinned, due)
            await system.client.start_workflow(
                contract.INCIDENT,
                contract.IncidentInput(
                    id=incident.id,
                    policy=pinned,
                    carried=contract.Carried(state=contract.snapshot(incident)),
                ),
                id=incident.id,
                task_queue=contract.TASK_QUEUE,
                task_timeout=contract.TASK_TIMEOUT,
                search_attributes=TypedSearchAttributes([]),
            )
            return incident.id

        async def bare(number: int, due: datetime, index: int = index) -> str:
            key = f"timer-{index}-{number}"
            await system.client.start_workflow(
                BareTimer.run,
                Due(Message(key, "Checkout returns 5xx for 38% of requests"), due.timestamp()),
                id=key,
                task_queue=BARE_QUEUE,
            )
            return key

        samples = []
        for start, meter in ((ours, meters[0]), (bare, meters[1])):
            due = datetime.now(UTC) + timedelta(seconds=LEAD_SECONDS)
            keys = await _start_all(start, due)
            with meter:
                samples.append(await _arrivals(system, keys, due))
                await asyncio.sleep(SETTLE_SECONDS)
        taken.append(
            Round(
                quantile(samples[0], 0.99),
                quantile(samples[1], 0.99),
                quantile(samples[1], 0.5),
            )
        )
    notes = [
        ", ".join(f"ours {one.ours:.1f} s, bare {one.floor:.1f} s" for one in taken),
        f"CPU for each: {meters[0].per(rounds * COUNT)}; bare: {meters[1].per(rounds * COUNT)}",
    ]
    return [judge_ratio(ROW, taken, notes)]


def _waiting(incident_id: str, pinned: object, due: datetime) -> Incident:
    """An incident whose first step has been paged a while ago, and whose second is due then."""
    at = datetime.now(UTC)
    alert = Alert(
        id=incident_id,
        key="fingerprint",
        status=AlertStatus.FIRING,
        integration="bench",
        service=pinned.service,  # type: ignore[attr-defined]
        severity="SEV1",
        summary="Checkout returns 5xx for 38% of requests",
        received_at=at,
    )
    incident, facts = raise_incident(
        incident_id,
        Origin(alerts=[alert], received_at=at),
        pinned,  # type: ignore[arg-type]
        f"http://127.0.0.1/i/{incident_id}",
        at,
    )
    for fact in facts:
        Aggregate.record(incident, fact, at)
    run = incident.pages[0]
    run.step, run.due_at, run.last_paged_at, run.reached_round = 1, due, at, 1
    run.paged = ["ana"]
    return incident


async def _start_all(start: object, due: datetime) -> list[str]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str:
        async with gate:
            return await start(number, due)  # type: ignore[operator,no-any-return]

    keys = await asyncio.gather(*(one(number) for number in range(COUNT)))
    if datetime.now(UTC) > due - timedelta(seconds=2):
        raise BenchError("starting a thousand workflows took too long for them to be due at once")
    return list(keys)


async def _arrivals(system: System, keys: list[str], due: datetime) -> list[float]:
    """How long after the instant each message arrived. Units: seconds."""
    await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
    at = system.receiver.now()
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            return [await system.receiver.first(key, WITHIN_SECONDS) - at for key in keys]
    except TimeoutError:
        missing = sum(not system.receiver.arrived.get(key) for key in keys)
        raise BenchError(f"{missing} of {len(keys)} pages did not arrive in time") from None

"""From alert to page, and from alert to the durable answer: one at a time, in turns with a bare workflow."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.bare import BARE_QUEUE, BareWorkflow, Message
from bench.machine import CpuMeter
from bench.measure import Result, Round, Row, judge_ratio, quantile
from bench.system import BenchError, System

P50 = Row(
    "page-latency-p50",
    "alert POST to the page at the provider, p50",
    "bare workflow with one remote activity that posts to the same receiver",
    must=2.0,
    aim=1.6,
)
P99 = Row(
    "page-latency-p99", "alert POST to the page at the provider, p99", "its p99", must=2.0, aim=1.5
)
ACCEPT = Row(
    "durable-accept-p50",
    "alert POST to 202, the alert being on disk, p50",
    "a bare start call",
    must=2.5,
    aim=1.5,
)
ROWS = (P50, P99, ACCEPT)

ROUNDS = 4
SAMPLES = 60
WARM_UP = 15
PAUSE_SECONDS = 0.06
"""Between two: what follows a page by itself is mostly over."""
SETTLE_SECONDS = 1.8
"""Between ours and the floor: until nothing of ours is left to do."""


@dataclass(frozen=True)
class Sample:
    """One operation. Units: milliseconds."""

    accepted: float
    arrived: float


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Measure the three rows at once."""
    await system.add_services(rounds * SAMPLES + WARM_UP)
    count = 0

    async def ours() -> Sample:
        service = system.next_service()
        request = system.alert_request(service)
        began = time.perf_counter()
        status, body = await system.intake.send(request)
        accepted = time.perf_counter()
        if status != 202:
            raise BenchError(f"intake answered {status}: {body[:300]!r}")
        arrived = await system.receiver.first(f"{service}-1")
        return Sample((accepted - began) * 1000, (arrived - began) * 1000)

    async def bare() -> Sample:
        nonlocal count
        count += 1
        key = f"bare-{count}"
        message = Message(key, "Checkout returns 5xx for 38% of requests")
        began = time.perf_counter()
        await system.client.start_workflow(BareWorkflow.run, message, id=key, task_queue=BARE_QUEUE)
        accepted = time.perf_counter()
        arrived = await system.receiver.first(key)
        return Sample((accepted - began) * 1000, (arrived - began) * 1000)

    await _block(ours, WARM_UP)
    await _block(bare, WARM_UP)
    meters = [CpuMeter(system.pids), CpuMeter(system.pids)]
    taken: list[tuple[list[Sample], list[Sample]]] = []
    for _ in range(rounds):
        with meters[0]:
            our_samples = await _block(ours, SAMPLES)
        with meters[1]:
            bare_samples = await _block(bare, SAMPLES)
        taken.append((our_samples, bare_samples))
    done = rounds * SAMPLES
    cpu = [f"CPU per alert: {meters[0].per(done)}", f"CPU per bare: {meters[1].per(done)}"]
    return [
        _result(P50, taken, lambda s: s.arrived, 0.5, cpu),
        _result(P99, taken, lambda s: s.arrived, 0.99, []),
        _result(ACCEPT, taken, lambda s: s.accepted, 0.5, []),
    ]


async def _block(operation: Callable[[], Awaitable[Sample]], count: int) -> list[Sample]:
    samples = []
    for _ in range(count):
        samples.append(await operation())
        await asyncio.sleep(PAUSE_SECONDS)
    await asyncio.sleep(SETTLE_SECONDS)
    return samples


def _result(
    row: Row,
    taken: list[tuple[list[Sample], list[Sample]]],
    part: Callable[[Sample], float],
    share: float,
    notes: list[str],
) -> Result:
    rounds = [
        Round(
            quantile(map(part, ours), share),
            quantile(map(part, bare), share),
            quantile(map(part, bare), 0.5),
        )
        for ours, bare in taken
    ]
    ours = statistics.median(one.ours for one in rounds)
    floor = statistics.median(one.floor for one in rounds)
    times = f"ours {ours:.1f} ms, floor {floor:.1f} ms, medians of {len(rounds)} rounds"
    return judge_ratio(row, rounds, [times, *notes])

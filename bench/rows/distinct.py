"""A thousand alerts on a thousand services: a thousand incidents, each with its page."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.bare import BARE_QUEUE, BareWorkflow, Message
from bench.machine import CpuMeter
from bench.measure import Result, Round, Row, judge_ratio
from bench.system import BenchError, System

ROW = Row(
    "distinct-alerts-rate",
    "1,000 alerts on 1,000 services: incidents raised and paged per second, storms not folded",
    "1,000 bare workflows with one activity, 32 at a time",
    must=0.5,
    aim=0.8,
    better="higher",
)
ROWS = (ROW,)

ROUNDS = 2
COUNT = 1000
AT_ONCE = 32
TIMEOUT_SECONDS = 240.0
SETTLE_SECONDS = 5.0


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Ours and the floor in turns. Both have warmed up in the rows before."""
    await system.add_services(rounds * COUNT)
    meters = [CpuMeter(system.pids), CpuMeter(system.pids)]
    found: list[Round] = []
    for index in range(rounds):
        services = [system.next_service() for _ in range(COUNT)]
        with meters[0]:
            ours = await _rate(system, services, lambda name: _alert(system, name), "{}-1")
        keys = [f"distinct-{index}-{number}" for number in range(COUNT)]
        with meters[1]:
            floor = await _rate(system, keys, lambda key: _bare(system, key), "{}")
        found.append(Round(ours, floor, floor))
    ours_middle = statistics.median(one.ours for one in found)
    floor_middle = statistics.median(one.floor for one in found)
    notes = [
        f"ours {ours_middle:.0f}/s, the floor {floor_middle:.0f}/s",
        f"CPU per alert: {meters[0].per(rounds * COUNT)}",
        f"CPU per bare: {meters[1].per(rounds * COUNT)}",
    ]
    return [judge_ratio(ROW, found, notes)]


async def _rate(
    system: System, names: Sequence[str], start: Callable[[str], Awaitable[None]], key: str
) -> float:
    """From the first start to the last page, per second."""
    waiting = iter(names)

    async def work() -> None:
        for name in waiting:
            await start(name)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    pages = [await system.receiver.first(key.format(name), TIMEOUT_SECONDS) for name in names]
    await asyncio.sleep(SETTLE_SECONDS)
    return len(names) / (max(pages) - began)


async def _alert(system: System, service: str) -> None:
    status, body = await system.intake_once(system.alert_request(service))
    if status != 202:
        raise BenchError(f"intake answered {status}: {body[:300]!r}")


async def _bare(system: System, key: str) -> None:
    message = Message(key, "Checkout returns 5xx for 38% of requests")
    await system.client.start_workflow(BareWorkflow.run, message, id=key, task_queue=BARE_QUEUE)

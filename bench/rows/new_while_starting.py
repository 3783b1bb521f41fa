"""Twenty new SEV1 while a thousand other incidents are still starting: the worst page counts."""

from __future__ import annotations

import asyncio
import statistics
import time

from bench.measure import Result, Row, Verdict, quantile
from bench.system import BenchError, System

ROW = Row(
    "page-while-starting-worst",
    "each of 20 new SEV1 while 1,000 others are still starting: alert POST to page, the worst",
    "a second; absolute, so read it with the machine in mind",
    must=1000,
    aim=250,
    unit=" ms",
)
ROWS = (ROW,)

ROUNDS = 3
OTHERS = 1000
NEW = 20
AT_ONCE = 32
"""Senders of the others."""
HEAD_START_SECONDS = 0.5
BETWEEN_SECONDS = 0.1


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Each round on services of its own."""
    await system.add_services(rounds * (OTHERS + NEW))
    worst: list[float] = []
    notes = []
    for _ in range(rounds):
        others = [system.next_service() for _ in range(OTHERS)]
        new = [system.next_service() for _ in range(NEW)]
        storm = asyncio.create_task(_storm(system, others))
        await asyncio.sleep(HEAD_START_SECONDS)
        latencies = []
        for service in new:
            latencies.append(asyncio.create_task(_page(system, service)))
            await asyncio.sleep(BETWEEN_SECONDS)
        found = await asyncio.gather(*latencies)
        still_starting = not storm.done()
        await storm
        for service in others:
            await system.receiver.first(f"{service}-1", 120.0)
        worst.append(max(found))
        notes.append(
            f"worst {max(found):.0f} ms, middle {quantile(found, 0.5):.0f} ms"
            + (
                ""
                if still_starting
                else "; the others had all been accepted before the last of them"
            )
        )
    value = statistics.median(worst)
    verdict = Verdict.HOLDS if ROW.meets(value, ROW.must) else Verdict.FAILS
    shown = [{"worst": one} for one in worst]
    return [Result(ROW, value, (min(worst), max(worst)), verdict, "", shown, notes)]


async def _storm(system: System, services: list[str]) -> None:
    waiting = list(services)

    async def work() -> None:
        while waiting:
            status, body = await system.intake_once(system.alert_request(waiting.pop(), "error"))
            if status != 202:
                raise BenchError(f"intake answered {status}: {body[:300]!r}")

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _page(system: System, service: str) -> float:
    began = time.perf_counter()
    status, body = await system.intake_once(system.alert_request(service))
    if status != 202:
        raise BenchError(f"intake answered {status}: {body[:300]!r}")
    return (await system.receiver.first(f"{service}-1", 60.0) - began) * 1000

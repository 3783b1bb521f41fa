"""A thousand alerts on ten services: until all are on disk and the ten pages are out."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

from bench.http import generate_each, request_bytes
from bench.machine import CpuMeter
from bench.measure import Result, Round, Row, Verdict, judge_ratio
from bench.peer import Alertmanager
from bench.policy import peer_body
from bench.system import System

RATIO = Row(
    "grouped-alerts",
    "1,000 alerts on 10 services, all at once: until all are on disk and 10 pages are out",
    "Alertmanager with group_wait 0s, in memory",
    must=8.0,
    aim=4.0,
)
SECONDS = Row(
    "grouped-alerts-time",
    "the same",
    "a second; absolute, so read it with the machine in mind",
    must=1000,
    aim=500,
    unit=" ms",
)
ROWS = (RATIO, SECONDS)

ROUNDS = 5
ALERTS = 1000
SERVICES = 10
CONNECTIONS = 1000
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Storm:
    """One round of ours. Units: milliseconds."""

    taken: float
    incidents: int
    pages: int
    counted: int
    refused: int

    @property
    def is_right(self) -> bool:
        return (self.incidents, self.pages, self.counted, self.refused) == (
            SERVICES,
            SERVICES,
            ALERTS,
            0,
        )


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Ours and the peer in turns; the first round of each warms up."""
    await system.add_services((rounds + 1) * SERVICES)
    storms: list[Storm] = []
    peers: list[float] = []
    meter = CpuMeter(system.pids)
    async with Alertmanager(system.folder / "peer-grouped", system.receiver.port) as peer:
        for index in range(rounds + 1):
            with meter:
                storm = await _storm(system)
            if peer.is_installed:
                taken = await _peer(system, peer.port, f"grouped-{index}")
                if index:
                    peers.append(taken)
            if index:
                storms.append(storm)
    return _results(storms, peers, meter, (rounds + 1) * ALERTS)


async def _storm(system: System) -> Storm:
    services = [system.next_service() for _ in range(SERVICES)]
    requests = [
        system.alert_request(services[number % SERVICES], number=number + 1)
        for number in range(ALERTS)
    ]
    began = time.perf_counter()
    load = await generate_each(system.api_port, requests, CONNECTIONS, 202)
    accepted = time.perf_counter()
    pages = [await system.receiver.first(f"{service}-1") for service in services]
    taken = (max(accepted, *pages) - began) * 1000
    await asyncio.sleep(SETTLE_SECONDS)
    views = [await system.view(f"{service}-1") for service in services]
    incidents = 0
    for service in services:
        found = await asyncio.to_thread(
            lambda name=service: system.api.incidents(service=name, status="all")[0]
        )
        incidents += len(found)
    return Storm(
        taken=taken,
        incidents=incidents,
        pages=sum(len(system.receiver.arrived[f"{service}-1"]) for service in services),
        counted=sum(int(str(view["alert_count"])) for view in views),
        refused=load.refused,
    )


async def _peer(system: System, port: int, name: str) -> float:
    """Milliseconds until it has taken all and told of every group. It tells of a group more than once."""
    services = [f"{name}-{number}" for number in range(SERVICES)]
    requests = [
        request_bytes("/api/v2/alerts", peer_body(services[number % SERVICES], f"alert-{number}"))
        for number in range(ALERTS)
    ]
    began = time.perf_counter()
    await generate_each(port, requests, CONNECTIONS, 200)
    accepted = time.perf_counter()
    pages = [await system.receiver.first(f"peer/{service}") for service in services]
    await asyncio.sleep(SETTLE_SECONDS)
    return (max(accepted, *pages) - began) * 1000


def _results(
    storms: list[Storm], peers: list[float], meter: CpuMeter, operations: int
) -> list[Result]:
    times = [storm.taken for storm in storms]
    ours = statistics.median(times)
    wrong = [storm for storm in storms if not storm.is_right]
    notes = [
        f"{len(storms) - len(wrong)} of {len(storms)} rounds with {SERVICES} incidents, {SERVICES} "
        f"pages and every alert counted",
        f"CPU per 1,000 alerts: {meter.per(operations // 1000)}",
    ]
    held = Verdict.HOLDS if SECONDS.meets(ours, SECONDS.must) else Verdict.FAILS
    shown = [{"ms": one} for one in times]
    absolute = Result(SECONDS, ours, (min(times), max(times)), held, "", shown, notes)
    if wrong:  # that holds on the slowest machine
        one = wrong[0]
        absolute.verdict = Verdict.FAILS
        absolute.why = (
            f"fails: {one.incidents} incidents, {one.pages} pages, {one.counted} counted, "
            f"{one.refused} refused"
        )
    if not peers:
        absolute.notes.append("no peer: prometheus-alertmanager is not installed")
        return [absolute]
    pairs = zip(times, peers, strict=True)
    rounds = [Round(taken, floor, floor) for taken, floor in pairs]
    peer = statistics.median(peers)
    line = f"ours {ours:.0f} ms, Alertmanager {peer:.0f} ms; it keeps nothing"
    return [judge_ratio(RATIO, rounds, [line]), absolute]

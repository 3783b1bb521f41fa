"""A thousand repeats of one alert: one incident, one page, none lost, and how many a second are kept."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

from bench.http import Load, generate, request_bytes
from bench.machine import CpuMeter
from bench.measure import Result, Row, Verdict, judge, movement
from bench.peer import Alertmanager
from bench.policy import peer_body
from bench.system import System

ROW = Row(
    "repeated-alert-rate",
    "1,000 repeats of one alert over 64 connections, durably acknowledged per second",
    "1 incident, 1 page, 0 lost; whether the machine held still is told by a bare HTTP server",
    must=3000,
    aim=6000,
    unit="/s",
    better="higher",
)
ROWS = (ROW,)

ROUNDS = 5
COUNT = 1000
CONNECTIONS = 64
FLOOR_COUNT = 20_000
"""Enough of them to last: a bare server takes a thousand in the blink of an eye."""
COUNTED_WITHIN_SECONDS = 10.0
SETTLE_SECONDS = 1.5


@dataclass(frozen=True)
class Storm:
    """One round of ours."""

    load: Load
    incidents: int
    pages: int
    counted: int

    @property
    def lost(self) -> int:
        return self.load.acknowledged - self.counted

    @property
    def is_right(self) -> bool:
        return (self.incidents, self.pages, self.lost, self.load.refused) == (1, 1, 0, 0)


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Ours, the bare HTTP server and the peer in turns; the first round of each warms up."""
    await system.add_services(rounds + 1)
    storms: list[Storm] = []
    floors: list[Load] = []
    peers: list[Load] = []
    meter = CpuMeter(system.pids)
    bare = request_bytes("/", system.alert_request("svc"))
    async with Alertmanager(system.folder / "peer", system.receiver.port) as peer:
        for index in range(rounds + 1):
            with meter:
                storm = await _storm(system)
            await asyncio.sleep(SETTLE_SECONDS)
            floor = await generate(system.bare_http_port, bare, FLOOR_COUNT, CONNECTIONS, 202)
            if peer.is_installed:
                request = request_bytes("/api/v2/alerts", peer_body(f"peer-{index}"))
                peers.append(await generate(peer.port, request, COUNT, CONNECTIONS, 200))
            if index:
                storms.append(storm)
                floors.append(floor)
        await asyncio.sleep(SETTLE_SECONDS)
        sent = [len(system.receiver.arrived[f"peer/peer-{i}"]) for i in range(len(peers))]
    return [_result(storms, floors, peers, sent, meter, (rounds + 1) * COUNT)]


async def _storm(system: System) -> Storm:
    service = system.next_service()
    request = system.alert_request(service)
    load = await generate(system.api_port, request, COUNT, CONNECTIONS, 202)
    incident = f"{service}-1"
    await system.receiver.first(incident)
    deadline = time.monotonic() + COUNTED_WITHIN_SECONDS
    counted = 0
    while counted != load.acknowledged and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        counted = int(str((await system.view(incident))["alert_count"]))
    rows = await asyncio.to_thread(lambda: system.api.incidents(service=service, status="all")[0])
    return Storm(load, len(rows), len(system.receiver.arrived[incident]), counted)


def _result(
    storms: list[Storm],
    floors: list[Load],
    peers: list[Load],
    peer_pages: list[int],
    meter: CpuMeter,
    operations: int,
) -> Result:
    rates = [storm.load.rate for storm in storms]
    value = statistics.median(rates)
    verdict, why = judge(ROW, value, movement([floor.rate for floor in floors]))
    wrong = [storm for storm in storms if not storm.is_right]
    if wrong:  # that holds on the slowest machine
        verdict = Verdict.FAILS
        why = (
            f"fails: {wrong[0].incidents} incidents, {wrong[0].pages} pages, {wrong[0].lost} lost, "
            f"{wrong[0].load.refused} refused"
        )
    shares = [storm.load.cpu_share for storm in storms]
    floor = statistics.median(one.rate for one in floors)
    notes = [
        f"{len(storms) - len(wrong)} of {len(storms)} rounds with 1 incident, 1 page, 0 lost, 0 refused",
        f"the load generator used {statistics.median(shares):.0%} of one of the cores that all share",
        f"a bare HTTP server that keeps nothing takes {floor:,.0f}/s from this generator",
        f"CPU per 1,000 requests: {meter.per(operations // 1000)}",
    ]
    if peers:
        rate = statistics.median(one.rate for one in peers[1:] or peers)
        notes.append(
            f"the peer wins: Alertmanager takes {rate:,.0f}/s ({rate / value:.1f}x) and sends "
            f"{max(peer_pages)} notification; in memory, nothing acknowledged, escalated or kept"
        )
    else:
        notes.append("no peer: prometheus-alertmanager is not installed")
    rounds = [
        {"rate": storm.load.rate, "floor_rate": floor.rate}
        for storm, floor in zip(storms, floors, strict=True)
    ]
    return Result(ROW, value, (min(rates), max(rates)), verdict, why, rounds, notes)

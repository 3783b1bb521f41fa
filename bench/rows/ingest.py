"""Distinct alerts that join an open incident: how many a second are on disk."""

from __future__ import annotations

import asyncio
import statistics

from bench.http import Load, generate_each, request_bytes
from bench.machine import CpuMeter
from bench.measure import Result, Round, Row, Verdict, judge_ratio
from bench.peer import Alertmanager
from bench.policy import peer_body
from bench.system import System

ROW = Row(
    "ingest-rate",
    "2,000 distinct alerts joining an open incident over 64 connections, durably acknowledged per second",
    "Alertmanager's own ingest of distinct alerts, in memory",
    must=0.08,
    aim=0.15,
    better="higher",
)
ROWS = (ROW,)

ROUNDS = 4
COUNT = 2000
CONNECTIONS = 64
SETTLE_SECONDS = 3.0


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Ours and the peer in turns, each round on an incident of its own."""
    await system.add_services(rounds + 1)
    ours: list[Load] = []
    peers: list[Load] = []
    groups: list[Load] = []
    meter = CpuMeter(system.pids)
    async with Alertmanager(system.folder / "peer-ingest", system.receiver.port) as peer:
        if not peer.is_installed:
            why = "no verdict: prometheus-alertmanager is not installed"
            return [Result(ROW, 0.0, (0.0, 0.0), Verdict.NONE, why)]
        for index in range(rounds + 1):
            service = system.next_service()
            await system.intake_once(system.alert_request(service))
            await system.receiver.first(f"{service}-1")
            requests = [system.alert_request(service, number=n + 1) for n in range(COUNT)]
            with meter:
                load = await generate_each(system.api_port, requests, CONNECTIONS, 202)
                await asyncio.sleep(SETTLE_SECONDS)
            apart = [peer_body(f"ingest-{index}-{n}") for n in range(COUNT)]
            together = [peer_body(f"ingest-{index}", f"alert-{n}") for n in range(COUNT)]
            floor, one_group = [
                await generate_each(peer.port, _posts(bodies), CONNECTIONS, 200)
                for bodies in (apart, together)
            ]
            await asyncio.sleep(SETTLE_SECONDS)
            if index:
                ours.append(load)
                peers.append(floor)
                groups.append(one_group)
    rates = [Round(one.rate, two.rate, two.rate) for one, two in zip(ours, peers, strict=True)]
    rate, peer_rate, group_rate = (
        statistics.median(one.rate for one in found) for found in (ours, peers, groups)
    )
    notes = [
        f"ours {rate:,.0f}/s, Alertmanager {peer_rate:,.0f}/s; refused {sum(o.refused for o in ours)}",
        f"the peer wins by more where all are of one group: {group_rate:,.0f}/s",
        f"CPU per 1,000 requests: {meter.per((rounds + 1) * COUNT // 1000)}",
    ]
    return [judge_ratio(ROW, rates, notes)]


def _posts(bodies: list[bytes]) -> list[bytes]:
    return [request_bytes("/api/v2/alerts", body) for body in bodies]

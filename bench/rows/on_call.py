"""Who is on call in a large organisation, and where its schedules have gaps. In this very process."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta

from bench.measure import Result, Row, Verdict, quantile
from bench.policy import large_policy
from bench.system import System
from domain.coverage import find_all
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from domain.policy.slice import plan_for

RESOLVE = Row(
    "on-call-resolve-p99",
    "who is on call, 200 people and 50 schedules: all targets of a step, p99",
    "five milliseconds; absolute, so read it with the machine in mind",
    must=5000,
    aim=1000,
    unit=" µs",
)
GAPS = Row(
    "on-call-gaps",
    "gaps of all 50 schedules over 90 days",
    "two seconds; absolute, so read it with the machine in mind",
    must=2000,
    aim=500,
    unit=" ms",
)
ROWS = (RESOLVE, GAPS)

ROUNDS = 3
SAMPLES = 40
"""Instants, each for every step of every service."""
DAYS = 90


async def measure(system: System, rounds: int = ROUNDS) -> list[Result]:
    """Nothing of the running system is used."""
    policy = Policy.model_validate(large_policy())
    resolving = [_resolve(policy) for _ in range(rounds)]
    finding = [_gaps(policy) for _ in range(rounds)]
    return [_result(RESOLVE, resolving), _result(GAPS, finding)]


def _resolve(policy: Policy) -> float:
    taken = []
    for index in range(SAMPLES):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=7 * index, minutes=13)
        for service in policy.services:
            for step in plan_for(policy, service).steps:
                began = time.perf_counter()
                resolve_targets(policy, step.targets, at)
                taken.append((time.perf_counter() - began) * 1_000_000)
    return quantile(taken, 0.99)


def _gaps(policy: Policy) -> float:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    began = time.perf_counter()
    find_all(policy, start, start + timedelta(days=DAYS))
    return (time.perf_counter() - began) * 1000


def _result(row: Row, values: list[float]) -> Result:
    value = statistics.median(values)
    verdict = Verdict.HOLDS if row.meets(value, row.must) else Verdict.FAILS
    shown = [{"value": one} for one in values]
    return Result(row, value, (min(values), max(values)), verdict, "", shown, [])

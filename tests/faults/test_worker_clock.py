"""A worker whose clock is two hours off: whom it pages and when is Temporal's time, not its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from domain.on_call import resolve_targets
from records.policy_file import read_policy
from tests.scenarios.paging.vendors import a_policy, facts, paging, vendors_and_world

TURNS = ["alice", "bob", "carol"]
STEP = timedelta(seconds=6)


def _policy() -> dict[str, Any]:
    """An hourly rotation; working hours from half an hour ago to half an hour from now."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(minutes=30), now + timedelta(minutes=30)
    hours = {
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "from": f"{begin:%H:%M}" if begin.day == now.day else "00:00",
        "to": f"{end:%H:%M}" if end.day == now.day else "23:59",
    }
    on_call: dict[str, Any] = {"page": ["schedule:payments"]}
    steps = [on_call, paging("alice", after="6s"), paging("bob", after="6s")]
    return a_policy(
        steps,
        organisation={"catch_all": ["person:carol"], "timezone": "UTC", "working_hours": hours},
        schedules={
            "payments": {
                "timezone": "UTC",
                "rotations": [{"people": TURNS, "every": "hour", "starts": "2020-01-06"}],
            }
        },
        policy={"repeat_after": "1h"},
    )


@pytest.mark.parametrize(
    "error", [timedelta(hours=2), -timedelta(hours=2)], ids=["two-hours-fast", "two-hours-slow"]
)
async def test_escalation_goes_by_temporals_time(tmp_path: Path, error: timedelta) -> None:
    """The person of this hour, now, in working hours; each step seconds after the one before; no more."""
    policy = _policy()
    async with vendors_and_world(tmp_path, policy, skipping=False, clock_error=error) as (
        world,
        vendors,
    ):
        known = read_policy(tmp_path / "policy.yaml").policy
        (before,), _ = resolve_targets(known, ["schedule:payments"], datetime.now(UTC))
        incident = await world.declare(severity="SEV3")
        steps = await facts(world, incident, "step_paged", count=3)
        (after,), _ = resolve_targets(known, ["schedule:payments"], datetime.now(UTC))
        (wrong,), _ = resolve_targets(known, ["schedule:payments"], datetime.now(UTC) + error)
        paged = [target["person"] for fact in steps for target in fact["data"]["targets"]]
        assert paged[0] in (before.person, after.person)  # the hour may end on the way
        assert wrong.person != after.person
        assert paged[1:] == ["alice", "bob"]
        at = [datetime.fromisoformat(fact["at"]) for fact in steps]
        # A machine that stands still may do one of them late.
        assert all(abs(b - a - STEP) < STEP for a, b in pairwise(at))
        assert await world.facts(incident, "page_held", "step_skipped", "policy_exhausted") == []
        await facts(world, incident, "page_sent", count=3)
        await world.command(incident, "acknowledge", paged[0])
        await asyncio.sleep(2)
        assert [person for person, _ in vendors.pages()] == paged
        vendors.nothing_else()

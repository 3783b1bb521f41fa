"""From the first page to the closed postmortem, in virtual time and on the real server."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.world import RefusedError, World, a_world, an_alert


async def test_a_night_of_silence_climbs_the_policy_and_stays_loud(tmp_path: Path) -> None:
    """Nobody answers: steps, rounds, exhaustion, catch-all, then a round each 15 minutes, all night."""
    async with a_world(tmp_path) as world:
        incident = await world.declare()
        await world.skip(timedelta(hours=8))
        raised = (await world.facts(incident, "raised"))[0]
        steps = await world.facts(incident, "step_paged")
        minutes = _minutes(steps, raised)
        # Three rounds: at once, after 5 and 15 minutes; each next round 5 minutes after the last step.
        assert minutes[:9] == [0, 5, 15, 20, 25, 35, 40, 45, 55]
        exhausted = await world.facts(incident, "policy_exhausted")
        assert _minutes(exhausted, raised) == [60]
        assert minutes[9] == 60  # the catch-all
        assert minutes[10] == 75  # and rounds go on
        assert (await world.status(incident))["status"] == "raised"
        operator = world.outbox("operator")
        assert len(operator) == 1
        assert {m["purpose"] for m in world.outbox()} == {"page", "operator"}
        # An acknowledgement ends it at once.
        await world.command(incident, "acknowledge", "carol")
        before = len(world.outbox("page"))
        await world.skip(timedelta(hours=2))
        assert len(world.outbox("page")) == before


async def test_three_days_of_follow_ups_remind_and_never_post_filler(tmp_path: Path) -> None:
    """The clock of communications reminds for as long as it takes and publishes nothing by itself."""
    async with a_world(tmp_path) as world:
        incident = await world.declare(severity="SEV2")
        await world.command(incident, "acknowledge", "alice")
        await world.command(incident, "assess", "alice", confirmed=True)
        await world.eventually(lambda: len(world.outbox("external_update")) == 1)
        await world.command(
            incident, "publish_update", "alice", audience="internal", text="quiet",
            next_update_minutes=240,
        )  # fmt: skip
        await world.eventually(lambda: len(world.outbox("internal_update")) == 2)
        published = len(world.outbox("internal_update")) + len(world.outbox("external_update"))
        await world.skip(timedelta(days=3), step=timedelta(minutes=30))
        due = await world.facts(incident, "update_due")
        internal = [e for e in due if e["data"]["audience"] == "internal"]
        assert [e["data"]["stage"] for e in internal[:3]] == ["owner", "deputy", "incident_manager"]
        assert len(internal) == 3 + (72 - 8) // 4
        now = len(world.outbox("internal_update")) + len(world.outbox("external_update"))
        assert now == published


async def test_six_weeks_of_postmortem_actions(tmp_path: Path) -> None:
    """A postmortem reminds its owner when due, and its actions' owners for weeks, until all is done."""
    async with a_world(tmp_path) as world:
        incident = await world.declare()
        await world.command(incident, "acknowledge", "alice")
        await world.command(incident, "resolve", "alice", summary="rolled back")
        await world.eventually(lambda: world.outbox("postmortem"))
        await world.skip(timedelta(days=3, hours=1), step=timedelta(hours=4))
        pm = f"{incident}/postmortem"
        assert len(await world.facts(pm, "postmortem_due")) == 1
        await world.postmortem(incident, "submit", "alice")
        await world.postmortem(
            incident, "add_action", "alice", text="Alert on the pool", owner="bob"
        )
        await world.postmortem(incident, "approve", "carol")
        await world.skip(timedelta(weeks=6), step=timedelta(hours=12))
        overdue = await world.facts(pm, "action_due")
        assert len(overdue) == 14 or len(overdue) == 15
        assert (await world.status(incident))["status"] == "resolved"
        with pytest.raises(RefusedError, match="still open"):
            await world.postmortem(incident, "close", "alice")
        await world.postmortem(incident, "complete_action", "bob", action="a1")
        await world.skip(timedelta(minutes=1))
        await world.eventually(lambda: _has_status(world, incident, "closed"))


async def _has(world: World, incident: str, **fields: Any) -> bool:
    view = await world.status(incident)
    return all(view.get(name) == value for name, value in fields.items())


async def _has_status(world: World, incident: str, status: str) -> bool:
    return (await world.status(incident)).get("status") == status


def _minutes(entries: list[dict[str, Any]], start: dict[str, Any]) -> list[int]:
    """Minutes of each fact since `start`."""
    zero = datetime.fromisoformat(start["at"])
    return [round((datetime.fromisoformat(e["at"]) - zero).total_seconds() / 60) for e in entries]


async def test_alert_joins_and_raises_and_comes_back(tmp_path: Path) -> None:
    """Alerts fold into the open incident; after resolution the same alert raises a related one."""
    async with a_world(tmp_path, skipping=False) as world:
        await world.report(an_alert("a", severity="SEV3"))
        first = "checkout-1"
        await world.eventually(lambda: _has_status(world, first, "raised"))
        await world.report(an_alert("a", severity="SEV3"), an_alert("b", severity="SEV1"))
        await world.eventually(lambda: _has(world, first, severity="SEV1", alert_count=3))
        await world.command(first, "acknowledge", "alice")
        await world.command(first, "resolve", "alice", summary="fixed")
        await world.report(an_alert("a"))
        await world.eventually(lambda: _has_status(world, "checkout-2", "raised"))
        linked = await world.facts("checkout-2", "linked")
        assert linked[0]["data"] == {"target": first, "kind": "related"}

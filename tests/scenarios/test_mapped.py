"""What an integration has mapped, on the real server: the incident follows the alert's type and priority."""

from __future__ import annotations

from pathlib import Path

from tests.world import a_world, an_alert


async def test_an_incident_of_a_mapped_type_and_priority(tmp_path: Path) -> None:
    """Its process is that of the type, so nothing goes outside; its links stand on the timeline."""
    async with a_world(tmp_path) as world:
        address = "https://dashboard.example/checkout"
        alert = an_alert("leak", type="security", priority="P4", links=[address])
        await world.report(alert)
        view = await world.eventually(lambda: world.status("checkout-1"))
        assert (view["type"], view["severity"], view["priority"]) == ("security", "SEV1", "P4")
        await world.eventually(lambda: world.outbox("page"))
        await world.command("checkout-1", "acknowledge", "alice")
        await world.command("checkout-1", "assess", "alice", confirmed=True)
        await world.eventually(lambda: world.outbox("internal_update"))
        folded = [e for e in await world.timeline("checkout-1") if e["fact"] == "alert_folded"]
        assert folded[0]["data"]["links"] == [address]
        assert not [m for m in world.outbox() if m["purpose"].startswith("external")]


async def test_a_type_that_the_policy_no_longer_has(tmp_path: Path) -> None:
    """An alert from before a change of the policy raises an incident of the default process."""
    async with a_world(tmp_path) as world:
        await world.report(an_alert("leak", type="forgotten", priority="P9"))
        view = await world.eventually(lambda: world.status("checkout-1"))
        assert (view["type"], view["priority"]) == ("default", "P1")

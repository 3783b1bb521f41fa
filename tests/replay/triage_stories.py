"""Stories of the desk's triage, for the replays: grouping by rule, flapping, and what senders say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from domain.grouping import Rule
from domain.policy.grouping import Grouping
from tests.replay.stage import Stage
from tests.world import World, an_alert

RULE = Rule(
    grouping=Grouping(window=timedelta(minutes=10), labels=["cluster"]),
    reopen_within=timedelta(minutes=30),
)


async def grouped_and_flapping(world: World) -> dict[str, tuple[str, int]]:
    """Two clusters, a word of their sender, a change; resolved, flapping, given back; the desk rolls over."""

    async def report(key: str, cluster: str, **fields: str) -> None:
        at = await world.now()
        alert = an_alert(key, labels={"cluster": cluster}, received_at=at, **fields)  # type: ignore[arg-type]
        await world.report(alert, rule=RULE)

    async def has(incident: str, fact: str, count: int = 1) -> None:
        async def look() -> bool:
            there = await world.status(incident)
            return bool(there) and len(await world.facts(incident, fact)) >= count

        await world.eventually(look)

    await report("deploy", "eu1", status="changed", summary="Deploy 1.2.3")
    await report("a", "eu1")
    await world.eventually(lambda: world.outbox("page"))
    await report("b", "us1")
    await has("checkout-2", "step_paged")
    await report("c", "eu1")
    await has("checkout-1", "alert_folded", 2)
    await report("a", "eu1", status="noted", by="Jane Doe", description="pool is full")
    await report("a", "eu1", status="acknowledged", by="alice")
    await has("checkout-1", "acknowledged")
    await world.skip(timedelta(minutes=11))
    await report("d", "eu1")
    await has("checkout-3", "raised_apart")
    await world.command("checkout-3", "cancel", "alice", reason="the same after all")
    for _ in range(2):
        await world.command("checkout-1", "resolve", "alice", summary="gone")
        await world.skip(timedelta(minutes=1))
        await report("a", "eu1")
        await world.eventually(lambda: _is(world, "checkout-1", "fixing"))
    await world.command("checkout-1", "resolve", "alice", summary="gone")
    await world.skip(timedelta(minutes=31))
    await report("a", "eu1")
    await world.eventually(lambda: _is(world, "checkout-4", "raised"))

    async def has_rolled() -> bool:
        return len(await world.runs("desk/checkout")) > 1

    for number in range(20):
        await report(f"k{number}", "eu1")
    await world.eventually(has_rolled)
    await report("z", "us1")
    await has("checkout-5", "raised_apart")
    return {
        "desk-grouping": ("desk/checkout", 0),
        "desk-grouping-after-rolling": ("desk/checkout", 1),
        "incident-flapping": ("checkout-1", 0),
    }


async def _is(world: World, incident: str, status: str) -> bool:
    return (await world.status(incident)).get("status") == status


Story = Callable[[World], Awaitable[dict[str, tuple[str, int]]]]
TRIAGE_STORIES: dict[Story, Stage] = {grouped_and_flapping: Stage(limits={"desk": 60})}

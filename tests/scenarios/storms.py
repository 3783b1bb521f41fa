"""A shop of many services, and what a storm of alerts on them comes to."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from temporalio.common import WorkflowIDConflictPolicy

from domain.alert import Alert
from tests.world import World, a_world, an_alert
from workflows import contract

STORM = "unknown-1"


def a_policy(services: Iterable[str], storm: int | str = 20, **sections: Any) -> str:
    """Every service is alice's; carol is the catch-all."""
    mail = {
        name: {"contacts": [{"channel": "email", "to": f"{name}@example.com"}]}
        for name in ("alice", "carol")
    }
    return yaml.safe_dump(
        {
            "version": 1,
            "organisation": {"name": "Example", "catch_all": ["person:carol"]},
            "people": mail,
            "escalation_policies": {"all": {"steps": [{"page": ["person:alice"]}]}},
            "services": {name: {"escalation": "all"} for name in services},
            "limits": {"storm": storm},
            **sections,
        }
    )


class Shop:
    """The world of a storm."""

    def __init__(self, world: World, services: list[str]) -> None:
        self.world, self.services = world, services
        self.sent = 0
        self.roll_over_at = contract.DESK_ROLL_OVER_AT

    async def alert(self, service: str, key: str = "", **fields: Any) -> Alert:
        """One alert to the desk of its service, which has been started by it where there was none."""
        alert = an_alert(key or f"{service}-down", service=service, **fields)
        batch = contract.ReportBatch(key=str(uuid.uuid4()), alerts=[alert])
        await self.world.client.start_workflow(
            contract.DESK,
            contract.DeskInput(service=service, roll_over_at=self.roll_over_at),
            id=contract.desk_id(service),
            task_queue=contract.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="report",
            start_signal_args=[batch.model_dump(mode="json")],
        )
        self.sent += alert.status == "firing"
        return alert

    async def storm(self, services: Iterable[str] | None = None, **fields: Any) -> None:
        """One alert on each service, all at once."""
        chosen = self.services if services is None else services
        await asyncio.gather(*(self.alert(service, **fields) for service in chosen))

    async def incidents(self) -> dict[str, dict[str, Any]]:
        """Every incident that any desk has numbered, by id."""
        rows = [view["id"] for view in await self._listed()]
        views = await asyncio.gather(*(self.world.status(one) for one in rows))
        return {view["id"]: view for view in views if view}

    async def _listed(self) -> list[dict[str, Any]]:
        found, cursor = await asyncio.to_thread(self.world.records.incidents, "all", limit=200)
        while cursor:
            more, cursor = await asyncio.to_thread(
                self.world.records.incidents, "all", limit=200, cursor=cursor
            )
            found += more
        return found

    async def attributed(self, within: float = 60) -> dict[str, dict[str, Any]]:
        """All incidents, once their timelines hold as many alerts together as were sent; never more."""

        async def look() -> dict[str, dict[str, Any]]:
            views = await self.incidents()
            counts = await asyncio.gather(*(self._on_timeline(one) for one in views))
            assert sum(counts) <= self.sent, f"{sum(counts)} on timelines, {self.sent} sent"
            # Read again: a view may be older than the timeline that was read after it.
            return await self.incidents() if sum(counts) == self.sent else {}

        found: dict[str, dict[str, Any]] = await self.world.eventually(look, within)
        return found

    async def _on_timeline(self, incident: str) -> int:
        folded = await self.world.facts(incident, "alert_folded")
        return sum(fact["data"]["count"] for fact in folded)

    def paged(self) -> list[str]:
        """Incident of each page that has left."""
        return [page["incident"] for page in self.world.outbox("page")]


@asynccontextmanager
async def a_shop(
    folder: Path,
    count: int = 60,
    storm: int | str = 20,
    *,
    severities: dict[str, Any] | None = None,
    skipping: bool = False,
    **how: Any,
) -> AsyncIterator[Shop]:
    """A running Tocsin for services `s-0`, `s-1`, …; in real time, unless it skips."""
    services = [f"s-{number}" for number in range(count)]
    file = folder / "policy.yaml"
    sections = {"severities": severities} if severities else {}
    file.write_text(a_policy(services, storm, **sections), encoding="utf-8")
    async with a_world(folder / "data", skipping=skipping, policy=file, **how) as world:
        yield Shop(world, services)

"""One alert is said again and again, twelve thousand times: its incident stays small, and people lead it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from bench.http import Load, generate, request_bytes
from tests.system import System, a_policy, a_system, an_alert_group, eventually, never
from workflows.contract import desk_id

REFRESHES = 12_000
CONNECTIONS = 50
MOST_EVENTS, MOST_SIGNALS = 3_000, 200


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """One whose only service pages ann, and nobody after her."""
    policy = a_policy(tmp_path / "policy.json", {"checkout": [("ann", "0s")]})
    with a_system(tmp_path, policy) as running:
        yield running


def flood(system: System) -> Load:
    """The same alert of one sender, as fast as it is answered."""
    body = json.dumps(an_alert_group("checkout", "disk")).encode()
    request = request_bytes("/hooks/alertmanager", body, system.ready["token"])
    port = int(system.api_url.rpartition(":")[2])
    return asyncio.run(generate(port, request, REFRESHES, CONNECTIONS, 202))


async def runs_of(system: System, workflow: str) -> list[dict[str, Any]]:
    """Every run of a workflow: how many events it has, how many of them signals, which tasks failed."""
    client = await Client.connect(system.ready["temporal_address"])
    found = []
    async for run in client.list_workflows(f"WorkflowId = '{workflow}'"):
        handle = client.get_workflow_handle(workflow, run_id=run.run_id)
        kinds = [event.event_type async for event in handle.fetch_history_events()]
        signals = kinds.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
        failed = kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        found.append({"events": len(kinds), "signals": signals, "failed": failed})
    return found


def test_twelve_thousand_refreshes_are_one_small_incident_that_can_be_resolved(
    system: System,
) -> None:
    """Each is counted, one page leaves, no history grows past its bound, and people are heard."""
    load = flood(system)
    assert (load.acknowledged, load.refused) == (REFRESHES, 0)
    (row,) = eventually(lambda: system.incidents("checkout"), 30, "an incident")
    incident = str(row["id"])
    began = time.monotonic()
    assert system.acknowledge(incident, "ann")["incident_manager"] == "ann"
    eventually(
        lambda: system.view(incident)["alert_count"] == REFRESHES, 120, "every refresh", every=0.2
    )
    resolved = system.command(incident, "resolve", "ann", summary="the disk is empty again")
    assert resolved["status"] == "resolved"
    assert len(system.incidents("checkout")) == 1
    never(lambda: len(system.outbox(incident, "page")) > 1, 0.5)
    of_incident = asyncio.run(runs_of(system, incident))
    of_desk = asyncio.run(runs_of(system, desk_id("checkout")))
    print(f"{load.rate:.0f}/s, {time.monotonic() - began:.1f} s, {of_incident}, {of_desk}")
    for run in (*of_incident, *of_desk):
        assert run["events"] < MOST_EVENTS
        assert run["failed"] == 0
    assert sum(run["signals"] for run in of_incident) < MOST_SIGNALS
    assert "exceeded" not in system.said()

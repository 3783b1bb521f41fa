"""The floor as a process: a worker for the bare workflows, and a bare HTTP server that keeps nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx2
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from bench.bare import (
    BARE_ACTIVITIES,
    BARE_QUEUE,
    BareTimer,
    BareWorkflow,
    Message,
    NaiveIncident,
    do,
)
from bench.http import serve


async def run(temporal: str, receiver: str, ready: Path) -> None:
    """Work until killed."""
    client = await Client.connect(temporal)
    http = httpx2.AsyncClient(base_url=receiver, trust_env=False, verify=False)
    server = await serve(lambda _: None)

    @activity.defn
    async def post(message: Message) -> None:
        answer = await http.post("/v3/mail/send", json={"key": message.key, "text": message.text})
        answer.raise_for_status()

    runner = SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("bench")
    )
    workflows = Worker(
        client,
        task_queue=BARE_QUEUE,
        workflows=[BareWorkflow, BareTimer, NaiveIncident],
        workflow_runner=runner,
    )
    activities = Worker(client, task_queue=BARE_ACTIVITIES, activities=[post, do])
    async with workflows, activities:
        found = {"http_port": server.sockets[0].getsockname()[1]}
        temporary = ready.with_suffix(".tmp")
        temporary.write_text(json.dumps(found))
        temporary.replace(ready)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
    finally:
        # A process that has held a Temporal client may abort while the interpreter ends.
        os._exit(0)

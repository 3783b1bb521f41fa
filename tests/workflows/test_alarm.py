"""The one timer of a workflow, on Temporal's time-skipping server, with a worker that is slow at times."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.world import BIN
from workflows.alarm import Alarm

SLOW = 0.4
QUEUE = "alarm"


@workflow.defn(sandboxed=False)
class Waits:
    """Waits for one instant, and is told meanwhile that it is another one."""

    def __init__(self) -> None:
        self._alarm = Alarm()
        self._is_told = False

    @workflow.run
    async def run(self, first: float, then: float) -> float:
        began = workflow.now()
        self._alarm.set(began + timedelta(seconds=first), "at first")
        await workflow.wait_condition(lambda: self._is_told)
        time.sleep(SLOW)  # noqa: ASYNC251 - the task is with the worker for so long
        goal = began + timedelta(seconds=then)
        while workflow.now() < goal:
            self._alarm.set(goal, "then")
            await workflow.wait_condition(lambda: self._alarm.has_fired)
        self._alarm.set(None)
        return (workflow.now() - began).total_seconds()

    @workflow.signal
    def tell(self) -> None:
        self._is_told = True


@pytest.mark.parametrize(
    ("first", "then", "cancelled"),
    [(0.3, 5.0, 0), (0.9, 0.6, 0), (3600.0, 5.0, 1)],
    ids=["fires while the task is with the worker", "a little sooner", "long before it fires"],
)
async def test_a_timer_is_not_cancelled_in_the_moment_in_which_it_fires(
    first: float, then: float, cancelled: int
) -> None:
    """The instant is met, whatever was waited for before; only a timer that is far away is cancelled."""
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(BIN / "temporal-test-server")
    )
    async with env, Worker(env.client, task_queue=QUEUE, workflows=[Waits]):
        handle = await env.client.start_workflow(
            Waits.run, args=[first, then], id=str(uuid.uuid4()), task_queue=QUEUE
        )
        await asyncio.sleep(0.1)
        await handle.signal(Waits.tell)
        waited = await asyncio.wait_for(handle.result(), 60)
        assert then <= waited < then + 15  # a machine may stand still, but not for an hour
        events = Counter([event.event_type async for event in handle.fetch_history_events()])
        assert events[EventType.EVENT_TYPE_TIMER_CANCELED] == cancelled
        assert events[EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED] == 0

"""A worker that has lost its cache reads a history anew, and must see the tasks as they were then.

See workflows/task_marks.py for what goes wrong otherwise. On the real server: it is about what that hands
to a worker, and about what two restarts make of it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

import worker
from domain.recording import RecordBatch, Recorded
from tests.world import BIN, a_world
from workflows.task_marks import MarkingRunner

QUEUE = "lost-cache"
SOON = timedelta(seconds=30)
_MARKS = {
    EventType.EVENT_TYPE_MARKER_RECORDED,
    EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
}


@workflow.defn
class Clerk:
    """Writes down what it is told, and sends what it is asked for: two coroutines, as an incident has."""

    def __init__(self) -> None:
        self._unwritten, self._unsent = 0, 0

    @workflow.run
    async def run(self) -> None:
        sending = asyncio.create_task(self._send())
        while True:
            await workflow.wait_condition(lambda: self._unwritten > 0)
            self._unwritten = 0
            await workflow.execute_activity("write", start_to_close_timeout=SOON)
            assert not sending.done()

    async def _send(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._unsent > 0)
            self._unsent -= 1
            await asyncio.create_task(
                workflow.execute_activity("send", start_to_close_timeout=SOON)
            )

    @workflow.signal
    def tell(self) -> None:
        self._unwritten += 1

    @workflow.signal
    def greet(self) -> None:
        """Nothing follows from it."""

    @workflow.update
    def ask(self) -> None:
        self._unwritten += 1
        self._unsent += 1

    @workflow.update
    def refuse(self) -> None:
        """Never carried out."""

    @refuse.validator
    def check_refuse(self) -> None:
        raise ApplicationError("not today")

    @workflow.query
    def told(self) -> int:
        return self._unwritten


@activity.defn
async def send() -> None:
    """Done at once."""


@workflow.defn
class LooksUp:
    """Asks a local activity that takes its time, and then sends."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity("write", start_to_close_timeout=SOON)
        self._may_send = False
        await workflow.wait_condition(lambda: self._may_send)
        await workflow.execute_activity("send", start_to_close_timeout=SOON)

    @workflow.signal
    def greet(self) -> None:
        """Nothing follows from it."""

    @workflow.update
    def ask(self) -> None:
        self._may_send = True


class Desk:
    """A workflow, and workers that come and go."""

    def __init__(self, env: WorkflowEnvironment, runner: Callable[[], WorkflowRunner]) -> None:
        self._client, self.runner = env.client, runner
        self.may_write = asyncio.Event()
        self.handle: WorkflowHandle[Any, Any]

    @activity.defn
    async def write(self) -> None:
        await self.may_write.wait()

    @asynccontextmanager
    async def a_worker(self) -> AsyncIterator[None]:
        async with Worker(
            self._client, task_queue=QUEUE, workflows=[Clerk, LooksUp], activities=[self.write, send],
            workflow_runner=self.runner(),
        ):  # fmt: skip
            yield

    async def start(self, of: type = Clerk, task_timeout: timedelta | None = None) -> None:
        self.handle = await self._client.start_workflow(
            of.__name__, id=str(uuid.uuid4()), task_queue=QUEUE, task_timeout=task_timeout
        )

    async def events(self) -> list[EventType.ValueType]:
        """The kinds of its history so far."""
        return [event.event_type async for event in self.handle.fetch_history_events()]

    async def until_tasks(self, number: int) -> None:
        """Until so many tasks are done."""
        done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        async with asyncio.timeout(SOON.total_seconds()):
            while (await self.events()).count(done) < number:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def at_rest_after_two_empty_tasks(self) -> None:
        """A word comes in while something is being written: neither ends in a command."""
        await self.start()
        await self.until_tasks(1)
        await self.handle.signal("tell")
        await self.until_tasks(2)
        await self.handle.signal("greet")
        await self.until_tasks(3)
        self.may_write.set()
        await self.until_tasks(4)

    async def failed_tasks(self) -> int:
        return (await self.events()).count(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)


@asynccontextmanager
async def a_desk(runner: Callable[[], WorkflowRunner]) -> AsyncIterator[Desk]:
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), dev_server_log_level="error"
    )
    async with env:
        yield Desk(env, runner)


async def _asked_between_two_restarts(desk: Desk) -> None:
    async with desk.a_worker():
        await desk.at_rest_after_two_empty_tasks()
    async with desk.a_worker():
        await desk.handle.execute_update("ask")
        await desk.until_tasks(6)
    async with desk.a_worker():
        async with asyncio.timeout(SOON.total_seconds()):
            while await desk.failed_tasks() == 0:
                try:
                    await desk.handle.execute_update("ask", rpc_timeout=timedelta(seconds=5))
                except Exception:  # noqa: BLE001 - what it is about is in the history
                    continue
                break


async def test_an_update_after_a_restart_is_read_again_as_it_was_carried_out() -> None:
    """Two tasks without a command, a restart, an update, a restart: it goes on."""
    async with a_desk(MarkingRunner) as desk:
        await _asked_between_two_restarts(desk)
        assert await desk.failed_tasks() == 0


async def test_the_sdk_still_needs_the_marks() -> None:
    """Without them the same workflow stands still. Once this fails, workflows/task_marks.py can go."""
    async with a_desk(UnsandboxedWorkflowRunner) as desk:
        await _asked_between_two_restarts(desk)
        assert await desk.failed_tasks() > 0


async def test_what_was_begun_without_marks_goes_on_as_it_was() -> None:
    """Empty tasks of an older Tocsin: this one reads them as they are, and marks only what comes then."""
    async with a_desk(UnsandboxedWorkflowRunner) as desk:
        async with desk.a_worker():
            await desk.at_rest_after_two_empty_tasks()
            await desk.handle.signal("greet")
            await desk.until_tasks(5)
        assert not _MARKS & set(await desk.events())
        desk.runner = MarkingRunner
        for done in (6, 7):
            async with desk.a_worker():
                await desk.handle.signal("greet")
                await desk.until_tasks(done)
        async with desk.a_worker():
            await desk.handle.execute_update("ask")
        assert await desk.failed_tasks() == 0
        assert set(await desk.events()) > _MARKS


async def test_a_refused_update_and_a_query_leave_no_mark() -> None:
    """What leaves no task in the history leaves no mark: it would have made one of it."""
    async with a_desk(MarkingRunner) as desk, desk.a_worker():
        await desk.start()
        await desk.until_tasks(1)
        before = await desk.events()
        with pytest.raises(WorkflowUpdateFailedError):
            await desk.handle.execute_update("refuse")
        assert await desk.handle.query("told") == 0
        assert await desk.events() == before


async def test_words_that_come_in_during_a_slow_look_up_are_marked_where_they_were() -> None:
    """A local activity outlasts its task, with signals meanwhile: read again, it is the same."""
    async with a_desk(MarkingRunner) as desk:
        async with desk.a_worker():
            await desk.start(LooksUp, timedelta(seconds=1))
            for tasks in (2, 3, 4):  # each prolonged, with a word in between
                await desk.handle.signal("greet")
                await desk.until_tasks(tasks)
            desk.may_write.set()
            await desk.until_tasks(5)
        async with desk.a_worker():
            await desk.handle.signal("greet")
            await desk.until_tasks(6)
        async with desk.a_worker():
            await desk.handle.execute_update("ask")
            await desk.handle.result()
        assert await desk.failed_tasks() == 0
        assert set(await desk.events()) >= _MARKS


async def test_an_incident_outlives_two_restarts(tmp_path: Path) -> None:
    """A note is being written down while a word comes in; a restart, the resolution, a restart, a note."""
    may_write = asyncio.Event()
    may_write.set()

    def gated(built: worker.Activities) -> worker.Activities:
        record = next(one for one in built.main if one.__name__ == "record")

        @activity.defn(name="record")
        async def patient(batch: RecordBatch) -> Recorded:
            await may_write.wait()
            return await record(batch)  # type: ignore[no-any-return]

        return replace(built, main=[*(one for one in built.main if one is not record), patient])

    async with a_world(tmp_path, skipping=False, activities=gated) as world:

        async def pending() -> int:
            return len((await world.handle(incident).describe()).raw_description.pending_activities)

        async def tasks() -> int:
            (run,) = await world.runs(incident)
            done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
            return [event.event_type for event in run].count(done)

        async def another_process() -> None:
            await world.stop_workers()
            world.workers = await world.start_workers(world.client)

        incident = await world.declare()
        await world.command(incident, "acknowledge", "alice")
        await world.eventually(lambda: world.outbox("role"))

        async def is_at_rest() -> bool:
            return await pending() == 0

        await world.eventually(is_at_rest)
        may_write.clear()
        await world.command(incident, "note", "alice", text="the pool is full")
        before = await tasks()
        await world.signal(incident, "storm_over")

        async def one_more() -> bool:
            return await tasks() > before

        await world.eventually(one_more)
        may_write.set()
        await world.eventually(is_at_rest)
        await another_process()
        await world.command(incident, "resolve", "alice", summary="a larger pool")
        await another_process()
        await world.command(incident, "note", "alice", text="it holds")
        assert await world.failed_tasks(incident) == []

"""A whole Tocsin in one process, for stories: a real Temporal server, the real worker, real records.

Only the delivery is the outbox. On the time-skipping server a night takes no time: `skip` moves the
clock, and what the process owes happens on the way. That server has two faults which the real one has not:
a run stands still for good when a task cancels a timer that has fired meanwhile (temporalio/sdk-java#3088;
`workflows/alarm.py` never does), and when it continues as new while a query is open: see that a story does
not query what is about to roll over, or play it with `skipping=False`.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from google.protobuf.empty_pb2 import Empty
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.testservice.v1 import (
    LockTimeSkippingRequest,
    SleepRequest,
    UnlockTimeSkippingRequest,
)
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

import worker
from domain.alert import Alert, AlertStatus
from domain.grouping import Rule
from domain.policy.slice import PolicySlice
from records.database import open_database
from records.policy_file import read_policy
from records.policy_store import PolicyStore
from records.reads import RecordsReader
from starter.settings import load_settings
from starter.temporal_link import TemporalLink
from starter.temporal_setup import prepare_namespace
from workflows import contract
from workflows.converter import data_converter

BIN = Path(worker.sys.executable).parent
EXAMPLE = Path(__file__).parent.parent / "policy" / "example.yaml"


class RefusedError(Exception):
    """A command was refused; `kind` is the domain error's name."""

    def __init__(self, kind: str, message: str, details: dict[str, Any]) -> None:
        self.kind, self.details = kind, details
        super().__init__(message)


class World:
    """What a story can do and see."""

    def __init__(
        self, env: WorkflowEnvironment, data: Path, limits: dict[str, int], activities: HoldsTime
    ) -> None:
        self.env, self.data, self.activities = env, data, activities
        self.client: Client = env.client
        self.link = TemporalLink(self.client)
        self._limits = limits
        self.patience = 30.0
        """Seconds for which `eventually` looks."""
        self._held_since: float | None = None
        """Since when the skipping server's clock has been held, as far as can be seen."""
        self.workers: AsyncExitStack | None = None
        self.start_workers: Callable[[Client], Awaitable[AsyncExitStack]]
        self.records = RecordsReader(open_database(f"sqlite:///{data / 'records.db'}"))

    # Doing.

    async def declare(self, summary: str = "Checkout is down", **fields: Any) -> str:
        """Raise an incident by hand; answers its id."""
        service = fields.pop("service", "checkout")
        key = fields.pop("key", str(uuid.uuid4()))
        await self.start_desk(service)
        body = {"service": service, "severity": "SEV1", "summary": summary, **fields}
        answer = await self._update(contract.desk_id(service), "declare", body, key)
        return str(answer["id"])

    async def start_desk(self, service: str = "checkout") -> None:
        await self.client.start_workflow(
            contract.DESK,
            contract.DeskInput(
                service=service,
                roll_over_at=self._limits.get("desk", contract.DESK_ROLL_OVER_AT),
                incident_roll_over_at=self._limits.get("incident", contract.ROLL_OVER_AT),
            ),
            id=contract.desk_id(service),
            task_queue=contract.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    async def carry(self, state: dict[str, Any], policy: PolicySlice) -> None:
        """An incident goes on from a state, as after continue-as-new."""
        await self.client.start_workflow(
            contract.INCIDENT,
            contract.IncidentInput(
                id=state["id"], policy=policy, carried=contract.Carried(state=state)
            ),
            id=state["id"],
            task_queue=contract.TASK_QUEUE,
        )

    async def report(
        self,
        *alerts: Alert,
        service: str = "checkout",
        fold: str = "service",
        rule: Rule | None = None,
    ) -> None:
        """Deliver alerts to a desk, as the front does."""
        await self.start_desk(service)
        batch = contract.ReportBatch(
            key=str(uuid.uuid4()), alerts=list(alerts), fold=fold, rule=rule or Rule()
        )
        handle = self.client.get_workflow_handle(contract.desk_id(service))
        await handle.signal("report", batch.model_dump(mode="json"))

    async def command(
        self, incident: str, name: str, actor: str | None = None, **fields: Any
    ) -> Any:
        """Send a command as an update; answers the incident's view."""
        key = fields.pop("key", str(uuid.uuid4()))
        body = {**fields, **({"actor": actor} if actor else {})}
        return await self._update(incident, name, body, key)

    async def postmortem(
        self, incident: str, name: str, actor: str | None = None, **fields: Any
    ) -> Any:
        return await self.command(contract.postmortem_id(incident), name, actor, **fields)

    async def signal(self, incident: str, name: str, *args: Any) -> None:
        await self.handle(incident).signal(name, args=args)

    async def _update(self, workflow: str, name: str, body: dict[str, Any], key: str) -> Any:
        try:
            return await self._sent(workflow, name, body, key)
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError):
                details = cause.details[0] if cause.details else {}
                raise RefusedError(str(cause.type), cause.message, details) from error
            raise

    async def _sent(self, workflow: str, name: str, body: dict[str, Any], key: str) -> Any:
        """Send an update, again under its key where its task was lost, as `starter/temporal_link.py` does."""
        deadline = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                return await self.handle(workflow).execute_update(name, body, id=key)
            except RPCError as error:
                if error.status is not RPCStatusCode.FAILED_PRECONDITION:
                    raise
                if asyncio.get_running_loop().time() >= deadline:
                    raise
            await asyncio.sleep(0.05)

    async def skip(self, delta: timedelta, step: timedelta = timedelta(minutes=15)) -> None:
        """Let time pass, in steps: after each, what it set off has come to rest.

        In one leap the server's clock would run ahead of activities that take real milliseconds, and
        a slow machine would see steps overtaken that no outage overtook.
        """
        goal = await self.env.get_current_time() + delta
        while (left := goal - await self.env.get_current_time()) > timedelta(0):
            await self._leap(min(left, step))
            await self._rest()

    async def stop_workers(self) -> None:
        """Nothing runs any more; Temporal keeps what is due."""
        if self.workers is not None:
            workers, self.workers = self.workers, None
            await workers.aclose()

    async def another_worker(self) -> AsyncExitStack:
        """A second worker beside the first, as on another host."""
        host = self.client.service_client.config.target_host
        client = await Client.connect(host, data_converter=data_converter)
        return await self.start_workers(client)

    async def outage(self, length: timedelta) -> None:
        """Every worker is away for so long, and then one is back.

        In real time only: while a task waits for a worker the skipping server's clock stands still.
        """
        assert not self.activities.skipping
        await self.stop_workers()
        await asyncio.sleep(length.total_seconds())
        self.workers = await self.start_workers(self.client)

    async def _leap(self, delta: timedelta, patience: float = 12.0) -> None:
        """A task that nobody takes, or a child that outlived its parent's run, holds the server's clock.

        An unlock heals that. One unlock too many, and the clock runs on by itself, past everything that a
        story waits for: so it is given only when nothing has been at work for longer than two lost tasks
        take, of five seconds each, and no time has been skipped meanwhile.
        """
        clock = asyncio.get_running_loop().time
        request = SleepRequest()
        request.duration.FromTimedelta(delta)
        # As `env.sleep`, which gives up after half a minute.
        sleeping = self.client.test_service.unlock_time_skipping_with_sleep(
            request, timeout=timedelta(minutes=5)
        )
        began, job = clock(), asyncio.create_task(sleeping)
        self._held_since = self._held_since or began
        while not (await asyncio.wait({job}, timeout=0.2))[0]:
            if self.activities.running:
                self._held_since = clock()
            elif clock() - self._held_since > patience:
                await self.client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
                self._held_since = clock()
        await job
        if clock() - began < delta.total_seconds() / 2:
            self._held_since = None

    async def _rest(self, quiet_seconds: float = 0.02) -> None:
        """Wait until no activity has run for a moment."""
        while True:
            before = self.activities.started
            await asyncio.sleep(quiet_seconds)
            if self.activities.running == 0 and self.activities.started == before:
                return

    # Seeing.

    def handle(self, workflow: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(workflow)

    async def status(self, incident: str) -> dict[str, Any]:
        """The incident's view; empty while there is none."""
        try:
            return dict(await self.handle(incident).query("status"))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return {}
            raise

    async def timeline(self, incident: str) -> list[dict[str, Any]]:
        """All facts: those of earlier runs from the records, the rest from the workflow."""
        held = list(await self.handle(incident).query("timeline"))
        if not held or held[0]["seq"] > 1:
            older = await asyncio.to_thread(self.records.timeline, incident, 0, 100_000)
            first = held[0]["seq"] if held else float("inf")
            held = [e.model_dump(mode="json") for e in older if e.seq < first] + held
        return held

    async def facts(self, incident: str, *names: str) -> list[dict[str, Any]]:
        """The timeline, or only its facts of these names."""
        found = await self.timeline(incident)
        return [entry for entry in found if not names or entry["fact"] in names]

    def outbox(self, purpose: str | None = None) -> list[dict[str, Any]]:
        """Every message that left, oldest first."""
        found = [json.loads(p.read_text()) for p in (self.data / "outbox").glob("*.json")]
        chosen = [m for m in found if purpose is None or m["purpose"] == purpose]
        return sorted(chosen, key=lambda m: (m["at"], m["idempotency_key"]))

    async def eventually(
        self, look: Callable[[], Any] | Callable[[], Awaitable[Any]], within: float | None = None
    ) -> Any:
        """Look until there is something to see; fail with what was seen last."""
        within = self.patience if within is None else within
        deadline = asyncio.get_running_loop().time() + within
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            assert asyncio.get_running_loop().time() < deadline, f"waited {within} s, saw {found!r}"
            await asyncio.sleep(0.02)

    async def runs(self, workflow: str) -> list[list[HistoryEvent]]:
        """The histories of all its runs, the first one first."""
        found: list[list[HistoryEvent]] = []
        described = await self.handle(workflow).describe()
        run: str = described.raw_info.first_run_id or described.run_id
        while run:
            handle = self.client.get_workflow_handle(workflow, run_id=run)
            events = [event async for event in handle.fetch_history_events()]
            found.append(events)
            run = events[
                -1
            ].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        return found

    async def failed_tasks(self, workflow: str) -> list[str]:
        """Workflow tasks that failed, in any run. That something came in meanwhile is no failure."""
        causes = WorkflowTaskFailedCause
        meanwhile = (
            causes.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
            causes.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_UPDATE,
            causes.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,  # more than it buffers
        )
        failed = [
            event.workflow_task_failed_event_attributes
            for events in await self.runs(workflow)
            for event in events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        ]
        return [
            f"{causes.Name(one.cause)}: {one.failure.message}"
            for one in failed
            if one.cause not in meanwhile
        ]

    async def now(self) -> datetime:
        return await self.env.get_current_time()


def an_alert(
    key: str = "k1", *, status: str = "firing", severity: str = "SEV1", **fields: Any
) -> Alert:
    """A firing alert on checkout, as intake hands it over."""
    return Alert(
        id=fields.pop("id", str(uuid.uuid4())),
        key=key,
        status=AlertStatus(status),
        integration=fields.pop("integration", "prometheus"),
        service=fields.pop("service", "checkout"),
        severity=severity,
        summary=fields.pop("summary", f"alert {key}"),
        received_at=fields.pop("received_at", datetime.now(UTC)),
        **fields,
    )


_NOW: ContextVar[datetime | None] = ContextVar("now", default=None)


def _clock() -> datetime:
    """The server's time where an activity runs, so that virtual time reaches the look-ups too.

    What an activity says of its start is the worker's time where it is a local one.
    """
    return _NOW.get() or datetime.now(UTC)


class HoldsTime(Interceptor):
    """While an activity runs, virtual time stands still: a slow machine must not make it time out."""

    def __init__(self, client: Client, *, skipping: bool) -> None:
        self.client, self.skipping = client, skipping
        self.started = self.running = 0

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _HoldingTime(next, self)


class _HoldingTime(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, counts: HoldsTime) -> None:
        super().__init__(following)
        self._counts = counts

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        counts, service = self._counts, self._counts.client.test_service
        counts.started += 1
        counts.running += 1
        try:
            if counts.skipping:
                await service.lock_time_skipping(LockTimeSkippingRequest())
                now = await service.get_current_time(Empty())
                _NOW.set(now.time.ToDatetime(tzinfo=UTC))
            return await super().execute_activity(input)
        finally:
            counts.running -= 1
            if counts.skipping:
                await service.unlock_time_skipping(UnlockTimeSkippingRequest())


@asynccontextmanager
async def a_world(
    data: Path,
    *,
    skipping: bool = True,
    policy: Path = EXAMPLE,
    environment: dict[str, str] | None = None,
    limits: dict[str, int] | None = None,
    activities: Callable[[worker.Activities], worker.Activities] = lambda built: built,
    clock_error: timedelta = timedelta(0),
    **worker_options: Any,
) -> AsyncIterator[World]:
    """A running Tocsin.

    Args:
        skipping: the time-skipping server; False is the development server in real time.
        environment: variables of the channels and of Tocsin.
        limits: history lengths after which `desk` and `incident` continue as new.
        activities: replace some of them.
        clock_error: how far the worker's clock is off.
    """
    async with AsyncExitStack() as stack:
        # A disk that other tests keep busy is no disk that hangs.
        stack.enter_context(mock.patch("activities.delivery.NOTE_SECONDS", 20.0))
        env = await (_skipping() if skipping else _local())
        stack.push_async_callback(env.shutdown)
        await prepare_namespace(env.client)
        settings = load_settings({"TOCSIN_DATA_DIR": str(data), **(environment or {})})
        PolicyStore(data).adopt(read_policy(policy))
        await worker.prepare_records(settings)
        built = activities(
            worker.build_activities(
                env.client,
                settings,
                {"TOCSIN_DATA_DIR": str(data), **(environment or {})},
                lambda: _clock() + clock_error,
                # The skipping server's clock runs on while an activity waits in real time.
                recording_hold_seconds=0.0 if skipping else 0.2,
            )
        )
        stack.push_async_callback(built.aclose)
        counts = HoldsTime(env.client, skipping=skipping)
        worker_options["interceptors"] = [counts]

        async def start_workers(client: Client) -> AsyncExitStack:
            running = AsyncExitStack()
            for one in worker.build_workers(client, built, **worker_options):
                await running.enter_async_context(one)
            return running

        world = World(env, data, limits or {}, counts)
        world.start_workers = start_workers
        world.workers = await start_workers(env.client)
        stack.push_async_callback(world.stop_workers)
        yield world


async def _skipping() -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_time_skipping(
        data_converter=data_converter,
        test_server_existing_path=str(BIN / "temporal-test-server"),
    )


async def _local() -> WorkflowEnvironment:
    extra = [part for value in _tuning() for part in ("--dynamic-config-value", value)]
    return await WorkflowEnvironment.start_local(
        data_converter=data_converter,
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_extra_args=extra,
        dev_server_log_level="error",
    )


def _tuning() -> tuple[str, ...]:
    from starter.embedded import SERVER_TUNING

    return SERVER_TUNING

"""Speaking to Temporal: one connection, calls that are bounded in time, and errors in our words.

A call that may succeed at the next attempt is repeated under the same id until its time is up; what to
do then is the business of `gateway.py`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import Priority, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    ResetStickyTaskQueueRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import (
    Client,
    RPCError,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from domain.errors import REFUSALS, IncidentError, Problem, TocsinError
from domain.heartbeat import Definition
from workflows.contract import (
    DESK,
    HEARTBEAT,
    ROSTER,
    ROSTER_ID,
    TASK_QUEUE,
    TASK_TIMEOUT,
    DeskInput,
    HeartbeatInput,
    RosterInput,
    desk_id,
    heartbeat_id,
)
from workflows.converter import data_converter

ANSWER_WITHIN = timedelta(seconds=2)
"""How long somebody who asks waits; after that the same thing is sent as a signal."""
ROSTER_WITHIN = timedelta(seconds=4)
"""The roster may take 2 s to write its copy, and says so when it could not."""
DELIVER_WITHIN = timedelta(seconds=2)
"""How long a signal may take until Temporal has it on disk."""
HASTEN_WITHIN = timedelta(seconds=1)
HASTE = Priority(priority_key=1)
"""The first to be served; incidents of SEV1 have it, desks have none."""
QUERY_WITHIN = timedelta(seconds=1)
"""A read has the records to fall back on."""
TRANSIENT = frozenset(
    {
        RPCStatusCode.FAILED_PRECONDITION,  # "Workflow Task in failed state": a worker is being restarted
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.RESOURCE_EXHAUSTED,  # ten updates at once are the most that a workflow takes
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
    }
)
TIMED_OUT = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})

T = TypeVar("T")


class GatewayUnavailableError(TocsinError):
    """Temporal does not take anything now: nothing is known to have been kept. Whoever asks retries."""


class NotAnsweredError(TocsinError):
    """No answer in time: whether it was done is unknown. Retried under the same id, or as a signal."""


class WorkflowGoneError(TocsinError):
    """There is no such workflow, or it has ended. Not retried: the records know more."""


class RefusedError(IncidentError):
    """A workflow refused a command, for the reasons of the domain. Not retried.

    Args:
        kind: the name of the domain's error, one of `REFUSALS`.
    """

    def __init__(self, kind: str, message: str, details: Any) -> None:
        found = details if isinstance(details, dict) else {}
        self.kind = kind
        self.status: str | None = found.get("status")
        self.allowed: list[str] = list(found.get("allowed") or [])
        self._problems = [Problem.model_validate(item) for item in found.get("problems") or []]
        super().__init__(message)

    def problems(self) -> list[Problem]:
        return self._problems or super().problems()


async def connect(*, lazy: bool = True, **options: Any) -> Client:
    """A client that connects at its first call, and again whenever the connection is lost.

    Args:
        lazy: False connects at once, as workers need it, and raises where Temporal is away.

    Where Temporal is stands in its own settings, `TEMPORAL_*` and the profile file.

    Raises:
        RuntimeError: those settings have mistakes.
    """
    found: dict[str, Any] = dict(ClientConfig.load_client_connect_config(config_file_strict=True))
    where = {"target_host": "localhost:7233", **found, **options}
    return await Client.connect(**where, data_converter=data_converter, lazy=lazy)


class TemporalLink:
    """The calls that the gateway makes. Each raises the errors above and no others of Temporal's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def client(self) -> Client:
        return self._client

    async def update(self, workflow_id: str, name: str, body: dict[str, Any], key: str) -> Any:
        """Send a command and wait for its answer."""

        async def call(within: timedelta) -> Any:
            return await self._handle(workflow_id).execute_update(
                name, body, id=key, rpc_timeout=within
            )

        return await self._repeated(call, ANSWER_WITHIN)

    async def update_desk(self, service: str, name: str, body: dict[str, Any], key: str) -> Any:
        """Send a command to a desk, which is started where none runs."""
        return await self._update_starting(
            lambda: WithStartWorkflowOperation(
                DESK,
                DeskInput(service=service),
                id=desk_id(service),
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_TIMEOUT,
                static_summary=f"Desk of {service}",
            ),
            (name, body, key),
            ANSWER_WITHIN,
        )

    async def update_roster(self, name: str, body: dict[str, Any], key: str) -> Any:
        """Send a change to the roster, which is started where none runs; it waits for its copy first."""
        return await self._update_starting(
            lambda: WithStartWorkflowOperation(
                ROSTER,
                RosterInput(),
                id=ROSTER_ID,
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_TIMEOUT,
                static_summary="The roster: what was changed in the schedules at run time",
            ),
            (name, body, key),
            ROSTER_WITHIN,
        )

    async def signal_roster(self, name: str, body: dict[str, Any]) -> None:
        """Leave something at the roster, which is started where none runs."""

        async def call(within: timedelta) -> None:
            await self._client.start_workflow(
                ROSTER,
                RosterInput(),
                id=ROSTER_ID,
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_TIMEOUT,
                start_signal=name,
                start_signal_args=[body],
                static_summary="The roster: what was changed in the schedules at run time",
                rpc_timeout=within,
            )

        await self._delivered(call)

    async def _update_starting(
        self,
        start: Callable[[], WithStartWorkflowOperation[Any, Any]],
        sent: tuple[str, dict[str, Any], str],
        patience: timedelta,
    ) -> Any:
        """Send a command to a workflow that is started where none runs.

        Args:
            start: a new start for each attempt.
            sent: the command's name, its body and its key.
        """
        name, body, key = sent

        async def call(within: timedelta) -> Any:
            operation = start()
            try:
                return await self._client.execute_update_with_start_workflow(
                    name, body, id=key, start_workflow_operation=operation, rpc_timeout=within
                )
            except Exception:
                # The start fails by an exception of its own; Python complains of one nobody looked at.
                with suppress(Exception):
                    async with asyncio.timeout(0.05):
                        await operation.workflow_handle()
                raise

        return await self._repeated(call, patience)

    async def signal(self, workflow_id: str, name: str, body: dict[str, Any]) -> None:
        """Leave a command; it is done when a worker is up."""

        async def call(within: timedelta) -> None:
            await self._handle(workflow_id).signal(name, body, rpc_timeout=within)

        await self._delivered(call)

    async def signal_desk(self, service: str, name: str, body: dict[str, Any]) -> None:
        """Leave something at a desk, which is started where none runs."""

        async def call(within: timedelta) -> None:
            await self._client.start_workflow(
                DESK,
                DeskInput(service=service),
                id=desk_id(service),
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_TIMEOUT,
                start_signal=name,
                start_signal_args=[body],
                static_summary=f"Desk of {service}",
                rpc_timeout=within,
            )

        await self._delivered(call)

    async def hasten_desk(self, service: str) -> None:
        """Let the next task of a desk pass those that wait, of whatever workflow.

        Raises:
            RPCError: Temporal does not know how, or there is no such desk. Not worth a second attempt.
        """
        await self._prioritise_desk(service, HASTE)
        # Its tasks wait for the worker that has it in its cache, in a queue without priorities.
        await self._client.workflow_service.reset_sticky_task_queue(
            ResetStickyTaskQueueRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=desk_id(service)),
            ),
            timeout=HASTEN_WITHIN,
        )

    async def calm_desk(self, service: str) -> None:
        """Take that back. Raises as `hasten_desk`."""
        await self._prioritise_desk(service, Priority())

    async def _prioritise_desk(self, service: str, priority: Priority) -> None:
        await self._client.workflow_service.update_workflow_execution_options(
            UpdateWorkflowExecutionOptionsRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=desk_id(service)),
                workflow_execution_options=WorkflowExecutionOptions(priority=priority),
                update_mask=FieldMask(paths=["priority"]),
            ),
            timeout=HASTEN_WITHIN,
        )

    async def signal_monitor(
        self, name: str, definition: Definition, signal: str, body: dict[str, Any]
    ) -> None:
        """Leave something at a heartbeat's monitor, which is started where none runs.

        Args:
            definition: with a monitor, what it is started with.
        """
        if definition.monitor is None:
            raise ValueError(f"heartbeat {name} is not defined")
        start = HeartbeatInput(
            name=name, monitor=definition.monitor, fold=definition.fold, rule=definition.rule
        )

        async def call(within: timedelta) -> None:
            await self._client.start_workflow(
                HEARTBEAT,
                start,
                id=heartbeat_id(name),
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_TIMEOUT,
                start_signal=signal,
                start_signal_args=[body],
                static_summary=f"Heartbeat of {name}",
                rpc_timeout=within,
            )

        await self._delivered(call)

    async def query(self, workflow_id: str, name: str) -> Any:
        """Ask a workflow something, running or ended; it is asked once."""
        try:
            async with asyncio.timeout(QUERY_WITHIN.total_seconds() + 0.2):
                return await self._handle(workflow_id).query(name, rpc_timeout=QUERY_WITHIN)
        except WorkflowQueryFailedError as error:
            raise NotAnsweredError(f"{workflow_id} does not answer {name}: {error}") from error
        except (RPCError, RPCTimeoutOrCancelledError, TimeoutError, RuntimeError) as error:
            _raise_in_our_words(error)

    async def is_reachable(self) -> bool:
        """Whether Temporal answers now."""
        try:
            async with asyncio.timeout(1.2):
                return await self._client.service_client.check_health(timeout=timedelta(seconds=1))
        except (RPCError, RPCTimeoutOrCancelledError, TimeoutError, RuntimeError):
            return False

    def _handle(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        # Without a run id: the handle must follow the workflow when it continues as new.
        return self._client.get_workflow_handle(workflow_id)

    async def _delivered(self, call: Callable[[timedelta], Awaitable[None]]) -> None:
        try:
            await self._repeated(call, DELIVER_WITHIN)
        except NotAnsweredError as error:
            raise GatewayUnavailableError(f"Temporal does not answer: {error}") from error

    async def _repeated(self, call: Callable[[timedelta], Awaitable[T]], within: timedelta) -> T:
        """Call until it answers, fails for good, or the time is up."""
        end = time.monotonic() + within.total_seconds()
        pause = 0.05
        while True:
            left = max(end - time.monotonic(), 0.05)
            try:
                async with asyncio.timeout(left + 0.2):
                    return await call(timedelta(seconds=left))
            except WorkflowUpdateFailedError as error:
                if not _ended_meanwhile(error):
                    _raise_refusal(error)
            except (RPCError, RPCTimeoutOrCancelledError, TimeoutError, RuntimeError) as error:
                if not _is_transient(error) or time.monotonic() + pause >= end:
                    _raise_in_our_words(error)
            # Jitter: many callers were refused at the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 0.5)


def _is_transient(error: Exception) -> bool:
    if isinstance(error, RPCError):
        return error.status in TRANSIENT
    return isinstance(error, RuntimeError)  # what a first connection that fails raises


def _ended_meanwhile(error: WorkflowUpdateFailedError) -> bool:
    """The run ended with the command under way: ask once more, what comes next knows the answer."""
    cause = error.cause
    return isinstance(cause, ApplicationError) and cause.type == "AcceptedUpdateCompletedWorkflow"


def _raise_refusal(error: WorkflowUpdateFailedError) -> NoReturn:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type in REFUSALS:
        details = cause.details[0] if cause.details else {}
        raise RefusedError(str(cause.type), cause.message, details) from error
    raise NotAnsweredError(f"the workflow failed to answer: {cause}") from error


def _raise_in_our_words(error: Exception) -> NoReturn:
    if isinstance(error, RPCError):
        if error.status is RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower():
            raise WorkflowGoneError(error.message) from error
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            problem = Problem(where="", detail=f"Temporal does not take it: {error.message}"[:300])
            details = {"problems": [problem.model_dump(mode="json")]}
            raise RefusedError("CommandError", problem.detail, details) from error
        if error.status in TIMED_OUT | TRANSIENT:
            raise NotAnsweredError(error.message or error.status.name) from error
        raise GatewayUnavailableError(f"{error.status.name}: {error.message}") from error
    if isinstance(error, RuntimeError):
        raise GatewayUnavailableError(f"no connection to Temporal: {error}") from error
    raise NotAnsweredError("no answer in time") from error

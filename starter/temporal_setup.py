"""What a Temporal namespace needs before the first worker takes work.

An unregistered search attribute makes a workflow's task fail for ever, so they are registered first.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import structlog
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.heartbeat import definition_of
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from starter.temporal_link import connect
from workflows import contract

RETENTION = timedelta(days=30)
"""How long ended incidents stay in the Temporal UI; the records keep them for ever."""

log = structlog.get_logger(__name__)


async def connect_and_prepare(stop: asyncio.Event) -> Client | None:
    """Connect and register the search attributes, waiting for Temporal for as long as it takes.

    Returns:
        None when told to stop meanwhile.
    """
    wait = 0.05
    while not stop.is_set():
        try:
            client = await connect(lazy=False)
            await prepare_namespace(client)
        except (RPCError, RuntimeError) as error:
            if wait >= 1.0:
                log.warning("waiting for Temporal", reason=str(error)[:300])
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, 2.0)
        else:
            return client
    return None


async def prepare_namespace(client: Client) -> None:
    """What must be there before the first workflow task; doing it again changes nothing."""
    try:
        await register_search_attributes(client)
        await keep_ended_workflows(client)
    except RPCError as error:
        if error.status is not RPCStatusCode.PERMISSION_DENIED:
            raise
        # Temporal Cloud: its own tooling registers them, as docs/operations.md says.
        log.warning("the namespace must be prepared by hand", reason=error.message)


async def register_search_attributes(client: Client) -> None:
    """Register those of incidents; doing it again changes nothing."""
    kinds = {
        key.name: IndexedValueType.INDEXED_VALUE_TYPE_BOOL
        if key.name == contract.MAJOR.name
        else IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        for key in contract.SEARCH_ATTRIBUTES
    }
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=kinds)
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def keep_ended_workflows(client: Client) -> None:
    """Lengthen the development server's retention of a day; a cluster's own setting is left alone."""
    if client.namespace != "default":
        return
    config = NamespaceConfig(
        workflow_execution_retention_ttl=Duration(seconds=int(RETENTION.total_seconds()))
    )
    request = UpdateNamespaceRequest(namespace=client.namespace, config=config)
    try:
        await client.workflow_service.update_namespace(request)
    except RPCError as error:
        if error.status not in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED):
            raise


async def start_what_stands(client: Client, version: str, policy: Policy, data: Path) -> None:
    """Everything that runs for as long as there is a policy; what runs already is left alone.

    Args:
        data: the data folder, where it is noted which policy Temporal has heard of.
    """
    await start_desks(client, policy)
    await start_roster(client)
    await start_monitors(client, policy)
    await tell_of_new_policy(client, version, policy, data / "run" / "policy.told")


async def start_desks(client: Client, policy: Policy) -> None:
    """Start a desk for every service, so that the first alert of each is as quick as the next."""
    for service in [*policy.services, UNKNOWN_SERVICE]:
        try:
            await client.start_workflow(
                contract.DESK,
                contract.DeskInput(service=service),
                id=contract.desk_id(service),
                task_queue=contract.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=contract.TASK_TIMEOUT,
                static_summary=f"Desk of {service}",
            )
        except WorkflowAlreadyStartedError:
            continue


async def start_roster(client: Client) -> None:
    """Start the roster where none runs, and have it read the calendars of the policy that is in force now."""
    await client.start_workflow(
        contract.ROSTER,
        contract.RosterInput(),
        id=contract.ROSTER_ID,
        task_queue=contract.TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_timeout=contract.TASK_TIMEOUT,
        start_signal="refresh",
        start_signal_args=[{}],
        static_summary="The roster: what was changed in the schedules at run time",
    )


async def start_monitors(client: Client, policy: Policy) -> None:
    """Start a monitor for every heartbeat, and end those that the policy has no more.

    One that runs learns of a changed definition by its next beat, or before it says that it is late.
    """
    for name, monitor in policy.heartbeats.items():
        defined = definition_of(policy, name)
        start = contract.HeartbeatInput(
            name=name, monitor=monitor, fold=defined.fold, rule=defined.rule
        )
        try:
            await client.start_workflow(
                contract.HEARTBEAT,
                start,
                id=contract.heartbeat_id(name),
                task_queue=contract.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=contract.TASK_TIMEOUT,
                static_summary=f"Heartbeat of {name}",
            )
        except WorkflowAlreadyStartedError:
            continue
    query = f'WorkflowType="{contract.HEARTBEAT}" AND ExecutionStatus="Running"'
    known = {contract.heartbeat_id(name) for name in policy.heartbeats}
    try:
        async for found in client.list_workflows(query):
            if found.id not in known:
                await client.get_workflow_handle(found.id).signal("define", {"monitor": None})
    except RPCError as error:
        # It ends by itself at its next deadline, and is never late before it has looked.
        log.warning("old heartbeats could not be looked for", reason=error.message)


async def tell_of_new_policy(client: Client, version: str, policy: Policy, told: Path) -> None:
    """Have every desk look at its maintenance windows where the policy is not the one last told.

    Args:
        told: file that keeps the version; without it they look once too often.
    """
    try:
        if told.read_text(encoding="utf-8").strip() == version:
            return
    except (OSError, ValueError):
        pass
    for service in [*policy.services, UNKNOWN_SERVICE]:
        await client.get_workflow_handle(contract.desk_id(service)).signal("review_maintenance", {})
    try:
        told.parent.mkdir(parents=True, exist_ok=True)
        told.write_text(f"{version}\n", encoding="utf-8")
    except OSError as error:
        log.warning("cannot keep which policy was told", reason=str(error))

"""Letting a workflow's next task pass those that wait: hundreds wait in a storm, and one ends it."""

from __future__ import annotations

from datetime import timedelta

import structlog
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import Priority, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    ResetStickyTaskQueueRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

log = structlog.get_logger(__name__)

WITHIN = timedelta(seconds=1)
FIRST = 1
"""Of Temporal's priorities; incidents of SEV1 have it."""


async def hasten(client: Client, workflow: str) -> None:
    """Give a workflow the first priority. Best effort: one that is not there, or cannot, is left alone.

    Its tasks wait for the worker that has it in its cache, in a queue without priorities; so it leaves that.
    """
    execution = WorkflowExecution(workflow_id=workflow)
    try:
        await client.workflow_service.update_workflow_execution_options(
            UpdateWorkflowExecutionOptionsRequest(
                namespace=client.namespace,
                workflow_execution=execution,
                workflow_execution_options=WorkflowExecutionOptions(
                    priority=Priority(priority_key=FIRST)
                ),
                update_mask=FieldMask(paths=["priority"]),
            ),
            timeout=WITHIN,
        )
        await client.workflow_service.reset_sticky_task_queue(
            ResetStickyTaskQueueRequest(namespace=client.namespace, execution=execution),
            timeout=WITHIN,
        )
    except RPCError as error:
        log.info("not hastened", workflow=workflow, reason=str(error)[:200])

"""What a heartbeat's monitor asks of the outside: the policy now, and whether the server was away."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client

from activities.looking_up import PolicySource
from domain.heartbeat import Definition, definition_of
from workflows import contract

EVENTS_READ = 100
"""The timer that has just fired is among the last ones, unless a storm of beats lies between."""


class Listening:
    """Look-ups of the monitors."""

    def __init__(self, policy: PolicySource, client: Client) -> None:
        self._policy, self._client = policy, client

    @activity.defn(name="look_up_monitor")
    async def look_up_monitor(self, name: str) -> Definition:
        """What the policy says of a monitor now.

        Raises:
            Exception: the policy cannot be read. Retried.
        """
        return definition_of(self._policy.current()[1], name)

    @activity.defn(name="timer_fired_at")
    async def timer_fired_at(self, request: contract.TimerQuery) -> datetime | None:
        """When the last timer of a run fired by the server's clock; None when that is not to be found.

        A timer fires on time while the server runs, whether or not a worker is there to see it.
        """
        answer = await self._client.workflow_service.get_workflow_execution_history_reverse(
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=request.workflow_id, run_id=request.run_id),
                maximum_page_size=EVENTS_READ,
            )
        )
        for event in answer.history.events:
            if event.event_type == EventType.EVENT_TYPE_TIMER_FIRED:
                return event.event_time.ToDatetime(tzinfo=UTC)
        return None

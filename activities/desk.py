"""What incidents and desks say to each other when the other may not be running.

These hold a Temporal client: a signal-with-start reaches a desk whether or not it runs, and a signal of
the client's own costs the desk one task less than one of its workflow.
"""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from workflows import contract


class DeskActivities:
    """Signals to desks."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name="signal_desk")
    async def signal_desk(self, request: contract.DeskSignal) -> None:
        """Deliver a signal to a desk, starting the desk when none runs."""
        await self._client.start_workflow(
            contract.DESK,
            contract.DeskInput(service=request.service),
            id=contract.desk_id(request.service),
            task_queue=contract.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=contract.TASK_TIMEOUT,
            start_signal=request.name,
            start_signal_args=[request.body],
        )

    @activity.defn(name="hand_alerts")
    async def hand_alerts(self, request: contract.HandAlerts) -> bool:
        """Give alerts to an open incident, which takes each batch once; False when it is there no more.

        Raises:
            RPCError: Temporal did not take them, or did not say. Retried, which delivers nothing twice.
        """
        incident = self._client.get_workflow_handle(request.incident_id)
        try:
            await incident.signal("alerts", request.batches)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

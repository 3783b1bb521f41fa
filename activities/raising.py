"""Raising an incident: everything that it needs to begin is looked up, and its workflow is started.

A local activity of the desk, so that the page is on its way while the desk's own task is still being
written down. It may run twice: the memo of the workflow says who started it. See docs/adr/0017.
"""

from __future__ import annotations

from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.maintenance import MaintenanceLookUp
from activities.page import PageResolving
from activities.policy import Pinning
from domain.facts.maintenance import word_of_maintenance
from domain.incident import Status
from domain.maintenance import not_over
from domain.messages import PinPolicy
from domain.preparing import Prepared, PrepareIncident, is_first_page, page_request
from domain.raising import raise_incident
from workflows import contract


class Raising:
    """Starts incidents; they page from what was looked up for them, at once."""

    def __init__(
        self,
        client: Client,
        pinning: Pinning,
        resolving: PageResolving,
        windows: MaintenanceLookUp,
    ) -> None:
        self._client, self._pinning = client, pinning
        self._resolving, self._windows = resolving, windows

    @activity.defn(name="start_incident")
    async def start_incident(self, request: contract.StartIncident) -> contract.StartedIncident:
        """Start the workflow of an incident; when it returns, the incident exists.

        Raises:
            PolicyError: there is no policy at all. Retried.
            RPCError: Temporal did not take it, or did not say. Retried, which starts nothing twice.
        """
        prepared = await self._prepare(request)
        try:
            await self._start(request, prepared)
        except WorkflowAlreadyStartedError:
            # An earlier attempt of ours, or a desk that was reset or restored: the cause tells.
            is_ours = await self._cause_of(request.incident_id) == request.cause
            return contract.StartedIncident(
                is_taken=not is_ours,
                severity=prepared.severity,
                priority=prepared.priority,
                raised_at=prepared.at,
            )
        return contract.StartedIncident(
            severity=prepared.severity, priority=prepared.priority, raised_at=prepared.at
        )

    async def _start(self, request: contract.StartIncident, prepared: Prepared) -> None:
        await self._client.start_workflow(
            contract.INCIDENT,
            contract.IncidentInput(
                id=request.incident_id,
                policy=prepared.policy,
                url=prepared.url,
                cause=request.cause,
                origin=request.origin,
                first_page=prepared.first_page,
                prepared_at=prepared.at,
                windows=prepared.windows,
                faults=[prepared.fault] if prepared.fault else [],
                roll_over_at=request.roll_over_at,
            ),
            id=request.incident_id,
            task_queue=contract.TASK_QUEUE,
            task_timeout=contract.TASK_TIMEOUT,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            memo={"cause": request.cause},
            search_attributes=_search_attributes(request.service, prepared),
            static_summary=f"{prepared.severity} {prepared.summary}"[:200],
            static_details=prepared.description[:2000] or None,
            priority=contract.priority_of(prepared.severity),
            # The first task comes with the answer, where this very process can take it.
            request_eager_start=True,
        )

    async def _cause_of(self, incident_id: str) -> str:
        """The cause in the memo of an incident's workflow; empty when there is none to read."""
        try:
            found = await self._client.get_workflow_handle(incident_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return ""
            raise
        return str((await found.memo()).get("cause", ""))

    async def _prepare(self, request: PrepareIncident) -> Prepared:
        """The policy's slice, the link, and who stands behind the first step."""
        pinned = await self._pinning.pin_policy(
            PinPolicy(service=request.service, type=request.type, incident_id=request.incident_id)
        )
        listed, fault = self._windows.of_policy(request.service)
        windows = not_over([*listed, *request.made], request.at)
        incident, facts = raise_incident(
            request.incident_id, request.origin, pinned.policy, pinned.url, request.at, windows
        )
        for fact in facts:
            incident.record(fact, request.at)
        first = None
        run = incident.run("p1")
        is_due = run is not None and is_first_page(run) and run.due_at == request.at
        if run is not None and is_due and word_of_maintenance(incident, run, request.at) is None:
            key = f"{incident.id}/{run.step_key()}/resolve"
            answer = await self._resolving.resolve_page(
                page_request(incident, run, key, request.at, late=False)
            )
            # An answer without anybody is asked for again by the incident, which deals with it.
            first = answer if answer.targets or answer.hold_until else None
        return Prepared(
            policy=pinned.policy,
            url=pinned.url,
            severity=incident.severity,
            priority=incident.priority,
            major=incident.is_major,
            summary=incident.summary,
            description=incident.description,
            first_page=first,
            windows=windows,
            fault=fault,
            at=request.at,
        )


def _search_attributes(service: str, prepared: Prepared) -> TypedSearchAttributes:
    """The row in the Temporal UI is right before the incident's first task has run."""
    values = {
        contract.STATUS: Status.RAISED.value,
        contract.SEVERITY: prepared.severity,
        contract.PRIORITY: prepared.priority,
        contract.SERVICE: service,
        contract.MAJOR: prepared.major,
    }
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(key, value)  # type: ignore[arg-type]
        for key, value in values.items()
    ]
    return TypedSearchAttributes(pairs)

"""Raising an incident: everything that it needs to begin is looked up, and its workflow is started.

A local activity of the desk, so that the page is on its way while the desk's own task is still being
written down. It may run twice: the memo of the workflow says who started it. See docs/adr/0017.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
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

from activities.crossing import LookingForCauses
from activities.maintenance import MaintenanceLookUp
from activities.page import PageResolving
from activities.policy import Pinning
from activities.storm import StormWatch
from domain.facts.maintenance import word_of_maintenance
from domain.incident import Incident, Status
from domain.likely_cause import LikelyCause
from domain.maintenance import Window, not_over
from domain.messages import PinPolicy
from domain.pinned import Pinned
from domain.preparing import Prepared, PrepareIncident, is_first_page, page_request
from domain.raising import raise_incident
from domain.storm import storm_source
from workflows import contract


@dataclass(frozen=True)
class Begun:
    """An incident of which everything is known but whom it pages."""

    pinned: Pinned
    incident: Incident
    windows: list[Window]
    fault: str
    is_quiet: bool
    """Whether a maintenance lasts, so that it pages nobody."""
    looking: asyncio.Task[LikelyCause | None]
    """For the incident that it may be put down to."""


DECIDED_KEPT = 2_000
"""Decisions between raising and folding that a process remembers; they matter for some seconds."""


class Raising:
    """Starts incidents; they page from what was looked up for them, at once."""

    def __init__(
        self,
        client: Client,
        pinning: Pinning,
        resolving: PageResolving,
        windows: MaintenanceLookUp,
        causes: LookingForCauses,
        storms: StormWatch,
    ) -> None:
        self._client, self._pinning = client, pinning
        self._resolving, self._windows = resolving, windows
        self._causes, self._storms = causes, storms
        self._decided: dict[tuple[str, str, str | None], str] = {}
        """What was begun with a request: the storm that takes it, or nothing where a start was sent."""

    @activity.defn(name="start_incident")
    async def start_incident(self, request: contract.StartIncident) -> contract.StartedIncident:
        """Start the workflow of an incident; when it returns, the incident exists, or a storm takes it.

        Raises:
            PolicyError: there is no policy at all. Retried.
            RPCError: Temporal did not take it, or did not say. Retried, which starts nothing twice.
        """
        begun = await self._begin(request)
        if folded_into := await self._fold(request, begun):
            incident = begun.incident
            return contract.StartedIncident(
                folded_into=folded_into,
                integration=storm_source(request.origin) or "",
                severity=incident.severity,
                priority=incident.priority,
                raised_at=request.at,
            )
        prepared = await self._prepare(request, begun)
        # From here on it may exist, although this attempt may never hear of it: the next one must not fold.
        self._decide(request, "")
        try:
            await self._start(request, prepared)
            self._causes.has_raised(
                request.incident_id, request.service, prepared.severity, request.at
            )
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

    async def _fold(self, request: contract.StartIncident, begun: Begun) -> str:
        """The storm incident that takes its alerts; what an earlier attempt has started stays as it is.

        What pages nobody, for a maintenance or for its cause, is part of no storm.
        """
        if (decided := self._decided.get(_identity(request))) is not None:
            if decided:
                begun.looking.cancel()
            return decided
        policy, severity = begun.pinned.policy, begun.incident.severity
        if begun.is_quiet or not self._storms.count(request, policy.limits.storm):
            return ""
        if await begun.looking is not None:
            self._storms.uncount(request)
            return ""
        if await self._cause_of(request.incident_id) == request.cause:
            return ""
        into = await self._storms.fold(request, severity, policy.rank_of(severity))
        if into:
            self._decide(request, into)
        return into

    def _decide(self, request: contract.StartIncident, into: str) -> None:
        """Later attempts at this request, and its desk's task when it is done again, do the same."""
        self._decided[_identity(request)] = into
        while len(self._decided) > DECIDED_KEPT:
            del self._decided[next(iter(self._decided))]

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
                likely_cause=prepared.cause,
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

    async def _begin(self, request: PrepareIncident) -> Begun:
        """The policy's slice, and the incident as it will begin; its likely cause is being looked for."""
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
        is_quiet = any(window.covers(request.at) for window in windows)
        looking = asyncio.create_task(self._cause_for(request, incident, is_quiet=is_quiet))
        return Begun(pinned, incident, windows, fault, is_quiet, looking)

    async def _prepare(self, request: contract.StartIncident, begun: Begun) -> Prepared:
        """Who stands behind the first step, unless it waits for the likely cause."""
        incident, first = begun.incident, None
        run = incident.run("p1")
        is_due = run is not None and is_first_page(run) and run.due_at == request.at
        if run is not None and is_due and word_of_maintenance(incident, run, request.at) is None:
            key = f"{incident.id}/{run.step_key()}/resolve"
            answer = await self._resolving.resolve_page(
                page_request(incident, run, key, request.at, late=False)
            )
            # An answer without anybody is asked for again by the incident, which deals with it.
            first = answer if answer.targets or answer.hold_until else None
        cause = await begun.looking
        if cause is not None:
            self._storms.uncount(request)
        return Prepared(
            policy=begun.pinned.policy,
            url=begun.pinned.url,
            severity=incident.severity,
            priority=incident.priority,
            major=incident.is_major,
            summary=incident.summary,
            description=incident.description,
            first_page=first if cause is None else None,
            windows=begun.windows,
            cause=cause,
            fault=begun.fault,
            at=request.at,
        )

    async def _cause_for(
        self, request: PrepareIncident, incident: Incident, *, is_quiet: bool
    ) -> LikelyCause | None:
        """For whose end its page is to wait. What a person wants, or a window holds, is not asked about."""
        if not request.origin.alerts or is_quiet:
            return None
        return await self._causes.likely_cause(request.service, incident.severity, incident.policy)


def _identity(request: contract.StartIncident) -> tuple[str, str, str | None]:
    """What is the same however often it is asked for, and another once the alerts were given back."""
    return request.incident_id, request.cause, request.origin.related


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

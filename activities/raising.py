"""Raising an incident: everything that it needs to begin, in one look-up."""

from __future__ import annotations

from temporalio import activity

from activities.page import PageResolving
from activities.policy import Pinning
from domain.messages import PinPolicy
from domain.preparing import Prepared, PrepareIncident, is_first_page, page_request
from domain.raising import raise_incident


class Raising:
    """Runs as a local activity of the desk; the incident pages from its answer at once."""

    def __init__(self, pinning: Pinning, resolving: PageResolving) -> None:
        self._pinning, self._resolving = pinning, resolving

    @activity.defn(name="prepare_incident")
    async def prepare_incident(self, request: PrepareIncident) -> Prepared:
        """The policy's slice, the link, and who stands behind the first step.

        Raises:
            PolicyError: there is no policy at all. Retried.
        """
        pinned = await self._pinning.pin_policy(
            PinPolicy(service=request.service, type=request.type, incident_id=request.incident_id)
        )
        incident, facts = raise_incident(
            request.incident_id, request.origin, pinned.policy, pinned.url, request.at
        )
        for fact in facts:
            incident.record(fact, request.at)
        first = None
        run = incident.run("p1")
        if run is not None and is_first_page(run) and run.due_at == request.at:
            key = f"{incident.id}/{run.step_key()}/resolve"
            answer = await self._resolving.resolve_page(
                page_request(incident, run, key, late=False)
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
            at=request.at,
        )

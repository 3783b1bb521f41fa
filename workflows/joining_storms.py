"""What a desk has to do with storms: `unknown` raises their incidents, every desk may join one.

An incident that stands for a storm belongs to the desk of `unknown`. Another desk that was told to fold
knows it as one more that takes its alerts, keeps what fires of its own, and decides that again when the
storm's incident ends: nothing stays swallowed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.alert import Alert
    from domain.errors import CommandError
    from domain.open_ref import OpenRef
    from domain.raising import Origin
    from domain.storm import TAKES_FOR, RaisedStorm, StormOrder
    from domain.triage import DeskState
    from workflows import contract
    from workflows.handlers import one_object, shown
    from workflows.inbox import Inbox


class JoinsStorms(ABC):
    """What a desk needs for storms; `ServiceDesk` is built on it."""

    _state: DeskState
    _inbox: deque[Inbox]

    @abstractmethod
    async def _start_incident(self, origin: Origin, kind: str, cause: str) -> str:
        """Raise an incident; answers its id."""

    @abstractmethod
    def _refuse(self, what: str, why: str) -> None:
        """Keep a refusal where the operator sees it."""

    async def _raise_storm(self, order: StormOrder) -> None:
        """Raise the incident of a storm, once under its key."""
        if order.key not in self._state.results:
            origin = Origin(storm=order, received_at=workflow.now())
            incident = await self._start_incident(origin, "default", order.key)
            if incident in self._state.open:
                self._state.open[incident].storm = order.integration
            self._state.remember_result(order.key, {"id": incident})
        raised = RaisedStorm(key=order.key, id=self._state.results[order.key]["id"])
        entity = workflow.get_external_workflow_handle(contract.storm_id(order.integration))
        try:
            await entity.signal("raised", raised)
        except ApplicationError as error:
            workflow.logger.info("nobody asks for storm %s any more: %s", order.key, error)

    def _fold(self, started: contract.StartedIncident, alerts: list[Alert]) -> str:
        """The desk joins a storm; its alerts are still to be handed over."""
        self._state.give_number_back()
        ref = OpenRef(
            id=started.folded_into,
            severity=started.severity,
            priority=started.priority,
            raised_at=started.raised_at,
            storm=started.integration,
            takes_until=alerts[0].received_at + TAKES_FOR,
        )
        self._state.join_storm(ref, alerts)
        return started.folded_into

    def _is_storm(self, incident: str) -> bool:
        ref = self._state.open.get(incident)
        return ref is not None and bool(ref.storm)

    def _give_back(self, ref: OpenRef | None) -> None:
        """A storm's incident takes no more: what still fires here is decided again."""
        alerts = ref.still_firing() if ref is not None else []
        if ref is not None and alerts:
            self._inbox.append(
                Inbox(
                    alerts=alerts,
                    related=ref.id,
                    fold=self._state.fold,
                    rule=self._state.rule,
                    key=f"storm-over/{ref.id}/{alerts[0].id}",
                )
            )

    @workflow.signal(name="raise_storm", description="Raise the incident of a storm")
    def take_storm(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            order = StormOrder.model_validate(one_object("raise_storm", args))
        except (ValidationError, CommandError) as error:
            self._refuse("raise_storm", f"{error}; sent: {shown(args)}")
            return
        self._inbox.append(Inbox(storm=order, key=order.key))

"""The desk's maintenance windows: made and ended at run time, and told to the incidents that are open.

The desk holds them, for it is what raises incidents from alerts. An incident that is open already gets
the whole list whenever it changes, so that the page that it holds goes out when a window ends early.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from domain.access.claims import Asked
    from domain.errors import IncidentError
    from domain.maintaining import ADD, REMOVE, MaintenanceRequest, parse_maintenance
    from domain.maintenance import Window, not_over
    from domain.pinned import Pinned
    from domain.timeline import OPERATOR
    from domain.triage import DeskState
    from workflows import activity_options as options
    from workflows.claims import admit
    from workflows.contract import desk_id
    from workflows.handlers import one_object, refusal, shown, update_key


class HoldsMaintenance(ABC):
    """What a desk needs for its windows; `ServiceDesk` is built on it."""

    _state: DeskState
    _told: int = 0
    """How often the windows have changed in this run: an incident raised meanwhile is told too."""

    @abstractmethod
    async def _pin(self, kind: str, incident_id: str) -> Pinned:
        """The policy of an incident, as it is now."""

    @abstractmethod
    def _refuse(self, what: str, why: str) -> None:
        """Keep a refusal where the operator sees it."""

    def _windows(self) -> list[Window]:
        """Made at run time, and not over."""
        return not_over(self._state.made.windows, workflow.now())

    @workflow.update(name=ADD, description="Begin a maintenance window of this service")
    async def update_add_maintenance(self, *args) -> dict[str, Any]:  # type: ignore[no-untyped-def]
        return await self._answer(ADD, args)

    @update_add_maintenance.validator
    def check_add_maintenance(self, *args) -> None:  # type: ignore[no-untyped-def]
        self._check(ADD, args)

    @workflow.signal(name=ADD, description="Begin a maintenance window, answered by nobody")
    async def signal_add_maintenance(self, *args) -> None:  # type: ignore[no-untyped-def]
        await self._take(ADD, args)

    @workflow.update(name=REMOVE, description="End a maintenance window of this service")
    async def update_remove_maintenance(self, *args) -> dict[str, Any]:  # type: ignore[no-untyped-def]
        return await self._answer(REMOVE, args)

    @update_remove_maintenance.validator
    def check_remove_maintenance(self, *args) -> None:  # type: ignore[no-untyped-def]
        self._check(REMOVE, args)

    @workflow.signal(name=REMOVE, description="End a maintenance window, answered by nobody")
    async def signal_remove_maintenance(self, *args) -> None:  # type: ignore[no-untyped-def]
        await self._take(REMOVE, args)

    @workflow.signal(
        name="review_maintenance", description="The policy's maintenance windows have changed"
    )
    async def take_review(self, *args) -> None:  # type: ignore[no-untyped-def]
        await self._tell_windows(list(self._state.open))

    def _check(self, name: str, args: Sequence[Any]) -> None:
        if update_key() in self._state.results:
            return
        try:
            parse_maintenance(name, one_object(name, args))
        except IncidentError as error:
            raise refusal(error) from None

    async def _answer(self, name: str, args: Sequence[Any]) -> dict[str, Any]:
        try:
            request = parse_maintenance(name, one_object(name, args))
            return await self._apply(name, request, request.key or update_key())
        except IncidentError as error:
            raise refusal(error) from None

    async def _take(self, name: str, args: Sequence[Any]) -> None:
        try:
            request = parse_maintenance(name, one_object(name, args))
            await self._apply(name, request, request.key or str(workflow.uuid4()))
        except IncidentError as error:
            self._refuse(name, f"{error}; sent: {shown(args)}")

    async def _apply(self, name: str, request: MaintenanceRequest, key: str) -> dict[str, Any]:
        """Change the windows once per key, and tell the open incidents."""
        if key not in self._state.results:
            request = await self._admitted(name, request)
        if key in self._state.results:
            return self._state.results[key]
        now = workflow.now()
        change = self._state.made.add if name == ADD else self._state.made.remove
        window = change(request, now)
        result = {"service": self._state.service, "window": window.model_dump(mode="json")}
        self._state.remember_result(key, result)
        await self._tell_windows(list(self._state.open))
        return result

    async def _admitted(self, name: str, request: MaintenanceRequest) -> MaintenanceRequest:
        """The request, with a word in its actor where nobody signed it. Raises IncidentError."""
        if request.actor == OPERATOR and not workflow.patched("maintenance-claims"):
            return request  # of before there were claims: the operator's were looked up nowhere
        policy = (await self._pin("default", "")).policy
        if request.actor != OPERATOR:
            policy.require_person(request.actor, "actor")
        desk = desk_id(self._state.service)
        asked = Asked(subject=desk, verb=name, actor=request.actor, key=request.key or "")
        unsigned = admit(policy.trust, asked, request.shown, {}, workflow.now())
        if not unsigned:
            return request
        workflow.logger.warning("%s of %s is unsigned: %s", name, desk, unsigned)
        return request.model_copy(update={"actor": f"{request.actor} (unsigned)"})

    async def _tell_windows(self, incidents: Sequence[str]) -> None:
        """Give incidents the windows as they are now; one that is gone needs none, and a storm has none."""
        self._told += 1
        refs = self._state.open
        incidents = [one for one in incidents if not (one in refs and refs[one].storm)]
        if not incidents:
            return
        listed: list[dict[str, Any]] | None = None
        try:
            found: list[Window] = await workflow.execute_local_activity(
                "maintenance_windows",
                self._state.service,
                result_type=list[Window],
                summary="Read the policy's maintenance windows",
                **options.ANSWERED_LOOK_UP,
            )
            listed = [one.model_dump(mode="json") for one in not_over(found, workflow.now())]
        except FailureError as error:
            # They keep what they know of the policy; a page that is let go too early is the lesser evil.
            workflow.logger.warning("maintenance windows unreadable: %s", error)
        made = [one.model_dump(mode="json") for one in self._windows()]
        body = {"made": made, "policy": listed}
        told = [self._tell(incident, body) for incident in incidents]
        await asyncio.gather(*told)

    async def _tell(self, incident: str, body: dict[str, Any]) -> None:
        try:
            await workflow.get_external_workflow_handle(incident).signal("maintenance", body)
        except ApplicationError as error:
            workflow.logger.info("incident %s is gone: %s", incident, error)

"""The service desk, one per service: the single writer that decides what each report becomes.

It numbers incidents, folds alerts into open ones and starts new ones. It lives for ever and continues
as new between two reports. What it knows of open incidents is a cache: an incident that takes no more
alerts gives them back (`settled`), and they are decided again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.access.claims import Asked
    from domain.declaring import Declaration, parse_declaration
    from domain.errors import CommandError, IncidentError
    from domain.messages import NumberFloor, PinPolicy
    from domain.open_ref import OpenRef
    from domain.pinned import Pinned
    from domain.raising import Origin
    from domain.triage import DeskState
    from workflows import activity_options as options
    from workflows import contract
    from workflows.claims import admit
    from workflows.deciding import DecidesReports
    from workflows.details import desk_card
    from workflows.handlers import as_result, one_object, raw_text, refusal, shown, update_key
    from workflows.inbox import Inbox
    from workflows.maintenance import HoldsMaintenance


@workflow.defn(name=contract.DESK)
class ServiceDesk(HoldsMaintenance, DecidesReports):
    """Decides, for each report that comes in: a new incident, part of an open one, or nothing."""

    @workflow.init
    def __init__(self, start: contract.DeskInput) -> None:
        self._start = start
        self._state = start.carried or DeskState(service=start.service)
        self._inbox = deque(Inbox.model_validate(item) for item in start.inbox)
        self._aside: list[Inbox] = []
        """Reports that a fault of ours kept from being decided; they come again a little later."""
        self._refused = list(start.refused)

    @workflow.run
    async def run(self, start: contract.DeskInput) -> None:
        if self._state.next_number is None:
            await self._learn_numbers()
        if any(ref.waiting for ref in self._state.open.values()):
            self._remind()
        while not self._may_roll():
            self._show()
            await workflow.wait_condition(lambda: self._has_work() or self._may_roll())
            while self._has_work():
                await self._decide_or_put_aside(self._inbox.popleft())
        waiting = [item.model_dump(mode="json") for item in [*self._inbox, *self._aside]]
        workflow.continue_as_new(
            start.model_copy(
                update={"carried": self._state, "inbox": waiting, "refused": self._refused}
            )
        )

    def _has_work(self) -> bool:
        """A declaration is answered by this run; once it is to end, reports wait for the next."""
        owes_answers = any(item.declaration is not None for item in self._inbox)
        return bool(self._inbox) and (owes_answers or not self._should_roll())

    def _may_roll(self) -> bool:
        return self._should_roll() and not self._has_work() and workflow.all_handlers_finished()

    def _should_roll(self) -> bool:
        info = workflow.info()
        long = info.get_current_history_length() >= self._start.roll_over_at
        return long or info.is_continue_as_new_suggested()

    def _show(self) -> None:
        workflow.set_current_details(desk_card(self._state, len(self._inbox), self._refused))

    async def _learn_numbers(self) -> None:
        """Ids stay unique after a lost Temporal database: the records and the outbox know the last one."""
        floor: NumberFloor = await workflow.execute_local_activity(
            "number_floor",
            self._state.service,
            result_type=NumberFloor,
            summary="Which numbers are taken",
            **options.LOOK_UP,
        )
        self._state.next_number = floor.next_number
        for row in floor.open:
            # Its keys are not known. One that is gone says so when it is given an alert.
            self._state.reopen(OpenRef.model_validate({**row, "knows_all_keys": False}))
        if floor.note:
            self._refuse("numbering", floor.note)

    # Deciding.

    async def _decide_or_put_aside(self, item: Inbox) -> None:
        """A fault of ours over one report must not keep the desk from the others."""
        try:
            await self._decide(item)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            workflow.logger.exception("desk %s could not decide", self._state.service)
            why = f"fault in Tocsin: {type(error).__name__}: {error}"
            self._refuse("deciding", why)
            if item.declaration is not None:
                refused = {"type": "Fault", "detail": why[:500], "problems": []}
                self._state.remember_result(item.key, {"refusal": refused})
            else:
                self._aside.append(item)
                asyncio.create_task(self._come_again(item))  # noqa: RUF006 - ends with the run

    async def _come_again(self, item: Inbox) -> None:
        await workflow.sleep(options.FAULT_RETRY, summary="Decide a report again")
        self._aside.remove(item)
        self._inbox.append(item)

    async def _decide(self, item: Inbox) -> None:
        if item.declaration is not None:
            await self._declare(item.declaration, item.key)
            return
        if item.storm is not None:
            await self._raise_storm(item.storm)
            return
        if item.is_reminder:
            await self._hand_over_repeats()
            return
        await self._decide_report(item)

    async def _declare(self, declaration: Declaration, key: str) -> None:
        if key in self._state.results:
            return
        try:
            pinned = await self._pin(declaration.body.get("type") or "default", "")
            declaration.check(pinned.policy)
            desk = contract.desk_id(self._state.service)
            asked = Asked(
                subject=desk, verb="declare", actor=declaration.actor, key=declaration.key or ""
            )
            unsigned = admit(
                pinned.policy.trust, asked, declaration.shown, declaration.body, workflow.now()
            )
            origin = Origin(
                declaration=declaration.body,
                actor=declaration.actor,
                unsigned=unsigned,
                received_at=workflow.now(),
            )
            kind = declaration.body.get("type") or "default"
            incident_id = await self._start_incident(origin, kind, key)
        except IncidentError as error:
            self._state.remember_result(key, {"refusal": as_result(error)})
            self._refuse("declare", str(error))
            return
        self._state.remember_result(key, {"id": incident_id})

    async def _pin(self, kind: str, incident_id: str) -> Pinned:
        request = PinPolicy(service=self._state.service, type=kind, incident_id=incident_id)
        pinned: Pinned = await workflow.execute_local_activity(
            "pin_policy",
            request,
            result_type=Pinned,
            summary="Read the current policy",
            **options.LOOK_UP,
        )
        return pinned

    async def _start_incident(self, origin: Origin, kind: str, cause: str) -> str:
        """Start the next incident, which lives on its own; answer once it exists."""
        began = origin.alerts[0].received_at if origin.alerts else None
        changes = self._state.changes_before(began or workflow.now())
        origin = origin.model_copy(update={"changes": changes})
        while True:
            incident_id = f"{self._state.service}-{self._state.take_number()}"
            told = self._told
            request = contract.StartIncident(
                incident_id=incident_id,
                type=kind,
                service=self._state.service,
                origin=origin,
                at=workflow.now(),
                made=self._windows(),
                cause=cause,
                roll_over_at=self._start.incident_roll_over_at,
            )
            started: contract.StartedIncident = await workflow.execute_local_activity(
                "start_incident",
                request,
                result_type=contract.StartedIncident,
                summary=f"Start {incident_id}",
                **options.STARTING,
            )
            if started.is_taken:
                continue
            if started.folded_into:
                return self._fold(started, origin.alerts)
            if incident_id in self._state.settled:
                return incident_id  # it was over before its start was reported to us
            self._state.open[incident_id] = ref = OpenRef(
                id=incident_id,
                severity=started.severity,
                priority=started.priority,
                raised_at=started.raised_at,
                began_at=began,
            )
            for alert in origin.alerts:
                ref.join(alert)
            if told != self._told:
                await self._tell_windows([incident_id])  # they changed while it was being raised
            return incident_id

    def _refuse(self, what: str, why: str) -> None:
        """Keep the last refusals where the operator sees them."""
        workflow.logger.warning("desk %s refused %s: %s", self._state.service, what, why)
        self._refused = [*self._refused, f"{what}: {why}"[:500]][-50:]

    # Handlers.

    @workflow.update(name="declare", description="Raise a new incident on this service")
    async def update_declare(self, *args) -> dict[str, Any]:  # type: ignore[no-untyped-def]
        key = update_key()
        try:
            declaration = parse_declaration(one_object("declare", args), self._state.service)
        except IncidentError as error:
            raise refusal(error) from None
        key = declaration.key or key
        self._enqueue_declaration(declaration, key)
        await workflow.wait_condition(lambda: key in self._state.results)
        result = self._state.results[key]
        if "refusal" in result:
            raise ApplicationError(
                result["refusal"]["detail"],
                {"problems": result["refusal"]["problems"]},
                type=result["refusal"]["type"],
                non_retryable=True,
            )
        return result

    @update_declare.validator
    def check_declare(self, *args) -> None:  # type: ignore[no-untyped-def]
        if update_key() in self._state.results:
            return
        try:
            parse_declaration(one_object("declare", args), self._state.service)
        except IncidentError as error:
            raise refusal(error) from None

    @workflow.signal(name="declare", description="Raise a new incident, answered by nobody")
    def signal_declare(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            declaration = parse_declaration(one_object("declare", args), self._state.service)
        except IncidentError as error:
            self._refuse("declare", f"{error}; sent: {shown(args)}")
            return
        self._enqueue_declaration(declaration, declaration.key or str(workflow.uuid4()))

    def _enqueue_declaration(self, declaration: Declaration, key: str) -> None:
        waiting = any(item.key == key and item.declaration is not None for item in self._inbox)
        if key not in self._state.results and not waiting:
            self._inbox.append(Inbox(declaration=declaration, key=key))

    @workflow.signal(name="report", description="Alerts for this service")
    def take_report(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            batch = contract.ReportBatch.model_validate(one_object("report", args))
        except (ValidationError, CommandError) as error:
            self._refuse("report", f"{error}; sent: {shown(args)}")
            return
        if not self._state.has_seen(batch.key):
            self._state.fold, self._state.rule = batch.fold, batch.rule
            self._inbox.append(
                Inbox(alerts=batch.alerts, fold=batch.fold, rule=batch.rule, key=batch.key)
            )

    @workflow.signal(name="settled", description="An incident takes no more alerts")
    def take_settled(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            settled = contract.Settled.model_validate(one_object("settled", args))
        except (ValidationError, CommandError) as error:
            self._refuse("settled", f"{error}; sent: {shown(args)}")
            return
        if self._state.is_news(settled.incident, settled.seq):
            held = self._state.open.get(settled.incident)
            self._state.settle(
                settled.incident,
                settled.keys,
                settled.resolved_at,
                settled.ref,
                settled.alerts,
            )
            for batch in held.waiting if held else ():
                self._inbox.append(
                    Inbox(
                        alerts=batch.alerts,
                        related=settled.incident,
                        fold=self._state.fold,
                        rule=self._state.rule,
                        key=batch.key,
                    )
                )
            self._give_back(held)
        is_repeat = bool(settled.key) and self._state.has_seen(settled.key)
        if settled.alerts and not is_repeat:
            # At the end, although they were accepted earlier: see `Inbox`. A clearing that has overtaken
            # them is remembered (`DeskState.with_clearings`).
            self._inbox.append(
                Inbox(
                    alerts=settled.alerts,
                    related=settled.incident,
                    fold=self._state.fold,
                    rule=self._state.rule,
                    key=settled.key or f"settled/{settled.incident}/{settled.seq}",
                )
            )

    @workflow.signal(name="reopened", description="An incident takes alerts again")
    async def take_reopened(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            word = contract.ReopenedRef.model_validate(one_object("reopened", args))
        except (ValidationError, CommandError) as error:
            self._refuse("reopened", f"{error}; sent: {shown(args)}")
            return
        if self._state.is_news(word.incident.id, word.seq):
            self._state.reopen(word.incident)
            if self._state.made.windows:
                await self._tell_windows([word.incident.id])

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        self._refuse(name, f"there is no signal of this name; sent: {raw_text(args)}")

    @workflow.query(name="status", description="What this desk holds open")
    def query_status(self) -> dict[str, Any]:
        return {
            "service": self._state.service,
            "next_number": self._state.next_number,
            "open": [ref.model_dump(mode="json") for ref in self._state.open.values()],
            "waiting": len(self._inbox),
            "maintenance": [window.model_dump(mode="json") for window in self._windows()],
            "refused": self._refused,
        }

"""The incident: `run()` reads as the process. The rules are in `domain/`, the machinery in `entity.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.access.claims import Trust
    from domain.aggregate import Clock, Effect, Fact
    from domain.alert import Alert, alert_batches, combine_repeats
    from domain.alerts import reopens, said_by, take_alert, takes
    from domain.clocks import INCIDENT_CLOCKS
    from domain.commands import COMMANDS
    from domain.commands.base import Request, check_request, parse_body
    from domain.commands.lifecycle import ApplyPolicy
    from domain.errors import CommandError, UnknownNameError
    from domain.facts import (
        Closed,
        CommandRefused,
        NamesRefreshed,
        OperatorTold,
        Overloaded,
        WindowsTold,
    )
    from domain.facts.maintenance import windows_from
    from domain.incident import Incident, Status
    from domain.load import is_too_much
    from domain.messages import PinPolicy, ResolvedPage
    from domain.page_outcomes import receipt_came
    from domain.paged import DeliveryReceipt
    from domain.pinned import Pinned
    from domain.preparing import FRESH
    from domain.raising import Origin, folded_together, raise_incident
    from domain.reactions import follows
    from domain.recording import Recorded
    from domain.timeline import OPERATOR
    from domain.workload import workload
    from workflows import activity_options as options
    from workflows import contract
    from workflows.crossing import HearsOthers
    from workflows.details import incident_card
    from workflows.handing_over import hear_outcomes
    from workflows.handlers import accepts, one_object, shown
    from workflows.page_turns import PageTurns
    from workflows.performing import INCIDENT_STEPS
    from workflows.sizes import latest


@workflow.defn(name=contract.INCIDENT)
@accepts(COMMANDS)
class IncidentWorkflow(HearsOthers):
    """One incident, from raised to closed."""

    CLOCKS: ClassVar[Sequence[Clock[Incident]]] = INCIDENT_CLOCKS

    @workflow.init
    def __init__(self, start: contract.IncidentInput) -> None:
        self._start = start
        self._first_facts: list[Fact] = []
        self._first_page = None if start.carried else start.first_page
        self._shown: dict[str, Any] = {}
        self.page_turns = PageTurns()
        if start.carried is not None:
            incident = Incident.model_validate(start.carried.state)
        else:
            origin = start.origin or Origin()
            incident, self._first_facts = raise_incident(
                start.id, origin, start.policy, start.url, workflow.now(), start.windows,
                start.likely_cause,
            )  # fmt: skip
        self.begin(incident, start.carried, start.roll_over_at)
        # A handler may run before `run` does: the incident is raised before anything else.
        origin = start.origin or Origin()
        actor = origin.actor or "tocsin"
        self.record(*self._first_facts, actor=actor, unsigned=origin.unsigned)
        if start.carried is None:
            self.note_faults(start.faults)

    def take_first_page(self) -> ResolvedPage | None:
        """Who to page first, once, and only while it is fresh."""
        found, self._first_page = self._first_page, None
        at = self._start.prepared_at
        if found is None or at is None or workflow.now() - at > FRESH:
            return None
        return found

    @workflow.run
    async def run(self, start: contract.IncidentInput) -> contract.IncidentOutcome:
        self.start()
        while not self.subject.is_over:
            await self._raise_and_page()
            await self._open_communications()
            await self._work_until_resolved()
            await self._close_out()
        await self.finish()
        return contract.IncidentOutcome(
            incident=self.view(),
            results={k: r.model_dump(mode="json") for k, r in self.subject.results.items()},
        )

    async def _raise_and_page(self) -> None:
        """The pages climb until somebody acknowledges, or the incident is over without."""
        await self.until(lambda: self.subject.status is not Status.RAISED)

    async def _open_communications(self) -> None:
        """Room, bridge, document and status page open; the six questions are put."""
        await self.until(
            lambda: self.subject.communications.opened_at is not None or not self.subject.is_open
        )

    async def _work_until_resolved(self) -> None:
        """Assess, inform, escalate, delegate, follow up: commands and clocks do it, until it is over."""
        await self.until(lambda: not self.subject.is_open)

    async def _close_out(self) -> None:
        """The postmortem runs on its own; this one waits for its end, or for the time to reopen."""
        await self.until(lambda: self.subject.is_over or self.subject.is_open)

    # What the machinery asks.

    def view(self) -> dict[str, Any]:
        return self.subject.view()

    def follows(self, fact: Fact, at: datetime, actor: str) -> list[Effect]:
        return follows(self.subject, fact, at, actor)

    def performers(self) -> Mapping[str, Callable[[Effect], Awaitable[None]]]:
        return {kind: partial(perform, self) for kind, perform in INCIDENT_STEPS.items()}

    def next_input(self, carried: contract.Carried) -> contract.IncidentInput:
        return self._start.model_copy(
            update={
                "carried": carried,
                "origin": None,
                "first_page": None,
                "policy": self.subject.policy,
            }
        )

    def show(self) -> None:
        """Search attributes only where they changed; the card always, it costs no event."""
        incident = self.subject
        values: dict[str, Any] = {
            contract.STATUS.name: incident.status.value,
            contract.SEVERITY.name: incident.severity,
            contract.PRIORITY.name: incident.priority,
            contract.SERVICE.name: incident.service,
            contract.MANAGER.name: incident.incident_manager or "",
            contract.MAJOR.name: incident.is_major,
        }
        if not self._shown:
            # The desk set these at the start; a new run has inherited them.
            self._shown = _attributes_of_this_run()
        changed: list[SearchAttributeUpdate[Any]] = [
            key.value_set(values[key.name])
            for key in contract.SEARCH_ATTRIBUTES
            if self._shown.get(key.name, "") != values[key.name]
        ]
        if changed:
            self._shown |= {u.key.name: u.value for u in changed}
            workflow.upsert_search_attributes(changed)
        workflow.set_current_details(incident_card(incident, self._next_deadline()))

    def recorded(self, answer: Recorded) -> None:
        self.subject.elsewhere = answer.elsewhere
        for load in answer.loads:
            limit, now = self.subject.policy.limits.load, workflow.now()
            if is_too_much(load, self.subject.id, limit, now):
                incidents, person = list(load.incidents), load.person
                self.record(Overloaded(person=person, incidents=incidents, limit=limit))

    def note_faults(self, faults: list[str]) -> None:
        """Something went wrong on the way, and the work was done all the same: say so."""
        self.record(*(OperatorTold(what=fault) for fault in faults))

    # Commands.

    def precheck(self, name: str, body: Any) -> None:
        request = parse_body(COMMANDS[name], body)
        try:
            check_request(request, self.subject, COMMANDS)
        except UnknownNameError as error:
            if error.kind not in ("person", "team", "schedule", "target"):
                raise
            # Whoever joined the policy after this incident was raised is looked up by the handler.

    def decide(self, name: str, body: Any, key: str) -> tuple[list[Fact], str, str]:
        request = parse_body(COMMANDS[name], body)
        check_request(request, self.subject, COMMANDS)
        facts = request.command.decide(self.subject, request.actor, workflow.now())
        return facts, request.actor, key

    async def decide_outside(self, name: str, body: Any, key: str) -> tuple[list[Fact], str, str]:
        if name == ApplyPolicy.name:
            return await self._apply_policy(parse_body(ApplyPolicy, body), key)
        try:
            return self.decide(name, body, key)
        except UnknownNameError as error:
            if error.kind not in ("person", "team", "schedule", "target"):
                raise
            await self.refresh_trust()
            return self.decide(name, body, key)

    def trust(self) -> Trust:
        return self.subject.policy.trust

    async def refresh_trust(self) -> None:
        """Names and keys as the live policy has them now. Raises FailureError."""
        current = (await self._pin()).policy
        self.record(
            NamesRefreshed(
                people=current.people,
                teams=current.teams,
                schedules=current.schedules,
                # What was raised before there were keys goes on without.
                trust=current.trust if self.trust().actor_keys else None,
            )
        )

    async def _apply_policy(self, request: Request, key: str) -> tuple[list[Fact], str, str]:
        check_request(request, self.subject, COMMANDS)
        current = (await self._pin()).policy
        check_request(request, self.subject, COMMANDS)  # it may have been resolved meanwhile
        return ApplyPolicy.apply(self.subject, current), request.actor, key

    async def _pin(self) -> Pinned:
        """The policy as it is now. Raises FailureError where it cannot be read in time."""
        request = PinPolicy(service=self.subject.service, type=self.subject.type)
        pinned: Pinned = await workflow.execute_local_activity(
            "pin_policy",
            request,
            result_type=Pinned,
            summary="Read the current policy",
            **options.ANSWERED_LOOK_UP,
        )
        return pinned

    # Signals of other workflows.

    @workflow.signal(name="alerts", description="Alerts from the desk of this service")
    def take_alerts(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            batches = alert_batches(args[0])
        except (ValidationError, IndexError, TypeError) as error:
            why = f"not a list of alerts: {error}"[:500]
            self.record(CommandRefused(command="alerts", why=why, sent=shown(args)), actor=OPERATOR)
            return
        not_taken: list[dict[str, Any]] = []
        facts: list[Fact] = []
        new = [batch for batch in batches if self.subject.is_new_batch(batch)]
        reasons = {alert: why for batch in new for alert, why in batch.reasons.items()}
        wish = next((batch.reopens for batch in new if batch.reopens), "")
        for alert in combine_repeats([alert for batch in new for alert in batch.alerts]):
            try:
                self.record(*reopens(self.subject, alert, wish))
                if takes(self.subject, alert):
                    facts += self._take_alert(alert, reasons.get(alert.id, ""))
                else:
                    not_taken.append(alert.model_dump(mode="json"))
            except Exception as error:  # noqa: BLE001 - a bug must not park the incident
                self.fault("alerts", error)
        self.record(*folded_together(facts))
        if not_taken:
            self.subject.hand_backs += 1
            key = f"{self.subject.id}/hand-back/{self.subject.hand_backs}"
            effect = Effect(
                key=key, kind="settle", input={"alerts": not_taken, "seq": self.subject.seq}
            )
            self.subject.effects[key] = effect

    def _take_alert(self, alert: Alert, reason: str) -> list[Fact]:
        facts = take_alert(self.subject, alert, workflow.now(), reason)
        self.record(*facts, actor=said_by(self.subject, alert))
        return facts

    @workflow.signal(name="maintenance", description="The desk's maintenance windows have changed")
    def take_windows(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            body = one_object("maintenance", args)
            self.record(WindowsTold(windows=windows_from(body, self.subject.windows)))
        except (CommandError, ValueError, TypeError) as error:
            why = f"no list of maintenance windows: {error}"[:500]
            refused = CommandRefused(command="maintenance", why=why, sent=shown(args))
            self.record(refused, actor=OPERATOR)

    @workflow.signal(name="page_outcome", description="What became of pages that were handed over")
    def take_page_outcome(self, *args) -> None:  # type: ignore[no-untyped-def]
        hear_outcomes(self, args)

    @workflow.signal(
        name="postmortem_closed", description="The postmortem of this incident is closed"
    )
    def take_postmortem_closed(self, *args) -> None:  # type: ignore[no-untyped-def]
        if self.subject.status is Status.RESOLVED:
            self.record(Closed(reason="the postmortem is closed"))

    @workflow.signal(
        name="delivery_receipt", description="A vendor says whether a page has arrived"
    )
    def take_receipt(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            receipt = DeliveryReceipt.model_validate(one_object("delivery_receipt", args))
        except (CommandError, ValidationError) as error:
            why = f"no delivery receipt: {error}"[:500]
            refused = CommandRefused(command="delivery_receipt", why=why, sent=shown(args))
            self.record(refused, actor=OPERATOR)
            return
        incident = self.subject
        is_early = receipt.key in incident.effects or receipt.key in self.running
        if receipt.key not in incident.awaited and is_early:
            incident.keep_early(receipt)
            return
        self.record(*receipt_came(incident, receipt, workflow.now()))

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        self.take_unknown_signal(name, args)

    # Queries.

    @workflow.query(name="status", description="The incident")
    def query_status(self) -> dict[str, Any]:
        return self.view()

    @workflow.query(
        name="timeline", description="Its facts; those of earlier runs are in the records"
    )
    def query_timeline(self) -> list[dict[str, Any]]:
        return latest(self.timeline)

    @workflow.query(
        name="pages", description="Its page runs: whom each has paged, and how it ended"
    )
    def query_pages(self) -> list[dict[str, Any]]:
        shown = {"id", "cause", "paged", "acknowledged_by", "ended_at", "ended_why"}
        return [
            run.model_dump(mode="json", include=shown) | {"active": run.is_active}
            for run in self.subject.pages
        ]

    @workflow.query(name="assessment", description="Answers, open questions and what is known")
    def query_assessment(self) -> dict[str, Any]:
        assessment = self.subject.assessment
        return {
            "answers": assessment.answered(),
            "open_questions": assessment.open_questions(),
            "known": self.subject.known,
            "confirmed_at": self.view()["confirmed_at"],
        }

    @workflow.query(name="communications", description="Updates, and messages with their delivery")
    def query_communications(self) -> dict[str, Any]:
        messages = [
            {"purpose": entry.data.get("purpose"), "seq": entry.seq, **delivery}
            for entry in self.timeline
            for delivery in entry.data.get("deliveries", [])
        ]
        return {
            "updates": self.view()["updates"],
            "messages": messages,
            "channels": self.view()["communications"],
        }

    @workflow.query(name="workload", description="Who carries how much")
    def query_workload(self) -> list[dict[str, Any]]:
        found = workload(self.subject, workflow.now(), self.subject.elsewhere)
        return [load.model_dump(mode="json") for load in found]


def _attributes_of_this_run() -> dict[str, Any]:
    found = workflow.info().typed_search_attributes
    return {
        key.name: found.get(key) for key in contract.SEARCH_ATTRIBUTES if found.get(key) is not None
    }

"""A report: one workflow each, from the form to the word about its outcome.

It raises nothing by itself. What a responder decides comes through the API, which declares the incident;
here it is remembered, people are reminded until somebody decides, and the reporter is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.access.claims import Asked, presented, without_claim
    from domain.errors import CommandError, IncidentError
    from domain.messages import PinPolicy
    from domain.pinned import Pinned
    from domain.reporting import (
        Decision,
        Ending,
        ReportState,
        TellOfReport,
        TellReporter,
        ToldOfReport,
    )
    from workflows import activity_options as options
    from workflows import contract
    from workflows.claims import admit
    from workflows.handlers import one_object, raw_text, refusal, shown, update_key

ENDED = ("resolved", "closed", "cancelled")
ATTEMPTS = 60
LINGER = timedelta(seconds=30)
UNSIGNED = " (unsigned)"
"""Behind who decided, where nobody signed it."""
PAUSES = (timedelta(seconds=5), timedelta(minutes=5))


@workflow.defn(name=contract.REPORT)
class ReportWorkflow:
    """Waits for a decision, then for the end of the incident."""

    @workflow.init
    def __init__(self, start: contract.ReportInput) -> None:
        self._start = start
        self._report = start.report
        self._sending: set[asyncio.Task[None]] = set()
        self._notes: list[str] = list(start.notes)

    @workflow.run
    async def run(self, start: contract.ReportInput) -> dict[str, Any]:
        self._show()
        if start.is_new and self._report.said.has_address:
            self._send("tell_reporter", TellReporter(report=self._report, topic="receipt"))
        if start.is_new and self._report.state is ReportState.WAITING:
            self._send("tell_of_report", TellOfReport(report=self._report))
        await self._until_decided()
        await self._until_over()
        if self._report.said.has_address:
            self._send("tell_reporter", TellReporter(report=self._report, topic="outcome"))
        self._report.state = ReportState.OVER
        self._show()
        await workflow.wait_condition(lambda: not self._sending)
        # Whoever decided may not have heard the answer and ask again: a run that is gone says nothing.
        await workflow.sleep(LINGER, summary="Let whoever decided hear of it")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._report.view()

    async def _until_decided(self) -> None:
        while self._report.state is ReportState.WAITING:
            due = self._report.reminder_due()
            if await self._decided_before(due):
                return
            self._report.skip_missed(workflow.now())
            self._send("tell_of_report", TellOfReport(report=self._report))
            self._show()
            await self._roll_over_if_long()

    async def _decided_before(self, due: datetime) -> bool:
        wait = max(due - workflow.now(), timedelta(seconds=1))
        try:
            await workflow.wait_condition(
                lambda: self._report.state is not ReportState.WAITING,
                timeout=wait,
                timeout_summary=f"Remind of {self._report.ref}",
            )
        except TimeoutError:
            return False
        return True

    async def _until_over(self) -> None:
        """Look now and then: an incident's end is in the records, whatever became of its workflow."""
        while self._report.state is ReportState.CONFIRMED and self._report.ended_as is None:
            ending = await self._ending()
            if ending.status in ENDED:
                is_cancelled = ending.status == "cancelled"
                self._report.ended_as = "cancelled" if is_cancelled else "resolved"
                return
            now = workflow.now()
            await workflow.sleep(
                self._report.look_again(now) - now, summary=f"Is {self._report.incident} over?"
            )
            await self._roll_over_if_long()

    async def _ending(self) -> Ending:
        try:
            found: Ending = await workflow.execute_local_activity(
                "ending_of",
                self._report.incident,
                result_type=Ending,
                summary=f"Is {self._report.incident} over?",
                **options.ANSWERED_LOOK_UP,
            )
        except FailureError as error:
            workflow.logger.warning("the incident cannot be looked up: %s", error)
            return Ending()
        return found

    async def _roll_over_if_long(self) -> None:
        info = workflow.info()
        if info.get_current_history_length() < self._start.roll_over_at:
            return
        await workflow.wait_condition(
            lambda: not self._sending and workflow.all_handlers_finished()
        )
        workflow.continue_as_new(
            self._start.model_copy(
                update={"report": self._report, "is_new": False, "notes": self._notes}
            )
        )

    # Sending.

    def _send(self, name: str, request: TellReporter | TellOfReport) -> None:
        task = asyncio.create_task(self._until_told(name, request.model_copy(deep=True)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _until_told(self, name: str, request: TellReporter | TellOfReport) -> None:
        """One activity is one attempt; the message has the same key in each."""
        pause = PAUSES[0]
        told = ToldOfReport()
        for _ in range(ATTEMPTS):
            try:
                told = await workflow.execute_activity(
                    name,
                    request,
                    result_type=ToldOfReport,
                    summary=f"{name.replace('_', ' ')} {self._report.ref}",
                    **options.MESSAGE_ATTEMPT,
                )
            except FailureError as error:
                told = ToldOfReport(detail=str(error), retryable=True)
            if not told.retryable:
                break
            await workflow.sleep(pause, summary="Try again")
            pause = min(pause * 2, PAUSES[1])
        if told.detail:
            self._note(f"{name}: {told.detail}")

    # Handlers.

    @workflow.update(name="decide", description="Confirm this report as an incident, or dismiss it")
    async def update_decide(self, *args) -> dict[str, Any]:  # type: ignore[no-untyped-def]
        try:
            await self._decide(args)
        except IncidentError as error:
            raise refusal(error) from None
        except FailureError as error:
            raise ApplicationError(
                f"the policy cannot be read, which says who may decide: {error.message}",
                {"problems": []},
                type="CommandError",
                non_retryable=True,
            ) from None
        return self._report.view()

    @update_decide.validator
    def check_decide(self, *args) -> None:  # type: ignore[no-untyped-def]
        decision = _decision(args)
        report = self._report
        same = decision.incident == report.incident and report.decided_by in (
            decision.actor,
            f"{decision.actor}{UNSIGNED}",
        )
        if self._report.state is not ReportState.WAITING and not same:
            raise ApplicationError(
                f"{self._report.ref} was {self._report.state.value} by {self._report.decided_by}",
                {"status": self._report.state.value, "allowed": [], "key": update_key()},
                type="TransitionError",
                non_retryable=True,
            )

    @workflow.signal(name="decide", description="Confirm or dismiss this report, without an answer")
    async def signal_decide(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            await self._decide(args)
        except (ApplicationError, FailureError, IncidentError) as error:
            self._note(f"decide refused: {error}; sent: {shown(args)}")

    async def _decide(self, args: Sequence[Any]) -> None:
        """Take a decision, from somebody who may make it.

        Raises:
            ApplicationError: it is none.
            IncidentError: it may not be made.
            FailureError: nobody knows whether it may, because the policy cannot be read.
        """
        decision = _decision(args)
        if self._report.state is not ReportState.WAITING:
            return
        unsigned = await self._unsigned(decision, args[0])
        if self._report.state is not ReportState.WAITING:
            return  # somebody else was faster meanwhile
        if unsigned:
            self._note(f"decide of {decision.actor} is unsigned: {unsigned}")
            decision = decision.model_copy(update={"actor": f"{decision.actor}{UNSIGNED}"})
        self._report.decide(decision, workflow.now())
        self._show()

    async def _unsigned(self, decision: Decision, body: Any) -> str:
        """Why a decision counts as unsigned; empty where it is signed, or nobody asks."""
        if not workflow.patched("report-claims"):
            return ""
        pinned: Pinned = await workflow.execute_local_activity(
            "pin_policy",
            PinPolicy(service=self._report.said.service, type="default", incident_id=""),
            result_type=Pinned,
            summary="Read who may sign",
            **options.ANSWERED_LOOK_UP,
        )
        asked = Asked(
            subject=workflow.info().workflow_id,
            verb="decide",
            actor=decision.actor,
            key=decision.key or "",
        )
        fields = without_claim(body)
        return admit(pinned.policy.trust, asked, presented(body), fields, workflow.now())

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        self._note(f"there is no signal {name}; sent: {raw_text(args)}")

    @workflow.query(name="status", description="The report")
    def query_status(self) -> dict[str, Any]:
        return self._report.view() | {"notes": self._notes}

    def _note(self, what: str) -> None:
        workflow.logger.warning("report %s: %s", self._report.ref, what)
        self._notes = [*self._notes, what[:500]][-20:]

    def _show(self) -> None:
        """The list of reports is read from here, in one call."""
        workflow.upsert_memo({"report": self._report.view()})
        one = self._report
        lines = [
            f"## Report {one.ref}: {one.state.value}",
            f"- **Service:** {one.said.service}",
            f"- **Incident:** {one.incident or 'none'}",
            f"- **Reminded:** {one.reminders} times",
        ]
        workflow.set_current_details("\n".join(lines))


def _decision(args: Sequence[Any]) -> Decision:
    """What was decided. Raises ApplicationError, which an update answers with."""
    try:
        return Decision.model_validate(without_claim(one_object("decide", args)))
    except (ValidationError, CommandError) as error:
        problem = {"where": "", "detail": str(error)[:300]}
        raise ApplicationError(
            str(error)[:500], {"problems": [problem]}, type="CommandError", non_retryable=True
        ) from None

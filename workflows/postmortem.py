"""The postmortem: weeks, from the draft to its last action. Rules are in `domain/postmortem/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.access.claims import Trust
    from domain.aggregate import Clock, Effect, Fact
    from domain.errors import UnknownNameError
    from domain.facts import CommandRefused
    from domain.messages import PinPolicy
    from domain.pinned import Pinned
    from domain.postmortem.commands import (
        POSTMORTEM_COMMANDS,
        check_postmortem,
        parse_postmortem_command,
    )
    from domain.postmortem.document import (
        Drafted,
        Exported,
        Postmortem,
        PostmortemStatus,
        ResolvedAgain,
    )
    from domain.postmortem.messages import (
        DraftedPostmortem,
        DraftPostmortem,
        ExportedPostmortem,
        ExportPostmortem,
    )
    from domain.postmortem.process import POSTMORTEM_CLOCKS, begin, postmortem_follows
    from domain.timeline import OPERATOR
    from workflows import activity_options as options
    from workflows import contract
    from workflows.details import postmortem_card
    from workflows.entity import EntityWorkflow
    from workflows.handlers import accepts, shown
    from workflows.performing import announce
    from workflows.sizes import STATE_BYTES, latest


@workflow.defn(name=contract.POSTMORTEM)
@accepts(POSTMORTEM_COMMANDS)
class PostmortemWorkflow(EntityWorkflow[Postmortem]):
    """One postmortem, from the draft to closed."""

    CLOCKS: ClassVar[Sequence[Clock[Postmortem]]] = POSTMORTEM_CLOCKS
    SUBJECT: ClassVar[str] = "postmortem"

    @workflow.init
    def __init__(self, start: contract.PostmortemInput) -> None:
        self._start = start
        first: list[Fact] = []
        if start.carried is not None:
            postmortem = Postmortem.model_validate(start.carried.state)
        else:
            postmortem, first = begin(start.incident, start.owner, start.policy, workflow.now())
        self.begin(postmortem, start.carried, start.roll_over_at)
        self.record(*first)

    @workflow.run
    async def run(self, start: contract.PostmortemInput) -> dict[str, Any]:
        self.start()
        await self._draft()
        await self._review_and_approve()
        await self._see_actions_through()
        await self.finish()
        return self.view()

    async def _draft(self) -> None:
        """Written from the timeline by Tocsin, then by people."""
        await self.until(lambda: self.subject.status is not PostmortemStatus.DRAFT)

    async def _review_and_approve(self) -> None:
        """Approval means agreement with the root cause, and that the actions address it."""
        await self.until(lambda: self.subject.status is not PostmortemStatus.IN_REVIEW)

    async def _see_actions_through(self) -> None:
        """Reminders until the last action is done."""
        await self.until(lambda: self.subject.status is PostmortemStatus.CLOSED)

    # What the machinery asks.

    def view(self) -> dict[str, Any]:
        return self.subject.view()

    def follows(self, fact: Fact, at: datetime, actor: str) -> list[Effect]:
        return postmortem_follows(self.subject, fact, at, actor)

    def performers(self) -> Mapping[str, Callable[[Effect], Awaitable[None]]]:
        return {
            "draft_postmortem": self._write_draft,
            "export_postmortem": self._export,
            "tell_incident_closed": self._tell_incident,
            "tell_owner": partial(announce, self),
            "tell_operator": partial(announce, self),
        }

    def next_input(self, carried: contract.Carried) -> contract.PostmortemInput:
        return self._start.model_copy(update={"carried": carried, "incident": {}})

    def show(self) -> None:
        workflow.set_current_details(postmortem_card(self.view(), self._next_deadline()))

    # Commands.

    def precheck(self, name: str, body: Any) -> None:
        command, actor = parse_postmortem_command(name, body)
        try:
            check_postmortem(command, self.subject, actor)
        except UnknownNameError as error:
            if error.kind != "person":
                raise
            # Somebody new is looked up by the handler.

    def decide(self, name: str, body: Any, key: str) -> tuple[list[Fact], str, str]:
        command, actor = parse_postmortem_command(name, body)
        check_postmortem(command, self.subject, actor)
        return command.decide(self.subject, actor, workflow.now()), actor, key

    async def decide_outside(self, name: str, body: Any, key: str) -> tuple[list[Fact], str, str]:
        try:
            return self.decide(name, body, key)
        except UnknownNameError as error:
            if error.kind != "person":
                raise
            await self.refresh_trust()
            return self.decide(name, body, key)

    def trust(self) -> Trust:
        return self.subject.policy.trust

    async def refresh_trust(self) -> None:
        """People and keys as the live policy has them now. Raises FailureError."""
        request = PinPolicy(service=self.subject.policy.service)
        pinned: Pinned = await workflow.execute_local_activity(
            "pin_policy",
            request,
            result_type=Pinned,
            summary="Read the current policy",
            **options.ANSWERED_LOOK_UP,
        )
        self.subject.policy.people = pinned.policy.people
        if self.trust().actor_keys:  # what began before there were keys goes on without
            self.subject.policy.trust = pinned.policy.trust

    # Effects.

    async def _write_draft(self, effect: Effect) -> None:
        answer: DraftedPostmortem = await workflow.execute_activity(
            "draft_postmortem",
            DraftPostmortem(incident=self.subject.incident),
            result_type=DraftedPostmortem,
            summary="Draft from the timeline",
            **options.RECORDING,
        )
        self.subject.settle(effect.key)
        self.record(Drafted(fields=answer.fields))

    async def _export(self, effect: Effect) -> None:
        answer: ExportedPostmortem = await workflow.execute_activity(
            "export_postmortem",
            ExportPostmortem(postmortem=self.view()),
            result_type=ExportedPostmortem,
            summary="Export as Markdown and HTML",
            **options.RECORDING,
        )
        self.subject.settle(effect.key)
        self.record(Exported(files=answer.files))

    async def _tell_incident(self, effect: Effect) -> None:
        try:
            await workflow.get_external_workflow_handle(self.subject.id).signal("postmortem_closed")
        except (
            ApplicationError
        ):  # ExternalWorkflowExecutionNotFound: the incident is closed already
            workflow.logger.info("incident %s is gone", self.subject.id)
        self.subject.settle(effect.key)

    # Signals and queries.

    @workflow.signal(name="incident_resolved", description="The incident was resolved again")
    def take_resolved_again(self, *args) -> None:  # type: ignore[no-untyped-def]
        view = args[0] if len(args) == 1 and isinstance(args[0], dict) else {}
        is_whole = {"id", "status", "severity", "summary", "resolution", "version"} <= view.keys()
        if is_whole and view["id"] == self.subject.id and len(str(view)) <= STATE_BYTES:
            self.record(ResolvedAgain(incident=view))
            return
        why = "expected the view of this postmortem's incident"
        refused = CommandRefused(command="incident_resolved", why=why, sent=shown(args))
        self.record(refused, actor=OPERATOR)

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        self.take_unknown_signal(name, args)

    @workflow.query(name="status", description="The postmortem")
    def query_status(self) -> dict[str, Any]:
        return self.view()

    @workflow.query(
        name="timeline", description="Its facts; those of earlier runs are in the records"
    )
    def query_timeline(self) -> list[dict[str, Any]]:
        return latest(self.timeline)

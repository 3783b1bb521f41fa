"""How each effect of an incident is carried out: which activity, which summary, what its answer becomes.

One line in `INCIDENT_STEPS` per kind of effect. An attempt that ends without an answer is uncertain and
comes again under the same key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    WorkflowAlreadyStartedError,
)

with workflow.unsafe.imports_passed_through():
    from domain import messages as m
    from domain import outcomes, page_outcomes
    from domain.aggregate import Effect
    from domain.alert import Alert
    from domain.errors import DeliveryReason
    from domain.facts import AssessmentAsked, CommsOpened, PostmortemStarted
    from domain.incident import Incident, Status
    from domain.open_ref import OpenRef
    from domain.preparing import is_first_page, page_request
    from domain.roles import PROBLEM_MANAGER
    from workflows import activity_options as options
    from workflows.children import leave
    from workflows.contract import (
        POSTMORTEM,
        TASK_QUEUE,
        TASK_TIMEOUT,
        DeskSignal,
        PostmortemInput,
        ReopenedRef,
        Settled,
        desk_id,
        postmortem_id,
        priority_of,
    )
    from workflows.crossing import CROSSING_STEPS, settle_storm
    from workflows.handing_over import goes_through_person, review_rank, withdraw_page
    from workflows.rooms import keep_room

if TYPE_CHECKING:
    from workflows.entity import EntityWorkflow
    from workflows.incident import IncidentWorkflow

Performer = Callable[["IncidentWorkflow", Effect], Awaitable[None]]


async def resolve_page(flow: IncidentWorkflow, effect: Effect) -> None:
    """Ask who is to be paged now; read only, and quick."""
    incident = flow.subject
    run = incident.run(effect.input["run"])
    if run is None or not run.is_active:
        incident.settle(effect.key)
        return
    prepared = flow.take_first_page() if is_first_page(run) else None
    if prepared is not None:
        incident.settle(effect.key)
        flow.record(*page_outcomes.page_resolved(incident, effect, prepared))
        return
    now, late = workflow.now(), bool(effect.input.get("late"))
    request = page_request(incident, run, effect.key, now, late=late)
    try:
        answer: m.ResolvedPage = await workflow.execute_local_activity(
            "resolve_page",
            request,
            result_type=m.ResolvedPage,
            summary=f"Who is on call: {effect.key}",
            **options.LOOK_UP,
        )
    except (
        FailureError
    ) as error:  # a local activity's failure comes without an ActivityError around it
        flow.fault("resolve_page", error)
        incident.postpone(effect.key, workflow.now() + options.LOOK_UP_RETRY)
        return
    incident.settle(effect.key)
    flow.record(*page_outcomes.page_resolved(incident, effect, answer))


async def send_page(flow: IncidentWorkflow, effect: Effect) -> None:
    """One attempt to page one person over one contact."""
    incident, attempt = flow.subject, effect.attempt + 1

    def is_wanted() -> bool:
        return not flow.is_rolling and incident.effects.get(effect.key) is effect

    if not await flow.page_turns.take(effect, is_wanted):
        return
    try:
        await _refresh_text(flow, effect)
        if not is_wanted():
            return
        request = _page_request(flow, effect, attempt)
        if await goes_through_person(flow, effect, request) or not is_wanted():
            return
        delivery = await _attempt_page(flow, effect, request)
    finally:
        flow.page_turns.give_back(effect)
    now = workflow.now()
    outcome = page_outcomes.page_attempted(incident, effect, delivery, attempt, now)
    if outcome.retry_at is None:
        incident.settle(effect.key)
    else:
        incident.postpone(effect.key, outcome.retry_at)
    flow.record(*outcome.facts)


def _page_request(flow: IncidentWorkflow, effect: Effect, attempt: int) -> m.SendPage:
    data, incident = effect.input, flow.subject
    return m.SendPage(
        key=effect.key,
        incident_id=incident.id,
        severity=incident.severity,
        person=data["person"],
        channel=data["channel"],
        contact=data.get("number", data["contact"]),
        text=m.PageText.model_validate(data["text"]),
        attempt=attempt,
        run=data["run"],
        round=data["round"],
        step=data["step"],
        service=incident.service,
        is_first=data["person"] not in incident.reached,
        at=workflow.now(),
    )


async def _attempt_page(flow: IncidentWorkflow, effect: Effect, request: m.SendPage) -> m.Delivery:
    """Send it; what ends without an answer may have gone out."""
    try:
        delivery: m.Delivery = await workflow.execute_activity(
            "send_page",
            request,
            result_type=m.Delivery,
            summary=f"Page {request.person} by {request.channel}, attempt {request.attempt}",
            priority=priority_of(request.severity),
            **options.PAGE_ATTEMPT,
        )
    except ActivityError as error:
        delivery = m.Delivery(
            key=effect.key,
            recipient=f"person:{request.person}",
            channel=request.channel,
            state=m.DeliveryState.UNCERTAIN,
            reason=DeliveryReason.TIMED_OUT,
            detail=f"the attempt ended without an answer: {error.cause or error}"[:300],
            retryable=True,
        )
    return delivery


async def _refresh_text(flow: IncidentWorkflow, effect: Effect) -> None:
    """Write a page anew that has been waiting: it goes out with what is known now.

    A look-up that fails changes nothing: old words are a page too.
    """
    data, incident, now = effect.input, flow.subject, workflow.now()
    written = datetime.fromisoformat(data["text_at"]) if data.get("text_at") else now
    if now - written < options.PAGE_TEXT_FRESH:
        return
    run = incident.run(data["run"])
    is_late = bool(data["late"]) or effect.attempt > 0
    request = m.ResolvePage(
        key=effect.key,
        incident=incident.view(),
        run=data["run"],
        round=data["round"],
        step=0,
        targets=[f"person:{data['person']}"],
        reason=run.reason if run else "",
        late=is_late,
        at=now,
    )
    try:
        answer: m.ResolvedPage = await workflow.execute_local_activity(
            "resolve_page",
            request,
            result_type=m.ResolvedPage,
            summary=f"Words of {effect.key} now",
            **options.ANSWERED_LOOK_UP,
        )
    except FailureError as error:
        flow.fault("refresh_page", error)
        return
    if answer.text is not None:
        data |= {"text": answer.text.model_dump(), "late": is_late}
    data["text_at"] = now.isoformat()


async def announce(flow: EntityWorkflow[Any], effect: Effect) -> None:
    """One attempt at a message that informs; recipients who have it are not told twice."""
    incident = flow.subject
    announcement = m.Announcement.model_validate(effect.input)
    view = flow.view()
    request = m.Announce(
        incident=view.get("incident") or view, announcement=announcement, at=workflow.now()
    )
    attempt = effect.attempt + 1
    try:
        result: m.Announced = await workflow.execute_activity(
            effect.kind,
            request,
            result_type=m.Announced,
            summary=f"{outcomes.describe(announcement)} to {', '.join(announcement.recipients)}"[
                :200
            ],
            **options.MESSAGE_ATTEMPT,
        )
    except ActivityError as error:
        result = outcomes.unanswered(announcement, f"{error.cause or error}"[:300])
    asks = any(delivery.retry_after_seconds for delivery in result.deliveries)
    heeds = asks and workflow.patched("messages-wait-as-asked")  # asked only where it matters
    outcome = outcomes.announced(effect, result, attempt, workflow.now(), heeds_wait=heeds)
    if outcome.retry_at is None:
        incident.settle(effect.key)
    else:
        if outcome.input is not None:
            effect.input = outcome.input
        incident.postpone(effect.key, outcome.retry_at)
    flow.record(*outcome.facts)


async def compose_update(flow: IncidentWorkflow, effect: Effect) -> None:
    """Have one of our own texts written; publishing it is the fact that follows."""
    request = m.ComposeUpdate(
        incident=flow.subject.view(),
        audience=effect.input["audience"],
        variant=effect.input["variant"],
        at=workflow.now(),
    )
    answer: m.Composed = await workflow.execute_local_activity(
        "compose_update",
        request,
        result_type=m.Composed,
        summary=f"Write the {request.variant} {request.audience} update",
        **options.LOOK_UP,
    )
    flow.subject.settle(effect.key)
    flow.record(*outcomes.composed(flow.subject, effect, answer.text, workflow.now()))
    flow.note_faults(answer.faults)


async def open_comms(flow: IncidentWorkflow, effect: Effect) -> None:
    """Open room, bridge, document and status page, as the policy says."""
    request = m.OpenChannels(incident=flow.subject.view(), topic=flow.subject.topic())
    answer: m.OpenedChannels = await workflow.execute_activity(
        "open_comms",
        request,
        result_type=m.OpenedChannels,
        summary="Open communications",
        **options.QUICK,
    )
    flow.subject.settle(effect.key)
    flow.record(CommsOpened(**answer.model_dump(exclude={"faults"})))
    flow.note_faults(answer.faults)


async def assess(flow: IncidentWorkflow, effect: Effect) -> None:
    """Find out what is already known, and put the questions of the assessment."""
    incident = flow.subject
    request = m.FindKnown(
        incident=incident.view(),
        depends_on=incident.policy.depends_on,
        runbooks=incident.policy.runbooks,
    )
    answer: m.Known = await workflow.execute_activity(
        "assess",
        request,
        result_type=m.Known,
        summary="Ask for the assessment",
        **options.QUICK,
    )
    incident.settle(effect.key)
    questions = incident.assessment.open_questions()
    flow.record(AssessmentAsked(questions=questions, known=answer.known))
    flow.note_faults(answer.faults)


async def settle(flow: IncidentWorkflow, effect: Effect) -> None:
    """Tell the desk that this incident takes no more alerts, and give back those it did not take."""
    incident = flow.subject
    if incident.storm is not None:
        await settle_storm(flow, effect)
        return
    alerts = [Alert.model_validate(alert) for alert in effect.input.get("alerts", [])]
    is_resolved = incident.status is Status.RESOLVED
    body = Settled(
        incident=incident.id,
        keys=list(incident.alerts)[-100:],
        alerts=alerts,
        key=effect.key,
        seq=effect.input.get("seq", 0),
        resolved_at=incident.resolved_at if is_resolved else None,
        ref=_ref(incident) if is_resolved else None,
    )
    await _signal_desk(flow, "settled", body.model_dump(mode="json"))
    incident.settle(effect.key)


async def tell_desk_reopened(flow: IncidentWorkflow, effect: Effect) -> None:
    """Tell the desk that this incident takes alerts again."""
    incident = flow.subject
    ref = _ref(incident).model_copy(update={"keys": list(incident.alerts)[-100:]})
    word = ReopenedRef(incident=ref, seq=effect.input.get("seq", 0))
    await _signal_desk(flow, "reopened", word.model_dump(mode="json"))
    incident.settle(effect.key)


def _ref(incident: Incident) -> OpenRef:
    """The incident as its desk needs to know it, without its keys."""
    return OpenRef(
        id=incident.id,
        severity=incident.severity,
        priority=incident.priority,
        raised_at=incident.raised_at,
        storm=incident.storm.integration if incident.storm else "",
    )


async def _signal_desk(flow: IncidentWorkflow, name: str, body: dict[str, Any]) -> None:
    request = DeskSignal(service=flow.subject.service, name=name, body=body)
    await workflow.execute_activity(
        "signal_desk",
        request,
        summary=f"Tell {desk_id(flow.subject.service)}: {name}",
        **options.RECORDING,
    )


async def start_postmortem(flow: IncidentWorkflow, effect: Effect) -> None:
    """Start the postmortem; a second resolution adds to the one that exists."""
    incident = flow.subject
    owner = next(
        iter([*incident.holders(PROBLEM_MANAGER), incident.incident_manager]), None
    ) or str(effect.input.get("resolved_by"))
    child_id = postmortem_id(incident.id)
    if incident.has_postmortem and await _signal_postmortem(child_id, incident.view()):
        incident.settle(effect.key)
        return
    request = PostmortemInput(incident=incident.view(), owner=owner, policy=incident.policy)
    try:
        child = await workflow.start_child_workflow(
            POSTMORTEM,
            request,
            id=child_id,
            task_queue=TASK_QUEUE,
            task_timeout=TASK_TIMEOUT,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"Postmortem of {incident.id}: {incident.summary}"[:200],
        )
        leave(child)
    except WorkflowAlreadyStartedError:
        await _signal_postmortem(child_id, incident.view())
    incident.settle(effect.key)
    due = incident.policy.level(incident.severity).postmortem_due
    due_at = (incident.resolved_at or workflow.now()) + due if due is not None else None
    flow.record(PostmortemStarted(owner=owner, due_at=due_at))


async def _signal_postmortem(child_id: str, view: dict[str, Any]) -> bool:
    """Add a resolution to the running postmortem; tell whether there was one."""
    try:
        await workflow.get_external_workflow_handle(child_id).signal("incident_resolved", view)
    except ApplicationError:  # ExternalWorkflowExecutionNotFound: it is closed
        return False
    return True


INCIDENT_STEPS: Mapping[str, Performer] = {
    "resolve_page": resolve_page,
    "send_page": send_page,
    "withdraw_page": withdraw_page,
    "review_rank": review_rank,
    "tell_paged": announce,
    "tell_operator": announce,
    "delegate": announce,
    "remind": announce,
    "publish_update": announce,
    "send_final": announce,
    "compose_update": compose_update,
    "open_comms": open_comms,
    "keep_room": keep_room,
    "assess": assess,
    "settle": settle,
    "tell_desk_reopened": tell_desk_reopened,
    "start_postmortem": start_postmortem,
    **CROSSING_STEPS,
}

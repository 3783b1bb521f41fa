"""Later pages of an incident: to the entity of their person, and what that says of them.

The rules are in `domain/handing_over.py`. Whatever goes wrong on this way, the incident pages by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from pydantic import TypeAdapter, ValidationError

    from domain import handing_over as rules
    from domain.aggregate import Effect, Result
    from domain.durations import format_duration
    from domain.errors import CommandError
    from domain.facts import CommandRefused
    from domain.messages import SendPage
    from domain.person_pages import PageOutcome
    from domain.priority import OpenIncident
    from domain.timeline import OPERATOR
    from workflows import activity_options as options
    from workflows import contract
    from workflows.handlers import one_object, shown

if TYPE_CHECKING:
    from workflows.incident import IncidentWorkflow

OUTCOMES = TypeAdapter(list[PageOutcome])


async def goes_through_person(flow: IncidentWorkflow, effect: Effect, page: SendPage) -> bool:
    """Hand a later page over; False where the incident is to page by itself, now."""
    incident = flow.subject
    if rules.was_handed(effect):
        waited = format_duration(rules.PATIENCE)
        flow.record(rules.go_directly(effect, f"no word of it within {waited}"))
        return False
    if not rules.goes_through_person(incident, effect):
        return False
    if not workflow.patched("later-pages-through-person"):
        return False  # a run that has paged without entities goes on as it began
    handed = rules.handed_page(incident, effect, page, workflow.now())
    request = contract.HandToPerson(person=page.person, handed=handed)
    failure: ActivityError | None = None
    # Before it is sent: the entity's first word may be here before the word that it was sent. Also where
    # that fails: it may have arrived, and is taken back then.
    is_early = workflow.patched("handed-over-before-it-is-sent")
    if is_early:
        rules.hand_over(incident, effect, workflow.now())
    try:
        await workflow.execute_activity(
            "hand_to_person",
            request,
            summary=f"Later page of {page.person}: {page.key}"[:200],
            priority=contract.priority_of(incident.severity),
            **options.HAND_OVER,
        )
    except ActivityError as error:
        failure = error
    if not is_early:
        rules.hand_over(incident, effect, workflow.now())
    if failure is not None and (not is_early or incident.effects.get(effect.key) is effect):
        why = f"it could not be handed over: {failure.cause or failure}"
        flow.record(rules.go_directly(effect, why[:300]))
        return False
    # Acknowledged while it was on its way: whatever has not left is taken back.
    for wish in rules.withdrawals(incident):
        incident.effects.setdefault(wish.key, wish)
    return True


def hear_outcomes(flow: IncidentWorkflow, args: Sequence[Any]) -> None:
    """Signal `page_outcome`: a list of outcomes, in any order, more than once."""
    incident = flow.subject
    try:
        outcomes = OUTCOMES.validate_python(one_object("page_outcome", args))
    except (ValidationError, CommandError) as error:
        why = f"not a list of outcomes of pages: {error}"[:500]
        flow.record(
            CommandRefused(command="page_outcome", why=why, sent=shown(args)), actor=OPERATOR
        )
        return
    for outcome in outcomes:
        try:
            if not rules.is_of_rank(incident, outcome):
                flow.record(*rules.outcome_heard(incident, outcome, workflow.now()))
            elif outcome.key not in incident.results:
                flow.record(*rules.rank_notice_told(outcome))
                incident.remember(outcome.key, Result(seq=incident.seq))
        except Exception as error:  # noqa: BLE001 - a bug must not park the incident
            flow.fault("page_outcome", error)


async def withdraw_page(flow: IncidentWorkflow, effect: Effect) -> None:
    """Take a page back that nobody wants any more."""
    key, person = effect.input["page"], effect.input["person"]
    withdrawal = contract.Withdrawal(incident=flow.subject.id, keys=[key], at=workflow.now())
    await workflow.execute_activity(
        "withdraw_pages",
        contract.WithdrawPages(person=person, withdrawal=withdrawal),
        summary=f"Take back {key}"[:200],
        **options.TELLING,
    )
    rules.withdrawn(flow.subject, key)
    flow.subject.settle(effect.key)


async def review_rank(flow: IncidentWorkflow, effect: Effect) -> None:
    """See for whom another incident goes first now."""
    incident = flow.subject
    if not workflow.patched("review-rank"):
        incident.settle(effect.key)  # a run from before asked nobody
        return
    request = contract.ReviewRank(
        key=effect.key,
        incident=OpenIncident(
            id=incident.id,
            priority=incident.priority,
            severity=incident.severity,
            raised_at=incident.raised_at,
            summary=incident.summary[:200],
        ),
        **effect.input,
    )
    try:
        await workflow.execute_activity(
            "review_rank", request, summary="Who has another incident first now", **options.QUICK
        )
    except ActivityError as error:
        flow.note_faults([f"nobody was told of a new order: {error.cause or error}"[:300]])
    incident.settle(effect.key)

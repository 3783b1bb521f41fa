"""What the answers about pages amount to: who is behind a step, what became of an attempt, a receipt."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domain.aggregate import Effect, Fact, next_page_try
from domain.errors import DeliveryReason
from domain.facts import (
    PageDelivered,
    PageFailed,
    PageHeld,
    PageSent,
    PageUnconfirmed,
    StepPaged,
    StepSkipped,
)
from domain.incident import Incident
from domain.late_failures import update_bounced
from domain.messages import Delivery, DeliveryState, PageText, ResolvedPage
from domain.outcomes import Outcome
from domain.paged import FAILING_AT_ATTEMPT, AwaitedReceipt, DeliveryReceipt

MAX_RETRY_AFTER = timedelta(seconds=60)
"""A vendor that asks for more patience is not waited for: another contact is in use by then."""
SHOWN_EVERY = 10
"""Of the attempts at a failing page only every tenth gets a fact, once it counts as failing."""


def page_resolved(incident: Incident, effect: Effect, result: ResolvedPage) -> list[Fact]:
    """Who is to be paged is known: page them, wait as the hours say, or pass the step over."""
    run = incident.run(effect.input["run"])
    if run is None or not run.is_active:
        return []
    step = 0 if run.is_paging_catch_all else run.step + 1
    late = bool(effect.input.get("late"))
    if result.hold_until is not None:
        return [
            PageHeld(
                run=run.id, until=result.hold_until, severity=incident.severity,
                reason=result.hold_reason,
            )
        ]  # fmt: skip
    targets = [t for t in result.targets if t.person not in run.acknowledged_by]
    done = [t.person for t in result.targets if t.person in run.acknowledged_by]
    skipped = [*result.skipped, *(f"{person} has acknowledged" for person in done)]
    if not targets or result.text is None:
        why = "; ".join([*skipped, *result.faults]) or "nobody is behind it"
        return [StepSkipped(run=run.id, round=run.round, step=step, reason=why, empty=True)]
    return [
        StepPaged(
            run=run.id,
            round=run.round,
            step=step,
            targets=targets,
            text=result.text,
            skipped=skipped,
            faults=result.faults,
            late=late,
            rank=result.rank,
        )
    ]


def page_attempted(
    incident: Incident, effect: Effect, delivery: Delivery, attempt: int, now: datetime
) -> Outcome:
    """One attempt at a page has ended. A failing contact is retried while the next one is tried too."""
    data = effect.input
    about = _about(data) | {"attempt": attempt, "late": data["late"], "deliveries": [delivery]}
    if delivery.state in (DeliveryState.SENT, DeliveryState.DELIVERED):
        return Outcome(facts=[PageSent(**about), *_early(incident, data, delivery, now)])
    run = incident.run(data["run"])
    person = run.paged_now(data["person"], data["round"], data["step"]) if run else None
    # A page that was dropped meanwhile (acknowledged, reached otherwise, paged anew) is not tried again.
    wanted = run is not None and run.is_active and effect.key in incident.effects
    is_needed = person is None or person.needs(data["contact"])
    will_retry = delivery.retryable and wanted and is_needed
    reason = delivery.reason or delivery.state.value
    fact = PageFailed(
        **about,
        reason=reason,
        detail=delivery.detail,
        will_retry=will_retry,
        next_contact=_next_contact(incident, data, attempt) if wanted and is_needed else None,
        channels=data["channels"],
        text=PageText.model_validate(data["text"]),
        tells_operator=reason == DeliveryReason.UNAUTHORISED
        and data["channel"] not in incident.refused_channels,
    )
    if not will_retry:
        return Outcome(facts=[fact])
    shown = attempt <= FAILING_AT_ATTEMPT or attempt % SHOWN_EVERY == 0
    wait = next_page_try(attempt - 1)
    if delivery.retry_after_seconds is not None:
        wait = max(wait, min(timedelta(seconds=delivery.retry_after_seconds), MAX_RETRY_AFTER))
    return Outcome(facts=[fact] if shown else [], retry_at=now + wait)


def receipt_came(incident: Incident, receipt: DeliveryReceipt, now: datetime) -> list[Fact]:
    """A vendor says what became of a page, or that an update did not arrive; else nothing follows."""
    awaited = incident.awaited.get(receipt.key)
    if awaited is None:
        return [*update_bounced(incident, receipt, now)]
    if receipt.state not in ("delivered", "failed"):
        return []
    return _received(incident, awaited, receipt, now)


def unconfirmed(incident: Incident, key: str, awaited: AwaitedReceipt) -> Fact:
    """No receipt came in time: the person's next contact is tried, unless it has been."""
    return PageUnconfirmed(
        **_place(awaited), key=key, next_contact=_next_contact(incident, _place(awaited), None)
    )


def _early(
    incident: Incident, data: dict[str, Any], delivery: Delivery, now: datetime
) -> list[Fact]:
    """What a receipt says that came before the attempt had answered."""
    receipt = incident.early_receipts.get(delivery.key)
    if receipt is None:
        return []
    awaited = AwaitedReceipt(**_about(data), sent_at=now, bundle=delivery.bundle)
    return _received(incident, awaited, receipt, now)


def _received(
    incident: Incident, awaited: AwaitedReceipt, receipt: DeliveryReceipt, now: datetime
) -> list[Fact]:
    is_there = receipt.state == "delivered"
    delivery = Delivery(
        key=receipt.key,
        recipient=f"person:{awaited.person}",
        channel=awaited.channel,
        state=DeliveryState.DELIVERED if is_there else DeliveryState.FAILED,
        reason=None if is_there else DeliveryReason.REJECTED.value,
        detail=receipt.detail[:500],
        bundle=awaited.bundle,
        at=now,
    )
    place = _place(awaited)
    if is_there:
        took = (now - awaited.sent_at).total_seconds()
        return [PageDelivered(**place, took_seconds=max(took, 0.0), deliveries=[delivery])]
    run = incident.run(awaited.run)
    is_active = run is not None and run.is_active
    return [
        PageFailed(
            **place,
            reason=DeliveryReason.REJECTED.value,
            detail=receipt.detail[:500],
            will_retry=False,
            next_contact=_next_contact(incident, place, None) if is_active else None,
            deliveries=[delivery],
        )
    ]


def _next_contact(incident: Incident, data: dict[str, Any], attempt: int | None) -> int | None:
    """Position of the contact that is started because the one of `data` does not do.

    A person whom a later step has paged since has a plan of their own there; one whose place is not
    known any more gets their next contact at the first failure.
    """
    run = incident.run(data["run"])
    person = run.paged_now(data["person"], data["round"], data["step"]) if run else None
    if person is not None:
        return person.next_after_failure(data["contact"])
    following = int(data["contact"]) + 1
    return following if attempt == 1 and following < len(data["channels"]) else None


def _about(data: dict[str, Any]) -> dict[str, Any]:
    names = ("run", "person", "channel", "contact", "round", "step")
    return {name: data[name] for name in names}


def _place(awaited: AwaitedReceipt) -> dict[str, Any]:
    return awaited.model_dump(exclude={"sent_at", "confirm_by", "bundle"})

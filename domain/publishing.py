"""Publishing one text to one side: who hears it at once, and who only once a second person agrees."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.aggregate import Fact
from domain.audiences import hearing, is_on_status_page
from domain.facts import UpdateProposed, UpdatePublished
from domain.incident import Incident, Status
from domain.proposals import Proposal
from domain.updates import Audience, UpdateStatus


def publications(
    incident: Incident,
    side: Audience,
    text: str,
    *,
    status: UpdateStatus | None,
    by: str,
    variant: str,
    at: datetime,
    next_minutes: int | None = None,
) -> list[Fact]:
    """The facts of bringing a text to a side.

    Args:
        next_minutes: when the next update comes, where somebody said so; None is the side's cadence.
    """
    pinned = incident.policy.audiences
    heard_by = hearing(pinned, side, incident.severity)
    if variant == "final":
        # Whoever was told that it began is told that it is over, however mild it has become; and nobody
        # else is.
        heard_by = {
            name: one
            for name, one in pinned.items()
            if one.hears is side and has_heard(incident, side, name)
        }
    if side is Audience.EXTERNAL and pinned and not heard_by:
        return []  # what nobody hears is not published
    # A cancelled incident takes no approval any more; its fixed text must not leave a page that says we
    # still look into it.
    needs_reader = incident.status is not Status.CANCELLED
    held = [name for name, one in heard_by.items() if one.approval and needs_reader]
    free = [name for name in heard_by if name not in held]
    facts: list[Fact] = []
    # Stakeholders always hear what is said inside; they are no audience that could ask for approval.
    if free or not held or side is Audience.INTERNAL:
        facts.append(
            UpdatePublished(
                audience=side,
                text=text,
                status=status,
                by=by,
                variant=variant,
                next_update_at=next_update_at(incident, side, variant, at, next_minutes),
                audiences=free if pinned else None,
                on_status_page=is_public(incident, side, free),
            )
        )
    if held:
        facts.append(
            UpdateProposed(
                update=f"u{incident.proposed + 1}",
                audience=side,
                audiences=held,
                text=text,
                status=status,
                by=by,
                variant=variant,
                next_update_minutes=next_minutes,
            )
        )
    return facts


def has_heard(incident: Incident, side: Audience, name: str) -> bool:
    """Whether an audience was told anything of the incident."""
    return any(
        update.audience is side and (update.audiences is None or name in update.audiences)
        for update in incident.updates
    )


def next_update_at(
    incident: Incident, side: Audience, variant: str, at: datetime, minutes: int | None
) -> datetime | None:
    """When the side hears next; None after the last word, and where no cadence is."""
    if not incident.is_open or variant == "final":
        return None
    cadence = (
        timedelta(minutes=minutes)
        if minutes is not None
        else incident.policy.cadence(incident.severity, side)
    )
    return at + cadence if cadence is not None else None


def after_approval(incident: Incident, one: Proposal, at: datetime) -> datetime | None:
    """When those hear next for whom a text waited.

    Where others had the same text at once, or a newer one, the side has promised a time already: a late
    reader puts nothing off.
    """
    own = next_update_at(incident, one.audience, one.variant, at, one.next_update_minutes)
    clock = incident.clocks.get(one.audience)
    if own is None or clock is None or not incident.has_published(one.audience, since=one.at):
        return own
    return clock.due_at if at < clock.due_at < own else own


def is_public(incident: Incident, side: Audience, names: list[str]) -> bool:
    """Whether an update for these audiences stands on the status page."""
    if side is not Audience.EXTERNAL or not incident.policy.on_status_page:
        return False
    return not incident.policy.audiences or is_on_status_page(incident.policy.audiences, names)

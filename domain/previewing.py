"""What publishing an update would do, told before it is done: who hears it, what it is, why it is refused.

A command decides on an incident (`domain/commands/communication.py`); here is only the view of one, so
this says what that would say from what the view and the policy hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from domain.audiences import groups_told, hearing
from domain.commands.communication import PublishUpdate
from domain.policy.model import Policy
from domain.policy.person import Contact
from domain.policy.slice import PolicySlice
from domain.updates import Audience, UpdateStatus

View = Mapping[str, Any]


class Hearer(BaseModel):
    """Somebody who would be told: an audience, or a group of stakeholders."""

    name: str
    places: list[str] = []
    contacts: dict[str, int] = {}
    """How many addresses, by channel; none of them is in here."""
    needs_approval: bool = False
    template: str | None = None
    """Folder of the text's frame, where it has one of its own."""


def hearers(pinned: PolicySlice, policy: Policy, view: View, side: Audience) -> list[Hearer]:
    """Who would hear an update of that side.

    Args:
        pinned: the incident's policy, which says who hears.
        policy: the policy in force, which says where they are reached.
    """
    severity = str(view.get("severity") or "")
    found = []
    for name, one in hearing(pinned.audiences, side, severity).items():
        audience = policy.audiences.get(name)
        found.append(
            Hearer(
                name=name,
                places=[place.value for place in one.places],
                contacts=_counted(audience.to if audience is not None else []),
                needs_approval=one.approval,
                template=audience.template if audience is not None else None,
            )
        )
    groups = groups_told(policy, view) if side is Audience.INTERNAL else ()
    found += [Hearer(name=f"stakeholders {key}", contacts=_counted(to)) for key, to in groups]
    return found


def refusals(pinned: PolicySlice, view: View, side: Audience) -> list[str]:
    """Why such an update would be refused; empty where it would go out."""
    status, severity = str(view.get("status") or ""), str(view.get("severity") or "")
    if status not in PublishUpdate.allowed:
        return [f"the incident is {status}: it takes no updates any more"]
    if side is Audience.INTERNAL:
        return []
    if status == "resolved":
        return ["a resolved incident has had its final external update"]
    why = pinned.why_silent(severity, str(view.get("type") or "default"))
    return [why] if why else []


def stage_of(view: View, side: Audience, said: str | None) -> UpdateStatus | None:
    """The stage that the update would have: what is said, else what the side was last told."""
    if said is not None:
        return UpdateStatus(said)
    for update in reversed(view.get("updates") or []):
        if update.get("audience") == side and update.get("status") is not None:
            if update["status"] == UpdateStatus.RESOLVED:
                break
            return UpdateStatus(update["status"])
    return UpdateStatus.INVESTIGATING if side is Audience.EXTERNAL else None


def following_at(
    pinned: PolicySlice, view: View, side: Audience, at: datetime, minutes: int | None
) -> datetime | None:
    """When the side would hear next; None where no cadence is, and after the incident."""
    if view.get("status") not in ("raised", "fixing"):
        return None
    if minutes is not None:
        return at + timedelta(minutes=minutes)
    cadence = pinned.cadence(str(view.get("severity") or ""), side)
    return at + cadence if cadence is not None else None


def _counted(contacts: list[Contact]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for contact in contacts:
        counts[contact.channel] = counts.get(contact.channel, 0) + 1
    return counts

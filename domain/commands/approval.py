"""Commands about updates that wait for a second person."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Fact
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import ShortText, Text
from domain.errors import TransitionError
from domain.facts import UpdatePublished, UpdateWithdrawn
from domain.incident import Incident, Status
from domain.names import require_known
from domain.proposals import Proposal
from domain.publishing import after_approval, is_public
from domain.updates import Audience


class ApproveUpdate(Command):
    """Let a proposed update go out; never by whoever wrote it."""

    name: ClassVar[str] = "approve_update"
    description: ClassVar[str] = "Approve an update that waits for a second person"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    update: ShortText

    def check(self, incident: Incident, actor: str) -> None:
        proposal = waiting(incident, self.update)
        if proposal.by == actor:
            raise TransitionError(
                self.name, incident.status, ["withdraw_update"],
                why=f"{actor} wrote {self.update}: somebody else approves it",
            )  # fmt: skip
        is_late = incident.status is Status.RESOLVED and proposal.variant != "final"
        if is_late and proposal.audience is Audience.EXTERNAL:
            raise TransitionError(
                self.name, incident.status, ["withdraw_update", "reopen"],
                why=f"{self.update} was written before the incident was resolved",
            )  # fmt: skip

        if _is_overtaken(incident, proposal):
            raise TransitionError(
                self.name, incident.status, ["withdraw_update"],
                why=f"{self.update} is no longer true: those whom it is for have heard something newer",
            )  # fmt: skip

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        one = waiting(incident, self.update)
        return [
            UpdatePublished(
                audience=one.audience,
                text=one.text,
                status=one.status,
                by=one.by,
                variant=one.variant,
                next_update_at=after_approval(incident, one, at),
                audiences=one.audiences,
                on_status_page=is_public(incident, one.audience, one.audiences),
                proposal=one.id,
                approved_by=actor,
            )
        ]


class WithdrawUpdate(Command):
    """A proposed update does not go out."""

    name: ClassVar[str] = "withdraw_update"
    description: ClassVar[str] = "Withdraw an update that waits for a second person"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    update: ShortText
    reason: Text | None = None

    def check(self, incident: Incident, actor: str) -> None:
        waiting(incident, self.update)

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        side = waiting(incident, self.update).audience
        return [UpdateWithdrawn(update=self.update, audience=side, reason=self.reason or "")]


def waiting(incident: Incident, update: str) -> Proposal:
    """The proposal of that id.

    Raises:
        UnknownNameError: none waits under it, or no longer.
    """
    known = {one.id: one for one in incident.proposals}
    require_known("update that waits for approval", update, list(known), "update")
    return known[update]


def _is_overtaken(incident: Incident, proposal: Proposal) -> bool:
    """Whether any of those whom it is for were told something newer: the old text must not come last."""
    return any(
        update.audience is proposal.audience
        and update.at > proposal.at
        and not set(proposal.audiences).isdisjoint(update.audiences or ())
        for update in incident.updates
    )


def withdrawn(incident: Incident, reason: str) -> list[Fact]:
    """What becomes of every text that still waits, when what it says is no longer so."""
    return [
        UpdateWithdrawn(update=one.id, audience=one.audience, reason=reason)
        for one in incident.proposals
    ]

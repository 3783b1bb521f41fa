"""Commands about pages: acknowledge, escalate."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domain.aggregate import Fact
from domain.commands.base import Command
from domain.commands.texts import ShortText, Text
from domain.escalation import Cause
from domain.facts import Acknowledged, Escalated
from domain.incident import Incident, Status


class Acknowledge(Command):
    """The actor takes the page.

    The first acknowledgement makes the actor incident manager and ends every page. A later one ends the
    pages that the actor was sent and those for a severity that became major, or, from somebody who is
    not yet a responder, those nobody answers.
    """

    name: ClassVar[str] = "acknowledge"
    description: ClassVar[str] = "Take the page; the first to do so becomes incident manager"
    needs_person: ClassVar[bool] = True

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        first = incident.status is Status.RAISED or incident.acknowledged_at is None
        takes_charge = first or incident.incident_manager is None
        active = incident.active_pages()
        # A call to a named expert is theirs to answer; any other page is answered by whoever takes it.
        ended = [r for r in active if actor in r.paged or r.cause is not Cause.ESCALATED]
        if takes_charge or (not ended and not incident.is_responder(actor)):
            ended = active
        if not takes_charge and not ended and incident.is_responder(actor):
            return []
        told = dict.fromkeys(person for run in ended for person in run.paged if person != actor)
        since = incident.raised_at if first or not ended else ended[-1].round_started_at
        return [
            Acknowledged(
                person=actor,
                first=first,
                takes_charge=takes_charge,
                after_seconds=max((at - since).total_seconds(), 0.0),
                ended_runs=[run.id for run in ended],
                told=list(told),
            )
        ]


class Escalate(Command):
    """Call in another expert, team or rotation; they are paged with context until somebody answers."""

    name: ClassVar[str] = "escalate"
    description: ClassVar[str] = "Page another person, team or schedule, with a reason"

    to: ShortText
    reason: Text

    def check(self, incident: Incident, actor: str) -> None:
        incident.policy.require_target(self.to, "to")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [Escalated(to=self.to, reason=self.reason, run=f"p{len(incident.pages) + 1}")]

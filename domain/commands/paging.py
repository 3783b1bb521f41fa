"""Commands about pages: acknowledge, escalate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from domain.aggregate import Fact
from domain.commands.base import Command, allowed_commands
from domain.commands.texts import ShortText, Text
from domain.errors import CommandError, Problem, TransitionError
from domain.escalation import Cause, PageRun
from domain.facts import Acknowledged, Escalated, StillWorking, Unacknowledged
from domain.facts.maintenance import quieted_by
from domain.incident import Incident, Status
from domain.maintenance import wire

KEY_PARTS = 6
"""Of a page's key: incident, run, round, step, person, contact."""


class Acknowledge(Command):
    """The actor takes the page.

    The first acknowledgement makes the actor incident manager and ends every page. A later one ends the
    pages that the actor was sent and those for a severity that became major, or, from somebody who is
    not yet a responder, those nobody answers. Where a step needs several people, a page ends with the
    last of them; those before are left alone.
    """

    name: ClassVar[str] = "acknowledge"
    description: ClassVar[str] = "Take the page; the first to do so becomes incident manager"
    needs_person: ClassVar[bool] = True

    via: Literal["cli", "api", "web", "chat", "link", "keypress", "sms", "sender"] = "api"
    """How it was said."""
    page: str | None = Field(None, max_length=500)
    """Idempotency key of the page that was answered."""

    def check(self, incident: Incident, actor: str) -> None:
        if self.page is None:
            return
        where, parts = "/page", self.page.split("/")
        if parts[0] != incident.id:
            detail = (
                f"this page belongs to {parts[0]!r}, not to {incident.id}: acknowledge that one"
            )
            raise CommandError(self.name, [Problem(where=where, detail=detail)])
        if len(parts) != KEY_PARTS:
            detail = f"no page has this key; one looks like {incident.id}/p1/r1/s1/{actor}/email-0"
            raise CommandError(self.name, [Problem(where=where, detail=detail)])
        if parts[4] != actor:
            detail = f"this page went to {parts[4]!r}, so {actor} cannot answer it"
            raise CommandError(self.name, [Problem(where=where, detail=detail)])

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        first = incident.status is Status.RAISED or incident.acknowledged_at is None
        takes_charge = first or incident.incident_manager is None
        active = incident.active_pages()
        # A call to a named expert is theirs to answer; any other page is answered by whoever takes it.
        meant = [r for r in active if actor in r.paged or r.cause is not Cause.ESCALATED]
        if takes_charge or (not meant and not incident.is_responder(actor)):
            meant = active
        answered = [run for run in meant if actor not in run.acknowledged_by]
        if not takes_charge and not answered and incident.is_responder(actor):
            # Nothing is left to answer; but who was asked whether they are still on it has said so.
            asked = incident.sign_asked_at is not None
            return [StillWorking(person=actor)] if asked else []
        ended = [r for r in answered if len(r.acknowledged_by) + 1 >= r.acknowledgements_needed]
        told = dict.fromkeys(person for run in ended for person in run.paged if person != actor)
        since = incident.raised_at if first or not ended else ended[-1].round_started_at
        return [
            Acknowledged(
                person=actor,
                first=first,
                again=first and incident.communications.opened_at is not None,
                takes_charge=takes_charge,
                via=self.via,
                page=self.page,
                after_seconds=max((at - since).total_seconds(), 0.0),
                took_seconds=max(
                    (at - self._paged_at(answered, actor, since)).total_seconds(), 0.0
                ),
                ended_runs=[run.id for run in ended],
                quieted_runs=[run.id for run in answered if run not in ended],
                told=list(told),
            )
        ]

    def _paged_at(self, answered: Sequence[PageRun], actor: str, since: datetime) -> datetime:
        """When the actor's page left: that of the run whose page was answered, else the latest one."""
        named = self.page.split("/")[1] if self.page else None
        runs = [run for run in answered if named in (None, run.id) and actor in run.first_sent]
        return runs[-1].first_sent[actor] if runs else since


class Escalate(Command):
    """Call in another expert, team or rotation; they are paged with context until somebody answers."""

    name: ClassVar[str] = "escalate"
    description: ClassVar[str] = "Page another person, team or schedule, with a reason"

    to: ShortText
    reason: Text

    def check(self, incident: Incident, actor: str) -> None:
        incident.policy.require_target(self.to, "to")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        quiet = quieted_by(incident, at)
        if quiet is not None:
            raise TransitionError(
                self.name,
                incident.status,
                _others_than(self.name, incident.status),
                why=f"{incident.service} is in maintenance until {wire(quiet.end)} ({quiet.reason}), "
                "and a page waits for that: acknowledge the incident first, or end the window "
                f"({quiet.id})",
            )
        facts: list[Fact] = [
            Escalated(to=self.to, reason=self.reason, run=f"p{len(incident.pages) + 1}")
        ]
        if incident.policy.escalation.escalating_unacknowledges and incident.may_be_taken_back:
            reason = f"{actor} escalated to {self.to}"
            facts.append(Unacknowledged(person=incident.acknowledged_by, reason=reason))
        return facts


def _others_than(name: str, status: Status) -> list[str]:
    """What else can be done with an incident of that status."""
    from domain.commands import COMMANDS  # the registry knows this module

    return [other for other in allowed_commands(status, COMMANDS) if other != name]

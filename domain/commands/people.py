"""Commands about who does what: delegate, accept, decline, hand over, join, leave."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Fact
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import ShortText, Text
from domain.errors import TransitionError
from domain.facts import Delegated, HandedOver, Joined, Left, RoleAccepted, RoleDeclined
from domain.incident import Incident, RoleState
from domain.names import require_known
from domain.roles import INCIDENT_MANAGER


class RoleCommand(Command):
    """Base of the commands about one role of the policy."""

    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    role: ShortText

    def check(self, incident: Incident, actor: str) -> None:
        require_known("role", self.role, incident.policy.roles, "role")

    def title(self, incident: Incident) -> str:
        return incident.policy.roles[self.role].title


class Delegate(RoleCommand):
    """Offer a role with its written duties; a role offered to oneself is taken."""

    name: ClassVar[str] = "delegate"
    description: ClassVar[str] = "Offer a role to a person, who gets its duties"

    to: ShortText

    def check(self, incident: Incident, actor: str) -> None:
        super().check(incident, actor)
        incident.policy.require_person(self.to, "to")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        holding, title = incident.holding(self.role, self.to), self.title(incident)
        if holding is not None and holding.state is RoleState.ACCEPTED:
            return []
        facts: list[Fact] = [Delegated(role=self.role, title=title, to=self.to)]
        if actor == self.to:
            facts.append(RoleAccepted(role=self.role, title=title, person=actor))
        return facts


class AnswerRole(RoleCommand):
    """Base of accepting and declining."""

    needs_person: ClassVar[bool] = True

    def check(self, incident: Incident, actor: str) -> None:
        super().check(incident, actor)
        if incident.holding(self.role, actor) is None:
            raise TransitionError(
                self.name,
                incident.status,
                [f"delegate {self.role} to {actor} first"],
                why=f"{self.role} has not been offered to {actor}",
            )


class AcceptRole(AnswerRole):
    """Take an offered role."""

    name: ClassVar[str] = "accept_role"
    description: ClassVar[str] = "Take the role that was offered to you"

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        holding = incident.holding(self.role, actor)
        if holding is not None and holding.state is RoleState.ACCEPTED:
            return []
        return [RoleAccepted(role=self.role, title=self.title(incident), person=actor)]


class DeclineRole(AnswerRole):
    """Refuse an offered role, or put down one that was taken."""

    name: ClassVar[str] = "decline_role"
    description: ClassVar[str] = "Refuse the role that was offered to you, or put it down"

    reason: Text | None = None

    def check(self, incident: Incident, actor: str) -> None:
        super().check(incident, actor)
        if self.role == INCIDENT_MANAGER:
            refuse_to_leave_without_manager(self.name, incident, actor)

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        holding = incident.holding(self.role, actor)
        if holding is not None and holding.state is RoleState.DECLINED:
            return []
        title = self.title(incident)
        return [RoleDeclined(role=self.role, title=title, person=actor, reason=self.reason)]


class HandOver(RoleCommand):
    """Pass a role on, with a briefing. The new holder has it at once: the two have spoken."""

    name: ClassVar[str] = "hand_over"
    description: ClassVar[str] = "Pass a role to somebody else, with a briefing"

    to: ShortText
    briefing: Text

    def check(self, incident: Incident, actor: str) -> None:
        super().check(incident, actor)
        incident.policy.require_person(self.to, "to")
        if not incident.holders(self.role):
            raise TransitionError(
                self.name, incident.status, ["delegate"], why=f"nobody holds {self.role}"
            )

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        holders = incident.holders(self.role)
        old = actor if actor in holders else holders[0]
        if old == self.to:
            return []
        return [
            HandedOver(
                role=self.role,
                title=self.title(incident),
                old=old,
                to=self.to,
                briefing=self.briefing,
            )
        ]


class Join(Command):
    """The actor works on the incident."""

    name: ClassVar[str] = "join"
    description: ClassVar[str] = "Join the responders"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED
    needs_person: ClassVar[bool] = True

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [] if incident.is_responder(actor) else [Joined(person=actor)]


class Leave(Command):
    """The actor stops working on the incident and puts their roles down."""

    name: ClassVar[str] = "leave"
    description: ClassVar[str] = "Leave the responders and put your roles down"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED
    needs_person: ClassVar[bool] = True

    def check(self, incident: Incident, actor: str) -> None:
        refuse_to_leave_without_manager(self.name, incident, actor)

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        roles = incident.roles_of(actor)
        if not incident.is_responder(actor) and not roles:
            return []
        return [Left(person=actor, roles=roles)]


def refuse_to_leave_without_manager(command: str, incident: Incident, actor: str) -> None:
    """An open incident never loses its only incident manager.

    Raises:
        TransitionError: the actor is the only one.
    """
    if incident.is_open and incident.holders(INCIDENT_MANAGER) == [actor]:
        raise TransitionError(
            command,
            incident.status,
            ["hand_over", "delegate"],
            why=f"{actor} is the only incident manager: hand over first",
        )

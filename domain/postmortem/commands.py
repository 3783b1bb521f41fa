"""What people ask of a postmortem: edit, submit, approve, add and complete actions, close."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from domain.aggregate import Fact
from domain.commands.base import BESIDE, MAX_KEY_CHARS, is_plain
from domain.commands.texts import Instant, ShortText, Text
from domain.errors import CommandError, Problem, TransitionError
from domain.names import nearest, require_known
from domain.postmortem.document import (
    FIELDS,
    ActionAdded,
    ActionCompleted,
    ActionKind,
    Approved,
    Edited,
    Postmortem,
    PostmortemClosed,
    PostmortemStatus,
    Submitted,
)
from domain.shape import shape_problems
from domain.timeline import OPERATOR

UNFINISHED = frozenset({PostmortemStatus.DRAFT, PostmortemStatus.IN_REVIEW})
NOT_CLOSED = UNFINISHED | {PostmortemStatus.APPROVED}


class PostmortemCommand(BaseModel):
    """Base of the commands on a postmortem."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: ClassVar[str]
    description: ClassVar[str]
    allowed: ClassVar[frozenset[PostmortemStatus]] = NOT_CLOSED

    def check(self, postmortem: Postmortem, actor: str) -> None:
        """Refuse what the state or the policy does not allow. Raises IncidentError."""

    @abstractmethod
    def decide(self, postmortem: Postmortem, actor: str, at: datetime) -> list[Fact]:
        """The facts that follow."""


class Edit(PostmortemCommand):
    """Write fields, change the owner, name the cause's category."""

    name: ClassVar[str] = "edit"
    description: ClassVar[str] = "Write fields of the document, or change its owner"

    fields: dict[str, Text] = {}
    owner: ShortText | None = None
    category: ShortText | None = None

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in FIELDS:
                near = nearest(name, FIELDS)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise ValueError(f"no field {name!r}{hint}; the fields are {', '.join(FIELDS)}")
        return value

    def check(self, postmortem: Postmortem, actor: str) -> None:
        if self.owner is not None:
            postmortem.policy.require_person(self.owner, "owner")

    def decide(self, postmortem: Postmortem, actor: str, at: datetime) -> list[Fact]:
        if not (self.fields or self.owner or self.category):
            return []
        was_approved = postmortem.status is PostmortemStatus.APPROVED and bool(self.fields)
        return [
            Edited(
                fields=dict(self.fields),
                owner=self.owner,
                category=self.category,
                needs_new_review=was_approved,
            )
        ]


class Submit(PostmortemCommand):
    """Ask for review."""

    name: ClassVar[str] = "submit"
    description: ClassVar[str] = "Submit the document for review"
    allowed: ClassVar[frozenset[PostmortemStatus]] = frozenset({PostmortemStatus.DRAFT})

    def decide(self, postmortem: Postmortem, actor: str, at: datetime) -> list[Fact]:
        return [Submitted()]


class Approve(PostmortemCommand):
    """Agree with the root cause, and that the actions address it. Closes when no action is open."""

    name: ClassVar[str] = "approve"
    description: ClassVar[str] = "Approve the document"
    allowed: ClassVar[frozenset[PostmortemStatus]] = frozenset({PostmortemStatus.IN_REVIEW})

    def decide(self, postmortem: Postmortem, actor: str, at: datetime) -> list[Fact]:
        return [Approved(by=actor)]


class AddAction(PostmortemCommand):
    """A follow-up with an owner and a date; without a date the policy's."""

    name: ClassVar[str] = "add_action"
    description: ClassVar[str] = "Add a follow-up action with owner and due date"

    text: Text
    owner: ShortText | None = None
    due_at: Instant | None = None
    kind: ActionKind = "improvement"
    link: ShortText | None = None

    def check(self, postmortem: Postmortem, actor: str) -> None:
        if self.owner is not None:
            postmortem.policy.require_person(self.owner, "owner")

    def decide(self, postmortem: Postmortem, actor: str, at: datetime) -> list[Fact]:
        return [
            ActionAdded(
                action=f"a{len(postmortem.actions) + 1}",
                text=self.text,
                owner=self.owner or postmortem.owner,
                due_at=self.due_at or at + postmortem.policy.postmortems.action_due,
                kind=self.kind,
                link=self.link,
            )
        ]


class CompleteAction(PostmortemCommand):
    """A follow-up is done."""

    name: ClassVar[str] = "complete_action"
    description: ClassVar[str] = "Mark an action as done"

    action: ShortText

    def check(self, postmortem: Postmortem, actor: str) -> None:
        require_known("action", self.action, [a.id for a in postmortem.actions], "action")

    def decide(self, postmortem: Postmortem, actor: str, at: datetime) -> list[Fact]:
        action = postmortem.action(self.action)
        if action is None or action.done_at is not None:
            return []
        return [ActionCompleted(action=self.action)]


class Close(PostmortemCommand):
    """Approved and nothing open: done."""

    name: ClassVar[str] = "close"
    description: ClassVar[str] = "Close the postmortem; approved, with no action open"
    # It may have closed by itself a moment ago: asking for what is so is no mistake.
    allowed: ClassVar[frozenset[PostmortemStatus]] = frozenset(
        {PostmortemStatus.APPROVED, PostmortemStatus.CLOSED}
    )

    def check(self, postmortem: Postmortem, actor: str) -> None:
        open_ids = [action.id for action in postmortem.open_actions()]
        if open_ids:
            raise TransitionError(
                self.name,
                postmortem.status,
                ["complete_action"],
                why=f"actions are still open: {', '.join(open_ids)}",
            )

    def decide(self, postmortem: Postmortem, actor: str, at: datetime) -> list[Fact]:
        return [] if postmortem.status is PostmortemStatus.CLOSED else [PostmortemClosed()]


POSTMORTEM_COMMANDS: dict[str, type[PostmortemCommand]] = {
    command.name: command for command in (Edit, Submit, Approve, AddAction, CompleteAction, Close)
}


def parse_postmortem_command(name: str, body: Any) -> tuple[PostmortemCommand, str]:
    """Read one JSON object with `actor` and the command's fields.

    Raises:
        CommandError: naming every field that is wrong.
    """
    command = POSTMORTEM_COMMANDS[name]
    if not isinstance(body, dict):
        detail = f"expected one JSON object, got {type(body).__name__}"
        raise CommandError(name, [Problem(where="", detail=detail)])
    actor = body.get("actor")
    if actor is not None and not is_plain(actor):
        raise CommandError(name, [Problem(where="/actor", detail="expected the key of a person")])
    key = body.get("key")
    if key is not None and not is_plain(key):
        detail = f"expected a string of at most {MAX_KEY_CHARS} characters"
        raise CommandError(name, [Problem(where="/key", detail=detail)])
    fields = {key: value for key, value in body.items() if key not in BESIDE}
    try:
        parsed = command.model_validate(fields)
    except ValidationError as error:
        raise CommandError(name, shape_problems(name, command, error)) from error
    return parsed, actor.strip() if actor and actor.strip() else OPERATOR


def check_postmortem(command: PostmortemCommand, postmortem: Postmortem, actor: str) -> None:
    """Everything that can be refused before anything happens. Raises IncidentError."""
    if postmortem.status not in command.allowed:
        allowed = [n for n, c in POSTMORTEM_COMMANDS.items() if postmortem.status in c.allowed]
        why = f"{command.name} is not possible while the postmortem is {postmortem.status}"
        raise TransitionError(command.name, postmortem.status, allowed, why=why)
    if actor != OPERATOR:
        postmortem.policy.require_person(actor, "actor")
    command.check(postmortem, actor)

"""What a command is: something that somebody asks, checked and decided into facts.

A command is a class with the fields of its body, the states it is allowed in, and `decide`. From its
registry line follow the update, the signal, the HTTP route and the CLI verb.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializeAsAny, ValidationError

from domain.access.claims import FIELD as CLAIM
from domain.aggregate import Fact
from domain.errors import ActorRequiredError, CommandError, Problem, TransitionError
from domain.incident import OPEN, Incident, Status
from domain.shape import shape_problems
from domain.timeline import OPERATOR

MAX_NOTE_BYTES = 16 * 1024
"""Longest free text of a command, in UTF-8 bytes; more is refused with 422."""
MAX_KEY_CHARS = 500
"""Longest key of a command: the last 200 are kept with their answers."""

BESIDE = ("actor", "key", CLAIM)
"""What stands in a body beside the fields of the command: who, under which key, and the API's word for it."""

WORKING = OPEN
OPEN_OR_RESOLVED = OPEN | {Status.RESOLVED}


class Command(BaseModel):
    """Base of all commands on an incident."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: ClassVar[str]
    description: ClassVar[str]
    """One line for the Temporal UI, the OpenAPI document and the CLI."""
    allowed: ClassVar[frozenset[Status]] = WORKING
    needs_person: ClassVar[bool] = False
    """Whether it is about the actor themself, so that the operator cannot do it."""

    def check(self, incident: Incident, actor: str) -> None:
        """Refuse what the state or the pinned policy does not allow.

        Raises:
            TransitionError: the state forbids it.
            UnknownNameError: a name that the policy does not have.
        """

    @abstractmethod
    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        """The facts that follow; empty when nothing changes."""


class Request(BaseModel):
    """A command as it arrived: who, under which key, and what."""

    command: SerializeAsAny[Command]
    actor: str
    key: str | None = None


def is_plain(text: Any) -> bool:
    """Whether something is a string that every database and every JSON can hold as a key."""
    if not isinstance(text, str) or len(text) > MAX_KEY_CHARS or "\x00" in text:
        return False
    # Half of a surrogate pair is no character: it cannot be written as UTF-8.
    return not any("\ud800" <= char <= "\udfff" for char in text)


def allowed_commands(status: Status, commands: Mapping[str, type[Command]]) -> list[str]:
    """Names of the commands that the state takes."""
    return sorted(name for name, command in commands.items() if status in command.allowed)


def parse_body(command: type[Command], body: Any) -> Request:
    """Read one JSON object with `actor`, an optional `key`, and the command's fields.

    Raises:
        CommandError: naming every field that is wrong, with what was expected.
        ActorRequiredError: a command about the actor, without one.
    """
    if not isinstance(body, dict):
        problem = Problem(where="", detail=f"expected one JSON object, got {type(body).__name__}")
        raise CommandError(command.name, [problem])
    fields = {name: value for name, value in body.items() if name not in BESIDE}
    problems = []
    actor, key = body.get("actor"), body.get("key")
    if actor is not None and (not is_plain(actor) or not actor.strip()):
        problems.append(Problem(where="/actor", detail="expected the key of a person"))
    if key is not None and not is_plain(key):
        detail = f"expected a string of at most {MAX_KEY_CHARS} characters"
        problems.append(Problem(where="/key", detail=detail))
    parsed: Command | None = None
    try:
        parsed = command.model_validate(fields)
    except ValidationError as error:
        problems.extend(shape_problems(command.name, command, error))
    if problems or parsed is None:
        raise CommandError(command.name, problems)
    who = str(actor).strip() if actor else OPERATOR
    if command.needs_person and who == OPERATOR:
        raise ActorRequiredError(command.name)
    return Request(command=parsed, actor=who, key=key or None)


def check_request(
    request: Request, incident: Incident, commands: Mapping[str, type[Command]]
) -> None:
    """Everything that can be refused before anything happens.

    Raises:
        TransitionError, UnknownNameError: see `Command.check`.
    """
    command = request.command
    if incident.status not in command.allowed:
        raise TransitionError(
            command.name, incident.status, allowed_commands(incident.status, commands)
        )
    if request.actor != OPERATOR:
        incident.policy.require_person(request.actor, "actor")
    command.check(incident, request.actor)


def limited(text: str) -> str:
    """Refuse a text over 16 KiB.

    Raises:
        ValueError: with the size.
    """
    size = len(text.encode())
    if size > MAX_NOTE_BYTES:
        raise ValueError(f"at most {MAX_NOTE_BYTES} bytes of UTF-8, got {size}")
    return text

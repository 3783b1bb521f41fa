"""A declaration as it arrives at the desk: the shape first, the names once the policy is at hand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from domain.access.claims import Presented, presented
from domain.commands.base import BESIDE, MAX_KEY_CHARS, is_plain
from domain.errors import CommandError, Problem
from domain.names import require_known
from domain.policy.slice import PolicySlice
from domain.raising import Declare
from domain.shape import shape_problems
from domain.timeline import OPERATOR


class Declaration(BaseModel):
    """Who declares what, under which key."""

    body: dict[str, Any]
    """The fields of `Declare` that were given."""
    actor: str
    key: str | None = None
    shown: Presented = Presented()
    """What it shows for itself, until the desk decides it."""

    def check(self, policy: PolicySlice) -> None:
        """Refuse names that the policy does not have.

        Raises:
            UnknownNameError: naming the near matches.
        """
        if self.actor != OPERATOR:
            policy.require_person(self.actor, "actor")
        severity = self.body.get("severity")
        if severity is not None:
            require_known("severity", severity, policy.severities, "severity")
        kind = self.body.get("type")
        if kind is not None:
            # A typo in `security` must not make it public by following the default process.
            require_known("type", kind, policy.types, "type")


def parse_declaration(body: Any, service: str | None = None) -> Declaration:
    """Read one JSON object with `actor`, an optional `key`, and the fields of `Declare`.

    Args:
        service: the desk's service; a body that names another is refused, one that names none is for it.

    Raises:
        CommandError: naming every field that is wrong.
    """
    if not isinstance(body, dict):
        detail = f"expected one JSON object, got {type(body).__name__}"
        raise CommandError("declare", [Problem(where="", detail=detail)])
    fields = {name: value for name, value in body.items() if name not in BESIDE}
    if service is not None:
        fields.setdefault("service", service)
    problems = [
        Problem(where=f"/{name}", detail=f"expected a string of at most {MAX_KEY_CHARS} characters")
        for name in ("actor", "key")
        if body.get(name) is not None and not is_plain(body[name])
    ]
    declare: Declare | None = None
    try:
        declare = Declare.model_validate(fields)
    except ValidationError as error:
        problems.extend(shape_problems("declare", Declare, error))
    if declare is not None and service is not None and declare.service != service:
        detail = f"this is the desk of {service!r}, not of {declare.service!r}"
        problems.append(Problem(where="/service", detail=detail))
    if problems or declare is None:
        raise CommandError("declare", problems)
    actor, key = body.get("actor"), body.get("key")
    return Declaration(
        body=declare.model_dump(mode="json", exclude_none=True),
        actor=str(actor).strip() if actor else OPERATOR,
        key=key or None,
        shown=presented(body),
    )

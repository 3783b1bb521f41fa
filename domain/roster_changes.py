"""What may be asked of the roster, and how it is read. Whether it can be done is `roster_judging.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from domain.commands.base import BESIDE
from domain.errors import CommandError, Problem
from domain.shape import shape_problems
from domain.timeline import OPERATOR


def _refuse_number(value: Any) -> Any:
    if isinstance(value, str | datetime):
        return value
    raise ValueError(f"{value!r} is not a time such as 2026-12-24T18:00")


Time = Annotated[datetime, BeforeValidator(_refuse_number)]
"""Wall time of the schedule's zone; with an offset it means that instant."""


class RosterChange(BaseModel):
    """Something asked of the roster."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: ClassVar[str]
    description: ClassVar[str]


class AddOverride(RosterChange):
    """Put somebody on call, or take somebody off, for a while."""

    name: ClassVar[str] = "add_override"
    description: ClassVar[str] = "Put somebody on call, or take somebody off, for a while"

    schedule: str
    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    person: str | None
    instead_of: str | None = None
    also: bool = False


class RemoveOverride(RosterChange):
    """Take an override or a temporary schedule back; a swap goes as a whole."""

    name: ClassVar[str] = "remove_override"
    description: ClassVar[str] = "Take an override, a swap or a temporary schedule back"

    id: str


class Swap(RosterChange):
    """Two people take each other's turns.

    Without `return_from` and `return_to` both in the same time; with them the one takes the other's
    turn between `from` and `to`, and the other way round between those.
    """

    name: ClassVar[str] = "swap"
    description: ClassVar[str] = "Two people take each other's turns"

    schedule: str
    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    person: str
    partner: str = Field(alias="with")
    return_from: Time | None = None
    return_to: Time | None = None


class ShiftWanted(BaseModel):
    """One shift of a temporary schedule."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    person: str


class AddTemporary(RosterChange):
    """Replace everything in a schedule for a while by fixed shifts."""

    name: ClassVar[str] = "add_temporary"
    description: ClassVar[str] = "Replace everything in a schedule for a while by fixed shifts"

    schedule: str
    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    shifts: list[ShiftWanted] = Field(max_length=500)


class SetContact(RosterChange):
    """Switch a person's contacts of one channel off, or on again."""

    name: ClassVar[str] = "set_contact"
    description: ClassVar[str] = "Switch a person's contacts of one channel on or off"

    person: str
    channel: str
    enabled: bool


ROSTER_CHANGES: Mapping[str, type[RosterChange]] = {
    change.name: change for change in (AddOverride, RemoveOverride, Swap, AddTemporary, SetContact)
}


def parse_change(name: str, body: Any) -> tuple[RosterChange, str, str | None]:
    """The change, who asks for it, and under which key.

    Raises:
        CommandError: naming every field that is wrong. Not retried.
    """
    if not isinstance(body, dict):
        problem = Problem(where="", detail="expected one JSON object")
        raise CommandError(name, [problem])
    fields = {field: value for field, value in body.items() if field not in BESIDE}
    actor, key = body.get("actor") or OPERATOR, body.get("key")
    for field, value in (("actor", actor), ("key", key or "")):
        if not isinstance(value, str) or len(value) > 500:
            raise CommandError(name, [Problem(where=f"/{field}", detail="expected a short text")])
    try:
        change = ROSTER_CHANGES[name].model_validate(fields)
    except ValidationError as error:
        raise CommandError(name, shape_problems(name, ROSTER_CHANGES[name], error)) from None
    return change, actor, key

"""Making and ending a maintenance window at run time: the request's shape, and what it comes to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.access.claims import Presented, presented
from domain.commands.base import BESIDE, MAX_KEY_CHARS, is_plain
from domain.commands.texts import Instant, ShortText
from domain.errors import CommandError, Problem
from domain.maintenance import Window, not_over
from domain.names import require_known
from domain.shape import shape_problems
from domain.timeline import OPERATOR

ADD, REMOVE = "add_maintenance", "remove_maintenance"
LONGEST = timedelta(days=31)
"""Of a window made at run time: a service must not go silent for ever by a slip of the keyboard."""
AHEAD = timedelta(days=366)
WINDOWS_KEPT = 100
"""Windows made at run time that a desk holds at once."""


class AddMaintenance(BaseModel):
    """What somebody says to begin a window: until when, or for how many minutes, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    start: Instant | None = Field(None, alias="from", description="Left out: now")
    end: Instant | None = Field(None, alias="to", description="Either this or `minutes`")
    minutes: int | None = Field(None, ge=1, le=int(LONGEST.total_seconds() // 60))
    reason: ShortText
    public_text: str = Field("", max_length=2000, description="What the status page says of it")


class RemoveMaintenance(BaseModel):
    """Which window ends now."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    id: ShortText


class MaintenanceRequest(BaseModel):
    """A request as it reached the desk: who, under which key, and what."""

    add: AddMaintenance | None = None
    remove: RemoveMaintenance | None = None
    actor: str = OPERATOR
    key: str | None = None
    shown: Presented = Presented()
    """What it shows for itself."""


def parse_maintenance(name: str, body: Any) -> MaintenanceRequest:
    """Read the one JSON object of `add_maintenance` or `remove_maintenance`.

    Raises:
        CommandError: naming every field that is wrong.
    """
    if not isinstance(body, dict):
        detail = f"expected one JSON object, got {type(body).__name__}"
        raise CommandError(name, [Problem(where="", detail=detail)])
    fields = {key: value for key, value in body.items() if key not in (*BESIDE, "service")}
    problems = [
        Problem(
            where=f"/{field}", detail=f"expected a string of at most {MAX_KEY_CHARS} characters"
        )
        for field in ("actor", "key")
        if body.get(field) is not None and not is_plain(body[field])
    ]
    is_adding = name == ADD
    model: type[BaseModel] = AddMaintenance if is_adding else RemoveMaintenance
    found: Any = None
    try:
        found = model.model_validate(fields)
    except ValidationError as error:
        problems += shape_problems(name, model, error)
    if isinstance(found, AddMaintenance) and (found.end is None) == (found.minutes is None):
        problems.append(Problem(where="/to", detail="say either `to` or `minutes`"))
    if problems:
        raise CommandError(name, problems)
    return MaintenanceRequest(
        add=found if is_adding else None,
        remove=None if is_adding else found,
        actor=str(body.get("actor") or OPERATOR).strip(),
        key=body.get("key") or None,
        shown=presented(body),
    )


def span_of(request: AddMaintenance, now: datetime) -> tuple[datetime, datetime]:
    """From when to when.

    Raises:
        CommandError: it ends before it begins, is over, is too long, or lies too far ahead.
    """
    start = request.start or now
    end = request.end or start + timedelta(minutes=request.minutes or 0)
    detail = ""
    if end <= start:
        detail = "the window ends before it begins"
    elif end <= now:
        detail = "the window is over already"
    elif end - start > LONGEST:
        detail = f"a window lasts at most {LONGEST.days} days; the policy may hold a longer one"
    elif start - now > AHEAD:
        detail = f"a window begins at most {AHEAD.days} days ahead"
    if detail:
        raise CommandError(ADD, [Problem(where="/to", detail=detail)])
    return start, end


class MadeWindows(BaseModel):
    """The windows that one desk holds; part of what it carries from run to run."""

    windows: list[Window] = []
    count: int = 0
    """How many were ever made: their numbers are not given twice."""

    def add(self, request: MaintenanceRequest, now: datetime) -> Window:
        """Begin a window.

        Raises:
            CommandError: the span is none, or there are too many windows already.
        """
        if request.add is None:
            raise CommandError(ADD, [Problem(where="", detail="is no request for a window")])
        start, end = span_of(request.add, now)
        self.windows = not_over(self.windows, now)
        if len(self.windows) >= WINDOWS_KEPT:
            detail = (
                f"{WINDOWS_KEPT} windows stand already: remove some, or put them into the policy"
            )
            raise CommandError(ADD, [Problem(where="", detail=detail)])
        self.count += 1
        window = Window(
            id=f"m{self.count}",
            start=start,
            end=end,
            reason=request.add.reason,
            by=request.actor,
            public_text=request.add.public_text,
        )
        self.windows.append(window)
        return window

    def remove(self, request: MaintenanceRequest, now: datetime) -> Window:
        """End a window now, or take back one that has not begun.

        Raises:
            UnknownNameError: there is none of that id, with the near ones.
        """
        wanted = request.remove.id if request.remove is not None else ""
        self.windows = not_over(self.windows, now)
        require_known("maintenance window", wanted, [w.id for w in self.windows], "id")
        (gone,) = (w for w in self.windows if w.id == wanted)
        self.windows = [w for w in self.windows if w.id != wanted]
        return gone

"""Calendars that a policy names as files: read with the policy, and part of it from then on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from domain.errors import Problem
from domain.policy.model import Policy
from domain.policy.tolerant import entries, section
from records.calendar_feeds import (
    MAX_BYTES,
    ReadCalendar,
    names_for,
    read_calendar,
    span_of_years,
)

SHOWN = 3
_ANY_YEARS = range(2026, 2027)
"""For finding out whether a file can be read at all."""


def calendar_problems(raw: dict[str, Any], folder: Path) -> Iterator[Problem]:
    """Every calendar file that cannot be read. Tolerant of broken shape.

    Args:
        folder: where the paths are seen from.
    """
    for where, schedule in entries(raw, "schedules"):
        file = section(schedule, "calendar").get("file")
        if not isinstance(file, str):
            continue
        place = f"{where}.calendar.file"
        try:
            data = _data(folder / file)
            read_calendar(data, {}, ZoneInfo("UTC"), *span_of_years(_ANY_YEARS))
        except OSError as error:
            detail = f"{file!r} cannot be read: {error.strerror or error}"
            yield Problem(where=place, detail=detail)
        except ValueError as error:
            yield Problem(where=place, detail=f"{file!r} cannot be used: {error}")


def with_calendar_files(policy: Policy, folder: Path, years: range) -> tuple[Policy, list[Problem]]:
    """The policy with the shifts of its calendar files, and a warning for events that name nobody."""
    schedules = dict(policy.schedules)
    warnings: list[Problem] = []
    for name, schedule in policy.schedules.items():
        calendar = schedule.calendar
        if calendar is None or calendar.file is None:
            continue
        names, zone = names_for(policy, calendar.people), ZoneInfo(schedule.timezone)
        data = _data(folder / calendar.file)
        read = read_calendar(data, names, zone, *span_of_years(years))
        filled = calendar.model_copy(update={"shifts": read.shifts})
        schedules[name] = schedule.model_copy(update={"calendar": filled})
        warnings += _warnings(f"schedules.{name}.calendar", read)
    return policy.model_copy(update={"schedules": schedules}), warnings


def _warnings(where: str, read: ReadCalendar) -> Iterator[Problem]:
    if read.strangers:
        shown = ", ".join(repr(title) for title in read.strangers[:SHOWN])
        more = f" and {len(read.strangers) - SHOWN} more" if len(read.strangers) > SHOWN else ""
        detail = f"holds events that name nobody of the policy: {shown}{more}; map them in people:"
        yield Problem(where=f"{where}.people", detail=detail, warning=True)
    if not read.shifts:
        detail = "puts nobody on call in these years"
        yield Problem(where=where, detail=detail, warning=True)


def _data(file: Path) -> bytes:
    if file.exists() and not file.is_file():
        raise ValueError("it is not a regular file")
    with file.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)

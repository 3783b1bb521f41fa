"""Types of the fields that people fill in with words and times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from domain.commands.base import limited


def _aware(at: datetime) -> datetime:
    """A time without a zone is UTC.

    Raises:
        ValueError: at the ends of the calendar, where a change of zone is no time any more.
    """
    if not 1970 <= at.year <= 2999:
        raise ValueError("must lie between the years 1970 and 2999")
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _printable(text: str) -> str:
    """NUL cannot be stored by PostgreSQL and means nothing in a text."""
    if "\x00" in text:
        raise ValueError("must not hold a NUL character")
    return text


Text = Annotated[
    str, StringConstraints(min_length=1), AfterValidator(_printable), AfterValidator(limited)
]
"""Free text of a person: not empty, at most 16 KiB of UTF-8."""

ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(_printable)
]
"""A line: a summary, a target, a name."""

Instant = Annotated[datetime, AfterValidator(_aware)]
"""A time; without a zone it is UTC."""

"""What people type and the wire wants: times, durations, names in kebab-case, text from stdin."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import typer

KINDS = ("duplicate", "related", "support_case", "ticket", "video", "article")
FACTORS = ("security", "social_media", "data_loss")
ROLES = (
    "incident_manager",
    "tech_lead",
    "communications_manager",
    "customer_support_lead",
    "social_media_lead",
    "problem_manager",
    "investigation_board",
)
FORMS = "2026-11-24T02:10+01:00, 14:05 or 10m ago"
PLANS = "2026-12-24T18:00, 14:05 or 7d (from now)"
_LENGTH = re.compile(r"(in\s+|\+|-)?((?:\d+[smhd])+)(\s+ago)?")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def to_wire(word: str, known: Iterable[str]) -> str:
    """`support-case` as `support_case`, where that is a known word; any other stays as it is."""
    snake = word.strip().replace("-", "_").lower()
    return snake if snake in known else word


def role(word: str) -> str:
    return to_wire(word, ROLES)


def kind(word: str) -> str:
    """Read the kind of a link.

    Raises:
        typer.BadParameter: naming the kinds.
    """
    found = to_wire(word, KINDS)
    if found not in KINDS:
        kinds = ", ".join(known.replace("_", "-") for known in KINDS)
        raise typer.BadParameter(f"{word!r} is not one of {kinds}")
    return found


def factor(word: str) -> str:
    return to_wire(word, FACTORS)


def text(given: str) -> str:
    """The text itself, or what stands on stdin for `-`.

    Raises:
        typer.BadParameter: it is empty.
    """
    found = sys.stdin.read() if given == "-" else given
    if not found.strip():
        raise typer.BadParameter("must not be empty")
    return found.strip()


def past(given: str) -> str:
    """A time that has been, as the wire wants it: the last 14:05, or `10m` ago."""
    return wire(parse_time(given, datetime.now().astimezone(), is_past=True))


def coming(given: str) -> str:
    """A time of a plan, as the wire wants it: today's 14:05, or `7d` from now."""
    return wire(parse_time(given, datetime.now().astimezone(), is_past=False))


def planned(given: str) -> str:
    """A time of a plan in a zone that the API knows: an instant on the wire, else wall time as it is said.

    Raises:
        typer.BadParameter: naming the accepted forms.
    """
    at = coming(given)
    said = given.strip()
    if _CLOCK.fullmatch(said):
        return said
    if _LENGTH.fullmatch(said):
        return at
    wall = datetime.fromisoformat(said)
    return at if wall.tzinfo else wall.isoformat(timespec="minutes")


def is_clock(said: str | None) -> bool:
    """Whether it is a time of day: then somebody has to know which day it is there."""
    return said is not None and _CLOCK.fullmatch(said) is not None


def on_day(said: str, now: datetime) -> str:
    """`18:00` with the day that it is where `now` is; anything else as it is."""
    if not is_clock(said):
        return said
    at = time.fromisoformat(said.zfill(5) if said.count(":") == 1 else said.zfill(8))
    return datetime.combine(now.date(), at).isoformat(timespec="minutes")


def parse_time(given: str, now: datetime, *, is_past: bool) -> datetime:
    """Read a time as a person types it, seen from `now` in its zone.

    Raises:
        typer.BadParameter: naming the accepted forms.
    """
    said = given.strip()
    try:
        if (found := _LENGTH.fullmatch(said)) and not (found[1] and found[3]):
            is_back = found[1] == "-" or bool(found[3]) or (is_past and not found[1])
            return now - _length(found[2]) if is_back else now + _length(found[2])
        if _CLOCK.fullmatch(said):
            return _clock(said, now, is_past=is_past)
        at = datetime.fromisoformat(said)
        return at if at.tzinfo else _local(at, now)
    except (ValueError, OverflowError):
        forms = FORMS if is_past else PLANS
        raise typer.BadParameter(f"{given!r} is not a time such as {forms}") from None


def _length(said: str) -> timedelta:
    parts = re.findall(r"(\d+)([smhd])", said)
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))


def _clock(said: str, now: datetime, *, is_past: bool) -> datetime:
    at = time.fromisoformat(said.zfill(5) if said.count(":") == 1 else said.zfill(8))
    today = _local(datetime.combine(now.date(), at), now)
    # At ten past midnight, 23:55 is what just was, not what comes in a day.
    yesterday = _local(datetime.combine(now.date() - timedelta(days=1), at), now)
    return yesterday if is_past and today > now else today


def _local(at: datetime, now: datetime) -> datetime:
    """Wall time of `now`'s zone; the machine's zone knows the offset of that day by itself."""
    return at.replace(tzinfo=now.tzinfo) if isinstance(now.tzinfo, ZoneInfo) else at.astimezone()


def wire(at: datetime) -> str:
    """RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

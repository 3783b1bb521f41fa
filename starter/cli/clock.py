"""Times as people read them at night: the local clock, UTC beside it, and how long until or since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def read(wire: object) -> datetime | None:
    """The instant of a wire time; None for what is none."""
    if not isinstance(wire, str):
        return None
    try:
        at = datetime.fromisoformat(wire)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def local(at: datetime) -> datetime:
    return at.astimezone()


def is_utc_here(at: datetime) -> bool:
    """Whether the local clock shows UTC at that time."""
    return local(at).utcoffset() == timedelta(0)


def both(wire: object, now: datetime) -> str:
    """`02:14 CET (01:14 UTC)`, with the date where it is not today's."""
    at = read(wire)
    if at is None:
        return str(wire or "unknown")
    here = local(at)
    day = "" if here.date() == local(now).date() else f"{here:%a %d %b} "
    if is_utc_here(at):
        return f"{day}{here:%H:%M} UTC"
    return f"{day}{here:%H:%M %Z} ({at.astimezone(UTC):%H:%M} UTC)"


def span(length: timedelta) -> str:
    """`45 s`, `23 min`, `3 h 05 min`, `2 d 4 h`."""
    seconds = int(abs(length).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60:02} min"
    return f"{days} d {hours % 24} h"


def since(wire: object, now: datetime) -> str:
    """`23 min ago`; nothing for an unknown time."""
    at = read(wire)
    return f"{span(now - at)} ago" if at else ""


def due(wire: object, now: datetime) -> tuple[str, bool]:
    """`in 4 min` or `OVERDUE by 3 min`, and whether it is overdue."""
    at = read(wire)
    if at is None:
        return "", False
    return (f"OVERDUE by {span(now - at)}", True) if at < now else (f"in {span(at - now)}", False)

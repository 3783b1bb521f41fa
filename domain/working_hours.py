"""Working hours: whether an instant is inside them, and when they begin next.

For severities that page only in working hours. Hours over midnight belong to the day on which they
begin, like the windows of a schedule.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from domain.policy.model import WorkingHours
from domain.wall_clock import Span, as_utc, dates_around, windows

_DAYS_AHEAD = 15
"""A week holds the next window; two hold it though a change of the date line skips a day."""


def in_working_hours(hours: WorkingHours, zone: str, at: datetime) -> bool:
    """Whether `at` is inside the working hours of `zone`; their end is outside.

    Raises:
        ValueError: `at` is naive.
        ZoneInfoNotFoundError: the zone does not exist on this machine.
    """
    return any(as_utc(at) in window for window in _windows(hours, zone, at))


def next_working_start(hours: WorkingHours, zone: str, at: datetime) -> datetime:
    """When working hours begin next, in UTC; `at` itself when inside.

    Hours without any day never begin: then `at` too, for a page must not wait for ever.

    Raises:
        ValueError, ZoneInfoNotFoundError: as `in_working_hours`.
    """
    at = as_utc(at)
    ahead = (window.start for window in _windows(hours, zone, at) if window.until > at)
    return max(next(ahead, at), at)


def _windows(hours: WorkingHours, zone: str, at: datetime) -> list[Span]:
    place = ZoneInfo(zone)
    dates = dates_around(as_utc(at), place, 3, _DAYS_AHEAD)
    return windows(hours.days, hours.start, hours.end, place, dates)

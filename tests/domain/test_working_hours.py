"""Working hours: inside or outside, and when the next ones begin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.policy.model import WorkingHours
from domain.working_hours import in_working_hours, next_working_start

BERLIN = "Europe/Berlin"
OFFICE: dict[str, Any] = {}
NIGHT = {"days": ["mon-fri"], "from": "22:00", "to": "06:00"}
ALWAYS = {"days": ["mon-sun"], "from": "00:00", "to": "24:00"}
SUNDAY = {"days": ["sunday"], "from": "02:10", "to": "02:50"}
FRIDAY = {"days": ["friday"]}


def local(text: str, zone: str = BERLIN) -> datetime:
    """An instant, from wall time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("hours", "zone", "at", "start"),
    [
        (OFFICE, BERLIN, "2026-01-05T08:59", "2026-01-05T09:00"),
        (OFFICE, BERLIN, "2026-01-05T09:00", None),
        (OFFICE, BERLIN, "2026-01-05T16:59:59", None),
        (OFFICE, BERLIN, "2026-01-05T17:00", "2026-01-06T09:00"),
        (OFFICE, BERLIN, "2026-01-09T17:00", "2026-01-12T09:00"),
        (OFFICE, BERLIN, "2026-03-28T12:00", "2026-03-30T09:00"),
        (OFFICE, "America/New_York", "2026-10-31T12:00", "2026-11-02T09:00"),
        (NIGHT, BERLIN, "2026-01-10T05:59", None),
        (NIGHT, BERLIN, "2026-01-10T06:00", "2026-01-12T22:00"),
        (NIGHT, BERLIN, "2026-01-12T05:59", "2026-01-12T22:00"),
        (ALWAYS, BERLIN, "2026-01-11T03:00", None),
        (SUNDAY, BERLIN, "2026-03-28T12:00", "2026-04-05T02:10"),  # 29 March skips the window
        (FRIDAY, "Pacific/Apia", "2011-12-24T12:00", "2012-01-06T09:00"),  # no 30 December there
    ],
)
def test_working_hours(hours: dict[str, Any], zone: str, at: str, start: str | None) -> None:
    """Inside, work begins now; outside, at the next opening by the wall clock of the zone."""
    instant, given = local(at, zone), WorkingHours.model_validate(hours)
    assert in_working_hours(given, zone, instant) is (start is None)
    expected = instant if start is None else local(start, zone)
    found = next_working_start(given, zone, instant)
    assert (found, found.tzinfo) == (expected, UTC)


def test_hours_without_days_hold_nothing_back() -> None:
    """Where no day is a working day a page goes out now instead of waiting for ever."""
    hours, at = WorkingHours.model_validate({"days": []}), local("2026-01-05T12:00")
    assert not in_working_hours(hours, BERLIN, at)
    assert next_working_start(hours, BERLIN, at) == at


def test_naive_instant_is_refused() -> None:
    """An instant without zone would mean the machine's, so it is refused."""
    with pytest.raises(ValueError, match="no zone"):
        in_working_hours(WorkingHours(), BERLIN, datetime(2026, 1, 5, 9))  # noqa: DTZ001

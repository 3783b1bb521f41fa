"""Uptime: how much of each day a component was down, by what was published."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.status_page.states import ComponentStatus as S
from domain.status_page.uptime import Span, last_days, uptime

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def span(start: datetime, hours: float, status: S = S.MAJOR_OUTAGE) -> Span:
    return Span(start, start + hours * HOUR, status)


def test_days_are_those_of_the_pages_zone() -> None:
    """Midnight is wall time, also on the day that has 25 hours."""
    days = last_days(datetime(2026, 10, 25, 22, 30, tzinfo=UTC), 2, BERLIN)
    assert [one.day for one in days] == [date(2026, 10, 24), date(2026, 10, 25)]
    assert days[1].start == datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    (tomorrow,) = last_days(datetime(2026, 10, 25, 23, 30, tzinfo=UTC), 1, BERLIN)
    assert tomorrow.start - days[1].start == 25 * HOUR


def test_nothing_happened() -> None:
    """A hundred per cent, and no day to speak of."""
    assert uptime([], last_days(NOON, 90, BERLIN), NOON) == (100.0, ())


@pytest.mark.parametrize(
    ("status", "percent"),
    [(S.MAJOR_OUTAGE, 90.0), (S.PARTIAL_OUTAGE, 97.0), (S.DEGRADED, 100.0)],
)
def test_how_much_a_minute_counts(status: S, percent: float) -> None:
    """Down counts whole, down in part three tenths, slow not at all; a day with any is marked."""
    days = last_days(NOON, 10, ZoneInfo("UTC"))
    at = days[0].start + 100 * HOUR
    found = uptime([span(days[0].start, 10, status)], days[:5], at)
    assert found.percent == pytest.approx(percent)
    assert [(one.status, one.minutes) for one in found.days] == [(status, 600)]


def test_two_at_once_count_once_and_the_worst_wins() -> None:
    """An outage inside of a degradation takes only its own minutes."""
    days = last_days(NOON, 2, ZoneInfo("UTC"))
    spans = [span(days[0].start, 10, S.DEGRADED), span(days[0].start + HOUR, 1), *[
        span(days[0].start + HOUR, 1, S.PARTIAL_OUTAGE)
    ]]  # fmt: skip
    found = uptime(spans, days, days[0].start + 20 * HOUR)
    assert found.percent == 95.0
    assert [(one.status, one.minutes) for one in found.days] == [(S.MAJOR_OUTAGE, 600)]


def test_over_midnight() -> None:
    """Each day has its own part."""
    days = last_days(NOON, 3, BERLIN)
    found = uptime([span(days[1].start - HOUR, 3)], days, NOON)
    assert [(one.position, one.minutes) for one in found.days] == [(0, 60), (1, 120)]


def test_what_lies_outside_is_left_out() -> None:
    """Before the first day, and what has not been yet."""
    days = last_days(NOON, 2, BERLIN)
    before, after = span(days[0].start - 9 * HOUR, 8), span(NOON + HOUR, 1)
    assert uptime([before, after], days, NOON) == (100.0, ())


def test_a_short_outage_is_not_rounded_away() -> None:
    """One second in ninety days is less than a hundred per cent, and its day is marked."""
    days = last_days(NOON, 90, BERLIN)
    found = uptime([span(NOON - HOUR, 1 / 3600)], days, NOON)
    assert found.percent == 99.99
    assert [one.minutes for one in found.days] == [1]

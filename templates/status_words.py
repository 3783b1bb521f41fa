"""Times, lengths and bars of the status page, as people read them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from domain.status_page.page import Component
from domain.status_page.states import ComponentStatus
from domain.status_page.uptime import TroubledDay
from templates.filters import spoken

WIDTH = 10
"""Of one day's bar in the picture's own units, with the gap around it; its height stands in the style."""
MOST_NAMED = 20
STATES = {
    ComponentStatus.OPERATIONAL: "Operational",
    ComponentStatus.UNDER_MAINTENANCE: "Under maintenance",
    ComponentStatus.DEGRADED: "Degraded performance",
    ComponentStatus.PARTIAL_OUTAGE: "Partial outage",
    ComponentStatus.MAJOR_OUTAGE: "Major outage",
}


def stamp(at: datetime, zone: ZoneInfo) -> str:
    """`28 Nov 2026, 14:07 CET`."""
    there = at.astimezone(zone)
    return f"{there.day} {there:%b %Y, %H:%M %Z}"


def from_to(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """`28 Nov 2026, 14:07 – 15:20 CET`, with both dates where they differ."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    if first.date() != last.date():
        return f"{stamp(start, zone)} – {stamp(end, zone)}"
    return f"{first.day} {first:%b %Y, %H:%M} – {last:%H:%M %Z}"


def bars(component: Component) -> Markup:
    """The troubled days as bars over those of the good ones, which lie below: one rectangle for each.

    A page of fifty components holds hundreds of these, so they are written as short as SVG allows.
    """
    return Markup("").join(_bar(day) for day in component.uptime.days)


def _bar(one: TroubledDay) -> Markup:
    said = f"{_day(one.day)}: {STATES[one.status].lower()}, {spoken(one.minutes)}"
    bar = "<rect x={} class=b{}><title>{}</title></rect>"
    return Markup(bar).format(one.position * WIDTH + 1, one.status.badness, said)


def days_said(component: Component, count: int) -> str:
    """The bars for whoever cannot see them."""
    percent, days = component.uptime
    said = f"{component.name}, last {count} days: {percent:.2f} % uptime"
    if not days:
        return f"{said}, no day with trouble"
    named = [_day(one.day) for one in days[-MOST_NAMED:]]
    earlier = f"{len(days) - len(named)} earlier days and " if len(days) > len(named) else ""
    return f"{said}, trouble on {earlier}{', '.join(named)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"

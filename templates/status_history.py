"""How the status page puts its parts together: blocks of components, the last days, months of history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.status_page.incidents import PublicIncident
from domain.status_page.page import Component, Group, StatusPageModel

RECENT_DAYS = 14
MOST_RECENT = 20
"""Ended incidents on the first page."""


class Block(NamedTuple):
    """Components under one heading, or under none."""

    group: Group | None
    components: list[Component]


class Days(NamedTuple):
    """One day with incidents, or several in a row without."""

    label: str
    incidents: list[PublicIncident]


class Month(NamedTuple):
    """What began in one month."""

    label: str
    path: str
    days: list[Days]


def blocks(page: StatusPageModel) -> list[Block]:
    """Groups in their order, then everything that stands in none."""
    found = [
        Block(group, [one for one in page.components if one.group == group.id])
        for group in page.groups
    ]
    alone = [one for one in page.components if one.group is None]
    return [*found, Block(None, alone)] if alone else found


def recent(page: StatusPageModel, zone: ZoneInfo) -> list[Days]:
    """The last two weeks, today first; days without an incident in a row are one."""
    ended: dict[date, list[PublicIncident]] = {}
    for one in page.ended[:MOST_RECENT]:
        ended.setdefault(one.started_at.astimezone(zone).date(), []).append(one)
    days = [day.day for day in page.days[-RECENT_DAYS:]][::-1]
    return list(_runs(days, ended))


def _runs(days: Sequence[date], ended: dict[date, list[PublicIncident]]) -> Iterator[Days]:
    quiet: list[date] = []
    for day in days:
        if day not in ended:
            quiet.append(day)
            continue
        if quiet:
            yield Days(_span(quiet), [])
            quiet = []
        yield Days(_day(day), ended[day])
    if quiet:
        yield Days(_span(quiet), [])


def months(page: StatusPageModel) -> list[Month]:
    """The months that have incidents, the latest first; the current one always."""
    zone = ZoneInfo(page.timezone)
    found: dict[date, dict[date, list[PublicIncident]]] = {page.days[-1].day.replace(day=1): {}}
    for one in page.incidents:
        day = one.started_at.astimezone(zone).date()
        found.setdefault(day.replace(day=1), {}).setdefault(day, []).append(one)
    return [
        Month(
            f"{first:%B %Y}",
            f"history/{first:%Y-%m}.html" if position else "history.html",
            [Days(_day(day), inside) for day, inside in sorted(days.items(), reverse=True)],
        )
        for position, (first, days) in enumerate(sorted(found.items(), reverse=True))
    ]


def _span(days: Sequence[date]) -> str:
    """Latest first in, earliest first out: `12 – 18 Nov 2026`."""
    last, first = days[0], days[-1]
    if first == last:
        return _day(first)
    same = (first.year, first.month) == (last.year, last.month)
    begin = f"{first.day}" if same else f"{first.day} {first:%b}"
    return f"{begin} – {_day(last)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"

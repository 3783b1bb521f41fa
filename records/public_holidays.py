"""Public holidays of a country, filled into a policy's schedules from the `holidays` package."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

import holidays
from holidays.registry import COUNTRIES

from domain.errors import Problem
from domain.names import nearest
from domain.policy.model import Policy
from domain.policy.tolerant import entries, section


@cache
def _calendars() -> dict[str, list[str]]:
    """Every country code with its subdivisions."""
    return holidays.list_supported_countries(include_aliases=True)


@cache
def _country_names() -> dict[str, str]:
    """What people write instead of a code: `Germany` and `DEU` to `DE`."""
    return {
        name: codes[1]
        for codes in COUNTRIES.values()
        for name in (codes[0], codes[1], codes[2])
        if codes[1] in _calendars()
    }


def holiday_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    """Every country and subdivision that has no calendar. Tolerant of broken shape."""
    for where, schedule in entries(raw, "schedules"):
        named = section(schedule, "holidays")
        country, subdivision = named.get("country"), named.get("subdivision")
        if not isinstance(country, str):
            if named and country is None and not named.get("dates"):
                detail = "which days? give a country such as country: DE, a list of dates, or both"
                yield Problem(where=f"{where}.holidays", detail=detail)
            elif country is None and subdivision is not None:
                detail = "a subdivision of which country? give country: as well"
                yield Problem(where=f"{where}.holidays.subdivision", detail=detail)
            continue
        if country not in _calendars():
            known = _country_names()
            near = (country,) if country in known else nearest(country, known)
            codes = tuple(dict.fromkeys(known[name] for name in near))
            detail = f"unknown country {country!r}: write its two-letter code, such as DE"
            yield Problem(where=f"{where}.holidays.country", detail=detail, near=codes)
        elif isinstance(subdivision, str) and subdivision not in _calendars()[country]:
            yield _unknown_subdivision(f"{where}.holidays.subdivision", country, subdivision)


def _unknown_subdivision(where: str, country: str, subdivision: str) -> Problem:
    known = _calendars()[country]
    near = nearest(subdivision, known)
    detail = f"unknown subdivision {subdivision!r} of {country}"
    if not near:
        detail += f"; known: {', '.join(known[:20]) or 'none'}"
    return Problem(where=where, detail=detail, near=near)


def with_holidays(policy: Policy, years: range) -> Policy:
    """The policy with the dates of its schedules' holidays; dates that it names itself stay."""
    schedules = dict(policy.schedules)
    for key, schedule in policy.schedules.items():
        if schedule.holidays is None or schedule.holidays.country is None:
            continue
        known = _dates(schedule.holidays.country, schedule.holidays.subdivision, years)
        dates = sorted({*known, *schedule.holidays.dates})
        filled = schedule.holidays.model_copy(update={"dates": dates})
        schedules[key] = schedule.model_copy(update={"holidays": filled})
    return policy.model_copy(update={"schedules": schedules})


def _dates(country: str, subdivision: str | None, years: range) -> list[date]:
    return list(holidays.country_holidays(country, subdiv=subdivision, years=years))

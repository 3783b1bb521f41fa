"""Single values of a policy that are well formed and yet cannot be meant: keys, contacts, spans.

Works on the parsed file, whatever its shape.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

from domain.errors import Problem
from domain.policy.contact_formats import format_problem
from domain.policy.integrations import integration_problems
from domain.policy.reachable import rule_problems, throttle_problems
from domain.policy.references import unknown
from domain.policy.tolerant import Raw, contacts, entries, mappings, section, text, texts

SERVICE_KEY = re.compile(r"[a-z0-9][a-z0-9-]*")
KEY = re.compile(r"[^\s/:]+")
FEED = re.compile(r"(https?://[^\s/]+(/\S*)?|env:[A-Za-z_][A-Za-z0-9_]*|file:.+)")
RESERVED_PEOPLE = ("operator", "tocsin")
RESERVED_SERVICES = ("desk",)


def value_problems(
    raw: Raw, channels: Collection[str], formats: Collection[str] | None
) -> Iterator[Problem]:
    """Every value that cannot be meant."""
    yield from _keys(raw)
    yield from _contacts(raw, channels)
    yield from rule_problems(raw, channels)
    yield from throttle_problems(raw, channels)
    yield from _spans(raw)
    yield from _duplicates(raw)
    yield from integration_problems(raw, formats)


def _keys(raw: Raw) -> Iterator[Problem]:
    """Names that become ids, addresses and actors."""
    for key in section(raw, "services"):
        if isinstance(key, str) and not SERVICE_KEY.fullmatch(key):
            detail = (
                "a service's name becomes part of ids: small letters, digits and hyphens, "
                "such as order-api; its title goes into the field name"
            )
            suggestion = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
            near = (suggestion,) if suggestion else ()
            yield Problem(where=f"services.{key}", detail=detail, near=near)
        if key in RESERVED_SERVICES:
            yield Problem(where=f"services.{key}", detail=f"{key!r} is kept for Tocsin itself")
    for key in section(raw, "people"):
        if isinstance(key, str) and key.lower() in RESERVED_PEOPLE:
            yield Problem(where=f"people.{key}", detail=f"{key!r} is kept for Tocsin itself")
    for name in ("people", "teams", "schedules", "escalation_policies", "heartbeats"):
        for key in section(raw, name):
            if isinstance(key, str) and not KEY.fullmatch(key):
                detail = "a name must not be empty or hold blanks, slashes or colons"
                yield Problem(where=f"{name}.{key}", detail=detail)


def _contacts(raw: Raw, channels: Collection[str]) -> Iterator[Problem]:
    """Contacts that no channel could reach."""
    for where, contact in contacts(raw):
        yield from unknown("channel", text(contact, "channel", where), channels)
        for place, to in text(contact, "to", where):
            is_person = where.startswith("people.")
            detail = format_problem(contact.get("channel"), to, is_person=is_person)
            if detail:
                yield Problem(where=place, detail=detail)


def _spans(raw: Raw) -> Iterator[Problem]:
    """What ends before it begins, and shifts outside of their window."""
    for where, window in entries(raw, "maintenance", "windows"):
        yield from _forward(window, where, "window")
    for where, schedule in entries(raw, "schedules"):
        for place, override in mappings(schedule, "overrides", where):
            yield from _forward(override, place, "override")
        for place, rotation in mappings(schedule, "rotations", where):
            start, end = (_instant(rotation.get(key)) for key in ("starts", "ends"))
            if start and end and end < start:
                yield Problem(where=f"{place}.ends", detail="the rotation ends before it starts")
        for place, temporary in mappings(schedule, "temporary", where):
            yield from _forward(temporary, place, "temporary schedule")
            for inner, shift in mappings(temporary, "shifts", place):
                yield from _forward(shift, inner, "shift")
                yield from _outside(shift, temporary, inner)
        if isinstance(schedule.get("calendar"), dict):
            yield from _calendar(schedule["calendar"], f"{where}.calendar")
    for where, person in entries(raw, "people"):
        for place, absence in mappings(person, "absences", where):
            start, end = (_instant(absence.get(key)) for key in ("from", "to"))
            # A date as the end belongs to the absence: one day is from and to the same date.
            is_day = end is not None and not _has_time(absence.get("to"))
            if start and end and (end < start or (end == start and not is_day)):
                yield Problem(where=f"{place}.to", detail="the absence ends before it begins")


def _forward(timed: Raw, where: str, what: str) -> Iterator[Problem]:
    start, end = (_instant(timed.get(key)) for key in ("from", "to"))
    if start and end and end <= start:
        yield Problem(where=f"{where}.to", detail=f"the {what} ends before it begins")


def _outside(shift: Raw, temporary: Raw, where: str) -> Iterator[Problem]:
    start, end = (_instant(shift.get(key)) for key in ("from", "to"))
    opens, closes = (_instant(temporary.get(key)) for key in ("from", "to"))
    if start and opens and start < opens:
        detail = "the shift begins before its temporary schedule does"
        yield Problem(where=f"{where}.from", detail=detail)
    if end and closes and end > closes:
        detail = "the shift ends after its temporary schedule does"
        yield Problem(where=f"{where}.to", detail=detail)


def _calendar(calendar: Raw, where: str) -> Iterator[Problem]:
    """A calendar comes from one place, which can be read."""
    url, file = calendar.get("url"), calendar.get("file")
    if (url is None) == (file is None):
        detail = "a calendar has either a url: or a file:"
        yield Problem(where=where, detail=detail)
    if isinstance(url, str) and not FEED.fullmatch(url):
        detail = "expected an http:// or https:// address, env:NAME or file:PATH"
        if url.startswith(("webcal:", "webcals:")):
            detail = "write https:// instead of webcal://: it is the same address"
        yield Problem(where=f"{where}.url", detail=detail)
    for name in ("shifts", "fault"):
        if name in calendar:
            detail = "is filled in from the calendar itself: leave it out"
            yield Problem(where=f"{where}.{name}", detail=detail)


def _has_time(value: Any) -> bool:
    return isinstance(value, datetime) or (isinstance(value, str) and ":" in value)


def _instant(value: Any) -> datetime | None:
    """A date or time as the file holds it, as an instant without zone."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 wall time
    try:
        return datetime.fromisoformat(value.strip()).replace(tzinfo=None)
    except (AttributeError, ValueError):
        return None


def _duplicates(raw: Raw) -> Iterator[Problem]:
    """The same thing twice in one list."""
    lists = [("organisation", section(raw, "organisation"), "catch_all")]
    lists += [(where, team, "members") for where, team in entries(raw, "teams")]
    lists += [(where, service, "depends_on") for where, service in entries(raw, "services")]
    for key in ("stakeholders", "audiences"):
        for where, group in entries(raw, key):
            lists += [(where, group, "severities"), (where, group, "services")]
    for where, process in entries(raw, "processes"):
        lists += [(where, process, field) for field in ("channels", "audiences", "roles")]
    for where, policy in entries(raw, "escalation_policies"):
        lists += [(place, step, "page") for place, step in mappings(policy, "steps", where)]
    for where, value, key in lists:
        seen: set[str] = set()
        for place, name in texts(value, key, where):
            if name in seen:
                yield Problem(where=place, detail=f"{name!r} stands here twice")
            seen.add(name)
    known: set[tuple[str, str, str]] = set()
    for where, contact in contacts(raw):
        same = (where.rpartition(".")[0], str(contact.get("channel")), str(contact.get("to")))
        if same in known:
            yield Problem(where=where, detail="the same contact stands here twice")
        known.add(same)

"""Single values of a policy that are well formed and yet cannot be meant: keys, contacts, spans.

Works on the parsed file, whatever its shape.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

from domain.errors import Problem
from domain.policy.references import unknown
from domain.policy.shape import found
from domain.policy.tolerant import Raw, contacts, entries, mappings, section, text, texts

SERVICE_KEY = re.compile(r"[a-z0-9][a-z0-9-]*")
KEY = re.compile(r"[^\s/:]+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
RESERVED_PEOPLE = ("operator", "tocsin")
RESERVED_SERVICES = ("desk",)


def value_problems(
    raw: Raw, channels: Collection[str], formats: Collection[str] | None
) -> Iterator[Problem]:
    """Every value that cannot be meant."""
    yield from _keys(raw)
    yield from _contacts(raw, channels)
    yield from _spans(raw)
    yield from _duplicates(raw)
    for where, integration in entries(raw, "integrations"):
        yield from unknown("format", text(integration, "format", where), formats)


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
    for name in ("people", "teams", "schedules", "escalation_policies"):
        for key in section(raw, name):
            if isinstance(key, str) and not KEY.fullmatch(key):
                detail = "a name must not be empty or hold blanks, slashes or colons"
                yield Problem(where=f"{name}.{key}", detail=detail)


def _contacts(raw: Raw, channels: Collection[str]) -> Iterator[Problem]:
    """Contacts that no channel could reach."""
    for where, contact in contacts(raw):
        yield from unknown("channel", text(contact, "channel", where), channels)
        for place, to in text(contact, "to", where):
            if contact.get("channel") == "email" and not EMAIL.fullmatch(to):
                detail = f"{found(to)} is no mail address such as alice@example.com"
                yield Problem(where=place, detail=detail)
            if contact.get("channel") in ("sms", "voice") and not E164.fullmatch(to):
                detail = f'{found(to)} is no number in international form such as "+4915550001"'
                yield Problem(where=place, detail=detail)


def _spans(raw: Raw) -> Iterator[Problem]:
    """What ends before it begins."""
    for where, schedule in entries(raw, "schedules"):
        for place, override in mappings(schedule, "overrides", where):
            start, end = (_instant(override.get(key)) for key in ("from", "to"))
            if start and end and end <= start:
                yield Problem(where=f"{place}.to", detail="the override ends before it begins")
        for place, rotation in mappings(schedule, "rotations", where):
            start, end = (_instant(rotation.get(key)) for key in ("starts", "ends"))
            if start and end and end < start:
                yield Problem(where=f"{place}.ends", detail="the rotation ends before it starts")


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
    for where, group in entries(raw, "stakeholders"):
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

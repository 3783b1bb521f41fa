"""Names in a policy that must refer to something: people, teams, schedules, services, severities.

Works on the parsed file, whatever its shape; mistakes of shape are `shape.py`. A section too broken
to tell its names is not referred against: it has been reported, and a hundred unknown names would
hide the one mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from domain.errors import Problem
from domain.names import nearest
from domain.policy.audiences import default_audiences
from domain.policy.communications import PLACES
from domain.policy.model import Organisation, StakeholderGroup, default_severities
from domain.policy.shape import found
from domain.policy.slice import UNKNOWN_SERVICE
from domain.policy.tolerant import Raw, entries, mappings, section, text, texts
from domain.roles import BUILT_IN

Found = Iterator[tuple[str, str]]
TARGETS = {
    "team": "teams",
    "person": "people",
    "schedule": "schedules",
    "all": "schedules",
    "next": "schedules",
}


def reference_problems(raw: Raw) -> Iterator[Problem]:
    """Every name that refers to nothing, with the nearest names that would."""
    people, services = names(raw, "people"), names(raw, "services")
    severities = names(raw, "severities") if "severities" in raw else list(default_severities())
    yield from unknown("time zone", _zones_named(raw), zones())
    yield from unknown("person", _people_named(raw), people)
    yield from unknown("team", _fields(raw, "services", "team"), names(raw, "teams"))
    policies = names(raw, "escalation_policies")
    yield from unknown("escalation policy", _fields(raw, "services", "escalation"), policies)
    yield from _targets(raw)
    if services is not None:
        services = [*services, UNKNOWN_SERVICE]
    yield from unknown("service", _services_named(raw), services)
    yield from unknown("severity", _severities_named(raw), severities)
    yield from _default_severities(raw, severities)
    yield from _processes(raw)
    yield from _audiences(raw)
    yield from _dependencies(raw)


def names(raw: Raw, key: str) -> list[str] | None:
    """The names that a section defines; None when it is no section at all."""
    value = raw.get(key, {})
    return [str(name) for name in value] if isinstance(value, dict) else None


def unknown(kind: str, named: Found, known: Iterable[str] | None) -> Iterator[Problem]:
    """A problem for each name that is not among the known ones."""
    if known is None:
        return
    every = list(known)
    lookup = set(every)
    for where, name in named:
        if name not in lookup:
            near = nearest(name, every)
            detail = f"unknown {kind} {found(name)}"
            if not near and len(every) <= 8:
                detail += f"; known: {', '.join(every) or 'none'}"
            yield Problem(where=where, detail=detail, near=near)


@cache
def zones() -> frozenset[str]:
    """Every IANA zone; read once, since it walks a folder."""
    return frozenset(available_timezones())


def _fields(raw: Raw, key: str, field: str) -> Found:
    for where, entry in entries(raw, key):
        yield from text(entry, field, where)


def _zones_named(raw: Raw) -> Found:
    yield from text(section(raw, "organisation"), "timezone", "organisation")
    yield from _fields(raw, "people", "timezone")
    yield from _fields(raw, "schedules", "timezone")
    yield from text(section(raw, "status_page"), "timezone", "status_page")
    for where, window in entries(raw, "maintenance", "windows"):
        yield from text(window, "timezone", where)


def _people_named(raw: Raw) -> Found:
    for where, team in entries(raw, "teams"):
        yield from texts(team, "members", where)
    for where, schedule in entries(raw, "schedules"):
        for place, rotation in mappings(schedule, "rotations", where):
            yield from texts(rotation, "people", place)
        for place, override in mappings(schedule, "overrides", where):
            yield from text(override, "person", place)
            yield from text(override, "instead_of", place)
        yield from texts(section(schedule, "holidays"), "people", f"{where}.holidays")
        for place, temporary in mappings(schedule, "temporary", where):
            for inner, shift in mappings(temporary, "shifts", place):
                yield from text(shift, "person", inner)
        mapped = section(schedule, "calendar", "people")
        for title in mapped:
            yield from text(mapped, title, f"{where}.calendar.people")
    for name in section(raw, "access", "people"):
        yield f"access.people.{name}", str(name)


def _services_named(raw: Raw) -> Found:
    for where, service in entries(raw, "services"):
        yield from texts(service, "depends_on", where)
    for key in ("stakeholders", "audiences"):
        for where, group in entries(raw, key):
            yield from texts(group, "services", where)
    for where, window in entries(raw, "maintenance", "windows"):
        yield from texts(window, "services", where)
    yield from _fields(raw, "heartbeats", "service")
    yield from texts(section(raw, "reports"), "services", "reports")
    groups = section(raw, "status_page", "groups")
    for name in groups:
        yield from texts(groups, name, "status_page.groups")
    yield from mapped(raw, "service")


def _severities_named(raw: Raw) -> Found:
    yield from text(section(raw, "organisation"), "default_severity", "organisation")
    for key in ("stakeholders", "audiences"):
        for where, group in entries(raw, key):
            yield from texts(group, "severities", where)
    for where, audience in entries(raw, "audiences"):
        cadences = section(audience, "update_every")
        yield from ((f"{where}.update_every", str(severity)) for severity in cadences)
    yield from _fields(raw, "heartbeats", "severity")
    yield from text(section(raw, "reports"), "severity", "reports")
    for where, person in entries(raw, "people"):
        for place, rule in mappings(person, "contact_rules", where):
            yield from texts(rule, "severities", place)
    yield from mapped(raw, "severity")


def mapped(raw: Raw, what: str) -> Found:
    """The services, severities, … that an integration's map and rules lead to."""
    for where, integration in entries(raw, "integrations"):
        label, place = section(integration, "map", what), f"{where}.map.{what}"
        yield from text(label, "default", place)
        for value in section(label, "values"):
            yield from text(label["values"], value, f"{place}.values")
        for inner, rule in mappings(integration, "rules", where):
            yield from text(section(rule, "set"), what, f"{inner}.set")


def _targets(raw: Raw) -> Iterator[Problem]:
    """Whom steps and the catch-all page."""
    named = list(texts(section(raw, "organisation"), "catch_all", "organisation"))
    named += texts(section(raw, "channels"), "invite", "channels")
    for where, policy in entries(raw, "escalation_policies"):
        for place, step in mappings(policy, "steps", where):
            named += texts(step, "page", place)
    every = [f"{kind}:{name}" for kind, key in TARGETS.items() for name in names(raw, key) or []]
    for where, target in named:
        kind, colon, name = target.partition(":")
        if kind in TARGETS and colon and name:
            what = "schedule" if TARGETS[kind] == "schedules" else kind
            yield from unknown(what, iter([(where, name)]), names(raw, TARGETS[kind]))
            continue
        same = [known for known in every if known.partition(":")[2] == (name or kind)]
        yield Problem(
            where=where,
            detail=f"{found(target)} is no target: write team:T, person:P, schedule:S, all:S or next:S",
            near=tuple(same[:3]) or nearest(target, every),
        )


def _default_severities(raw: Raw, severities: list[str] | None) -> Iterator[Problem]:
    """A severity that stands for a field left out must exist as well."""
    if severities is None:
        return
    shown = Organisation().default_severity
    organisation = raw.get("organisation", {})
    if isinstance(organisation, dict) and "default_severity" not in organisation:
        yield from unknown("severity", iter([("organisation.default_severity", shown)]), severities)
    for where, group in entries(raw, "stakeholders"):
        if "severities" not in group:
            every = [(f"{where}.severities", name) for name in StakeholderGroup().severities]
            yield from unknown("severity", iter(every), severities)


def _processes(raw: Raw) -> Iterator[Problem]:
    """What a process names: roles, audiences and the channels that open."""
    own = names(raw, "roles")
    roles = None if own is None else [*BUILT_IN, *own]
    for where, process in entries(raw, "processes"):
        yield from unknown("role", texts(process, "roles", where), roles)
        audiences = texts(process, "audiences", where)
        own = names(raw, "audiences")
        groups = names(raw, "stakeholders")
        known = None if own is None or groups is None else [*groups, *default_audiences(), *own]
        yield from unknown("audience", audiences, known)
        channels = list(PLACES)
        yield from unknown("channel", texts(process, "channels", where), channels)


def _audiences(raw: Raw) -> Iterator[Problem]:
    """Whose text it is."""
    own = names(raw, "roles")
    roles = None if own is None else [*BUILT_IN, *own]
    yield from unknown("role", _fields(raw, "audiences", "owner"), roles)


def _dependencies(raw: Raw) -> Iterator[Problem]:
    """A service that depends on itself, directly or through others; each circle once."""
    graph: dict[str, list[str]] = {}
    for where, service in entries(raw, "services"):
        name = where.partition(".")[2]
        graph[name] = [other for _, other in texts(service, "depends_on", where)]
        for place, other in texts(service, "depends_on", where):
            if other == name:
                yield Problem(where=place, detail="a service cannot depend on itself")
    for circle in _circles(graph):
        yield Problem(
            where=f"services.{circle[0]}.depends_on",
            detail=f"services depend on each other in a circle: {' -> '.join(circle)}",
        )


def _circles(graph: dict[str, list[str]]) -> Iterator[list[str]]:
    """Follow each service once, depth first; a step back onto the path followed closes a circle."""
    finished: set[str] = set()
    for root in graph:
        path: list[str] = []
        pending: list[tuple[str, Any]] = [(root, iter(graph[root]))] if root not in finished else []
        if pending:
            path.append(root)
        while pending:
            name, others = pending[-1]
            other = next(others, None)
            if other is None:
                finished.add(name)
                path.pop()
                pending.pop()
            elif other in path and other != name:
                yield [*path[path.index(other) :], other]
            elif other in graph and other not in finished and other != name:
                path.append(other)
                pending.append((other, iter(graph[other])))

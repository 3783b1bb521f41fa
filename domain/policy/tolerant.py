"""Walking a policy that is not yet known to be well formed.

Every function passes over what has the wrong shape: `shape.py` reports that, and the checks of
references go on with the rest, so that one run shows every mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Raw = dict[Any, Any]


def section(raw: Any, *path: str) -> Raw:
    """The mapping at `path`; an empty one where there is none."""
    for key in path:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


def entries(raw: Any, *path: str) -> Iterator[tuple[str, Raw]]:
    """The named mappings of a section, each with its dotted place."""
    for key, value in section(raw, *path).items():
        if isinstance(value, dict):
            yield ".".join((*path, str(key))), value


def items(value: Any, key: str, where: str) -> Iterator[tuple[str, Any]]:
    """The items of the list `value[key]`, each with its dotted place."""
    listed = value.get(key) if isinstance(value, dict) else None
    if isinstance(listed, list):
        yield from ((f"{where}.{key}.{index}", item) for index, item in enumerate(listed))


def texts(value: Any, key: str, where: str) -> Iterator[tuple[str, str]]:
    """The items of the list `value[key]` that are text, each with its dotted place."""
    yield from ((place, item) for place, item in items(value, key, where) if isinstance(item, str))


def mappings(value: Any, key: str, where: str) -> Iterator[tuple[str, Raw]]:
    """The items of the list `value[key]` that are mappings, each with its dotted place."""
    yield from ((place, item) for place, item in items(value, key, where) if isinstance(item, dict))


def text(value: Any, key: str, where: str) -> Iterator[tuple[str, str]]:
    """The one text `value[key]` with its dotted place, or nothing."""
    if isinstance(value, dict) and isinstance(value.get(key), str):
        yield f"{where}.{key}", value[key]


def contacts(raw: Any) -> Iterator[tuple[str, Raw]]:
    """Every contact of the policy: those of people, of stakeholder groups and of audiences."""
    for where, person in entries(raw, "people"):
        yield from mappings(person, "contacts", where)
    for key in ("stakeholders", "audiences"):
        for where, group in entries(raw, key):
            yield from mappings(group, "to", where)

"""JMESPath in a policy: expressions that cannot be read are mistakes, not surprises when an alert comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from domain.errors import Problem
from domain.names import nearest
from domain.policy.tolerant import entries, section, text

FUNCTIONS = Functions().FUNCTION_TABLE
"""What an expression may call, by name: with the kinds of its arguments."""


def expression_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    """Every expression of an integration's `fields` that is none. Tolerant of broken shape."""
    for where, integration in entries(raw, "integrations"):
        fields = section(integration, "fields")
        for name in fields:
            for place, expression in text(fields, name, f"{where}.fields"):
                yield from _faults(place, expression)


def _faults(place: str, expression: str) -> Iterator[Problem]:
    try:
        parsed = jmespath.compile(expression).parsed
        called = list(_calls(parsed))
    except JMESPathError as error:
        why = " ".join(str(error).split())[:200]
        yield Problem(where=place, detail=f"is no JMESPath expression: {why}")
    except RecursionError:
        yield Problem(where=place, detail="is no JMESPath expression: it is nested too deeply")
    else:
        for name, given in called:
            yield from _miscalled(place, name, given)


def _calls(node: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Every function that is called, with how many arguments it is given."""
    if node["type"] == "function_expression":
        yield node["value"], len(node["children"])
    for child in node["children"]:
        if isinstance(child, dict):  # a slice has bare numbers
            yield from _calls(child)


def _miscalled(place: str, name: str, given: int) -> Iterator[Problem]:
    """JMESPath finds such a call only when it is evaluated: with the first alert, at night."""
    if name not in FUNCTIONS:
        known = sorted(FUNCTIONS)
        near = nearest(name, known)
        detail = f"JMESPath has no function {name!r:.60}"
        detail += "" if near else f"; it has {', '.join(known)}"
        yield Problem(where=place, detail=detail, near=near)
        return
    signature = FUNCTIONS[name]["signature"]
    is_open = any(argument.get("variadic") for argument in signature)
    if given < len(signature) or (given > len(signature) and not is_open):
        least = "at least " if is_open else ""
        count = f"{least}{len(signature)} argument{'s' if len(signature) > 1 else ''}"
        yield Problem(where=place, detail=f"JMESPath's {name}() takes {count}, not {given}")

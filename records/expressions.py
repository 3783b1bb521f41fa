"""JMESPath in a policy: expressions that cannot be read are mistakes, not surprises when an alert comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from domain.errors import Problem
from domain.policy.tolerant import entries, section, text


def expression_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    """Every expression of an integration's `fields` that is none. Tolerant of broken shape."""
    for where, integration in entries(raw, "integrations"):
        fields = section(integration, "fields")
        for name in fields:
            for place, expression in text(fields, name, f"{where}.fields"):
                if why := _fault(expression):
                    yield Problem(where=place, detail=f"is no JMESPath expression: {why}")


def _fault(expression: str) -> str | None:
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        return " ".join(str(error).split())[:200]
    except RecursionError:
        return "it is nested too deeply"
    return None

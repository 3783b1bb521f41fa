"""What is wrong with the shape of a body that somebody sent, in words that help."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from domain.errors import Problem
from domain.names import nearest

MOST_PROBLEMS = 50
"""More help nobody, and a body with thousands would hold up whoever reads it for seconds."""


def shape_problems(name: str, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Translate pydantic's findings: where, what was expected, and the nearest valid name.

    Args:
        name: what the body is for, such as a command's name.
    """
    problems = []
    # As they are sent: `from`, where the code says `start`.
    fields = [about.alias or field for field, about in model.model_fields.items()]
    for item in error.errors(include_url=False)[:MOST_PROBLEMS]:
        where = "/" + "/".join(str(part) for part in item["loc"])
        near: tuple[str, ...] = ()
        detail = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            near = nearest(str(item["loc"][-1]), fields)
            detail = f"{name} has no such field; it has {', '.join(fields) or 'none'}"
        elif item["type"] == "missing":
            detail = "is required"
        elif item["type"] in ("enum", "literal_error"):
            expected = str(item.get("ctx", {}).get("expected", ""))
            names = expected.replace("'", "").replace(" or ", ", ").split(", ")
            near = nearest(str(item["input"]), names)
            detail = f"expected {expected}"
        problems.append(Problem(where=where, detail=detail, near=near))
    if (more := error.error_count() - len(problems)) > 0:
        problems.append(Problem(where="", detail=f"and {more} more mistakes"))
    return problems

"""What is wrong with the shape of a policy, in plain sentences: pydantic's errors, translated.

Whether names refer to something is `references.py`; whether single values make sense is
`plausible.py`.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import Problem
from domain.names import nearest
from domain.policy.model import Policy

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number such as 2",
    "int_parsing": "a whole number such as 2",
    "int_from_float": "a whole number such as 2",
    "finite_number": "a whole number such as 2",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list such as [one, two]",
    "dict_type": "a section of names, each followed by a colon and its fields",
    "date_parsing": "a date such as 2026-01-05",
    "date_from_datetime_parsing": "a date such as 2026-01-05",
    "date_from_datetime_inexact": "a date such as 2026-01-05, without a time",
    "datetime_parsing": "a date and time such as 2026-12-24T18:00",
    "datetime_from_date_parsing": "a date and time such as 2026-12-24T18:00",
}
_LIMITS = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entry",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
}


def shape_problems(raw: Any) -> Iterator[Problem]:
    """Every mistake of shape in an already parsed policy."""
    try:
        Policy.model_validate(raw)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            yield _problem(error)


def _problem(error: ErrorDetails) -> Problem:
    """One of pydantic's errors as a sentence that says what was expected."""
    place, kind, context = error["loc"], error["type"], error.get("ctx") or {}
    where = dotted(place)
    if place and place[-1] == "[key]":
        name = place[-2]
        return Problem(
            where=dotted(place[:-1]), detail=f'a name must be text: write "{name}" in quotes'
        )
    if kind == "extra_forbidden":
        return _unknown_field(place)
    if kind == "missing":
        return Problem(where=where, detail=f"is missing; {_example(place)}")
    if kind in ("literal_error", "enum"):
        choices = [str(choice) for choice in choices_at(place)]
        detail = f"expected {' or '.join(choices)}, found {found(error['input'])}"
        return Problem(where=where, detail=detail, near=nearest(str(error["input"]), choices))
    if kind == "string_pattern_mismatch" or _is_key(place):
        # The value is left out on purpose: it may be the secret itself.
        return Problem(
            where=where, detail="a secret never stands in the policy: write env:NAME or file:PATH"
        )
    return Problem(where=where, detail=_sentence(error, kind, context))


def _is_key(place: Sequence[str | int]) -> bool:
    """Whether a secret belongs there; a map, a rule or the fields may have a `key` that is none."""
    return place[-1] == "key" and not {"map", "when", "fields"} & set(place)


def _sentence(error: ErrorDetails, kind: str, context: Mapping[str, Any]) -> str:
    """The sentence for mistakes that need no look at neighbouring names."""
    if kind in ("model_type", "model_attributes_type"):
        fields = ", ".join(fields_at(error["loc"]))
        return f"expected a section with fields among {fields}; found {found(error['input'])}"
    if kind in _EXPECTED:
        quote = ""
        if kind == "string_type" and isinstance(error["input"], int | float):
            quote = "; put it in quotes"
        return f"expected {_EXPECTED[kind]}, found {found(error['input'])}{quote}"
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    return str(context.get("error") or error["msg"])


def _unknown_field(place: Sequence[str | int]) -> Problem:
    valid = fields_at(place[:-1])
    near = nearest(str(place[-1]), valid)
    detail = "unknown field" + ("" if near else f"; valid here: {', '.join(valid)}")
    return Problem(where=dotted(place), detail=detail, near=near)


def _example(place: Sequence[str | int]) -> str:
    """What a missing field should look like."""
    examples = {
        "starts": "a date such as starts: 2026-01-05",
        "from": "a date and time such as from: 2026-12-24T18:00",
        "to": "such as to: alice@example.com",
        "person": "the name of a person, or null to remove whoever is on",
        "people": "a list such as people: [alice, bob]",
        "channel": "such as channel: email",
        "country": "a country code such as country: DE",
        "format": "such as format: alertmanager",
        "key": "such as key: env:AM_KEY",
        "label": "the name of the alert's label",
        "service": "such as service: checkout",
        "services": "a list such as services: [checkout], or services: all",
        "every": "a duration such as every: 5m",
        "issuer": "such as issuer: https://login.example.com",
        "client_id": "such as client_id: tocsin",
        "reason": "in a few words, for whoever wonders why nobody was paged",
    }
    if place[-1] == "to" and {"overrides", "windows"} & set(place):
        return "a date and time such as to: 2026-12-26T09:00"
    return examples.get(str(place[-1]), "it must be given")


def found(value: Any) -> str:
    """What stands there, short enough for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value:.15g}" if isinstance(value, float) else "a number"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    shown = str(value)
    return repr(shown if len(shown) <= 40 else shown[:39] + "…")


def dotted(place: Sequence[str | int]) -> str:
    """`("services", "checkout", "tier")` as people read it."""
    return ".".join(str(part) for part in place)


def fields_at(place: Sequence[str | int]) -> list[str]:
    """The fields valid at a place, as they are written in the file."""
    model = annotation_at(place)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def choices_at(place: Sequence[str | int]) -> list[Any]:
    """The values valid at a place that takes one of a few."""
    kind = annotation_at(place)
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [member.value for member in kind]
    return []


def annotation_at(place: Sequence[str | int]) -> Any:
    """The type that the model holds at a place; None where the place is not of the model."""
    kind: Any = Policy
    for part in place:
        kind = _step(kind, part)
    return kind


def _step(kind: Any, part: str | int) -> Any:
    """The type one level deeper, `Annotated` and `| None` taken off."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                return _bare(field.annotation)
        return None
    if get_origin(kind) in (dict, list):
        return _bare(get_args(kind)[-1])
    return None


def _bare(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return _bare(next(arg for arg in get_args(kind) if arg is not type(None)))
    return kind

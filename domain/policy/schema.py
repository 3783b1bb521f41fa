"""The policy file's JSON Schema, for editors and for `tocsin policy schema`."""

from __future__ import annotations

from typing import Any

from domain.policy.model import Policy


def policy_schema() -> dict[str, Any]:
    """The schema of the file format, with the names as they are written in the file."""
    schema = Policy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Policy"}

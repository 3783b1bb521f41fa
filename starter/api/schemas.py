"""The bodies of the commands as the OpenAPI document shows them: made from the commands themselves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

ACTOR = {
    "type": "string",
    "description": "Key of the person who does it; left out: the operator",
}


def body_of(model: type[BaseModel], *, needs_person: bool = False) -> dict[str, Any]:
    """`openapi_extra` of a route that takes this model's fields and `actor`."""
    schema = schema_of(model)
    schema["properties"] = {**schema.get("properties", {}), "actor": ACTOR}
    if needs_person:
        schema["required"] = [*schema.get("required", []), "actor"]
    return {
        "requestBody": {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": schema}},
        }
    }


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema with its parts in place: a reference within it would mean the whole document."""
    schema = model.model_json_schema(by_alias=True)
    parts = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inline(schema, parts)
    return inlined


def _inline(value: Any, parts: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inline(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str):
        part = parts[reference.rpartition("/")[2]]
        return _inline({**part, **{k: v for k, v in value.items() if k != "$ref"}}, parts)
    return {name: _inline(item, parts) for name, item in value.items()}

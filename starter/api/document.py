"""The OpenAPI document as it is served: every route's own answers, and how errors look everywhere."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

PROBLEM = "application/problem+json"
VENDORS = ("/v2/", "/jsm/", "/generic/")
"""Addresses of other services: an error there looks as their clients expect, and each route tells how."""
_REF = {"schema": {"$ref": "#/components/schemas/Problem"}}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "An error, RFC 9457",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": ["urn:tocsin:problem:invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do, for people"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "A stable word, for programs"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer to the field"},
                    "detail": {"type": "string"},
                    "near": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
_FRAMEWORKS = ("HTTPValidationError", "ValidationError")
"""What the framework says of errors that never look like that here."""


def install(app: FastAPI) -> None:
    """Have the application serve its document with the errors in it."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_errors(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_errors(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FRAMEWORKS:
        schemas.pop(name, None)
    schemas["Problem"] = _SCHEMA
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _describe(operation["responses"], is_vendors=path.startswith(VENDORS))
    return document


def _describe(responses: dict[str, Any], *, is_vendors: bool) -> None:
    if _is_the_frameworks(responses.get("422", {})):
        del responses["422"]  # the default tells of it
    for status, response in responses.items():
        # An address that no route takes, such as one with a line end in it, is nobody's: ours to answer.
        if (status[0] in "45" and not is_vendors) or status == "404":
            response.setdefault("content", {}).setdefault(PROBLEM, _REF)
    responses.setdefault("default", {"description": "Any other error", "content": {PROBLEM: _REF}})


def _is_the_frameworks(response: dict[str, Any]) -> bool:
    return any(name in str(response.get("content", {})) for name in _FRAMEWORKS)

"""What the OpenAPI document promises, held against a real system: by generated requests, good and bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.system import System

schemathesis = pytest.importorskip("schemathesis", reason="make e2e sets it up")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

CHECKS = (
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
EXAMPLES = 20
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


schema = schemathesis.openapi.from_path(DOCUMENT).exclude(path_regex="/events$")
"""The committed document, which is the one that is served; the stream of events never ends."""


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_a_documented_one(case: Any, system: System) -> None:
    """No 5xx, no answer that the document does not tell of, whatever is sent by whoever has the token."""
    case.call_and_validate(
        base_url=system.api_url,
        headers={"Authorization": f"Bearer {system.ready['token']}"},
        checks=list(CHECKS),
        timeout=20,
    )

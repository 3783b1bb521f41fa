"""The OpenAPI document in `docs/` is the one that the API serves.

`make openapi` writes it anew, and the JSON Schema of the policy beside it.
"""

from __future__ import annotations

import json

from domain.commands import COMMANDS
from domain.policy.schema import policy_schema
from domain.postmortem.commands import POSTMORTEM_COMMANDS
from starter.documents import text_of
from starter.intake import FORMATS
from tests.starter.conftest import ROOT

FILE = ROOT / "docs" / "openapi.json"


def test_document_is_the_committed_one(app):
    """A change of the contract is seen in the diff."""
    assert FILE.read_text(encoding="utf-8") == text_of(app.openapi()), "run `make openapi`"


def test_policy_schema_is_the_committed_one():
    """Editors check a policy file against what Tocsin takes today."""
    schema = ROOT / "docs" / "policy.schema.json"
    assert schema.read_text(encoding="utf-8") == text_of(policy_schema()), "run `make openapi`"


def test_every_command_and_format_is_in_it(app):
    """One route for each line of the registries."""
    paths = app.openapi()["paths"]
    incident = "/api/v1/incidents/{incident_id}"
    for name in COMMANDS:
        assert "post" in paths[f"{incident}/{name.replace('_', '-')}"]
    for name in POSTMORTEM_COMMANDS:
        assert "post" in paths[f"{incident}/postmortem/{name.replace('_', '-')}"]
    for one in FORMATS.values():
        if one.is_hook:
            assert "post" in paths[f"/hooks/{one.name}"]


def test_it_refers_to_nothing_that_is_not_in_it(app):
    """Every reference has its target."""
    document = app.openapi()
    text = json.dumps(document)
    for piece in text.split('"$ref": "')[1:]:
        target = document
        for name in piece.partition('"')[0].removeprefix("#/").split("/"):
            target = target[name]
        assert target


def test_operations_have_names_of_their_own(app):
    """Client generators make functions of them."""
    ids = [
        operation["operationId"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
    ]
    assert len(ids) == len(set(ids))

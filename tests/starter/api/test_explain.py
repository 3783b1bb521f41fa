"""`/policy/explain`: what a payload would become, over HTTP, and nothing is raised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EXPLAIN = "/api/v1/policy/explain"
GROUP = json.loads(
    (Path(__file__).parents[2] / "data/intake/alertmanager/two_firing.json").read_text()
)


def test_a_payload_is_explained(api, temporal):
    """Alert by alert, field by field; the desk hears nothing."""
    answer = api.post(EXPLAIN, json={"payload": GROUP, "integration": "prometheus"}).json()
    assert (answer["integration"], answer["format"]) == ("prometheus", "alertmanager")
    first, _ = answer["alerts"]
    decided = {one["field"]: (one["value"], one["by"]) for one in first["decided"]}
    assert decided["service"] == ("checkout", "label service is 'checkout'")
    assert decided["severity"] == ("SEV1", "label severity is 'critical'")
    assert temporal.signals == []


def test_a_payload_as_text(api):
    """As its sender sends it, byte by byte."""
    body = {"text": json.dumps(GROUP), "format": "alertmanager", "headers": {"X-Any": "1"}}
    assert len(api.post(EXPLAIN, json=body).json()["alerts"]) == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/payload"),
        ({"payload": {}, "text": ""}, "/payload"),
        ({"text": 7}, "/text"),
        ({"text": "{"}, "/text"),
        ({"payload": {}, "headers": {"a": 1}}, "/headers"),
        ({"payload": {}, "headers": []}, "/headers"),
        ({"payload": {}, "integration": "nobody"}, "/integration"),
        ({"payload": {}, "format": ["x"]}, "/format"),
        ({"payload": {}, "rules": []}, "/rules"),
    ],
)
def test_a_wrong_body(api, body, pointer):
    """422 with the field that is wrong."""
    answer = api.post(EXPLAIN, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer

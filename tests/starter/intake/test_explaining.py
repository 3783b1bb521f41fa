"""What a payload would become, and why: by whose rules, and what is said of alerts that cannot be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from domain.errors import IntakeError, UnknownNameError
from domain.policy.model import Policy
from starter.intake.explaining import explained, integration_for
from starter.intake.received import Received

POLICY = Policy.model_validate(
    {
        "services": {"checkout": {"tier": 2}},
        "integrations": {
            "first": {"format": "alertmanager", "key": "env:A"},
            "second": {
                "format": "alertmanager",
                "key": "env:B",
                "rules": [{"name": "all", "set": {"service": "checkout"}}],
            },
        },
    }
)


def explain(payload: object, integration: str = "second") -> list[dict[str, object]]:
    """A payload of Alertmanager, explained."""
    received = Received(json.dumps(payload).encode())
    at = datetime(2026, 11, 24, tzinfo=UTC)
    alerts: list[dict[str, object]] = explained(POLICY, integration, "alertmanager", received, at)[
        "alerts"
    ]
    return alerts


def test_each_field_has_its_reason():
    """Also those that no rule decides: the values are those that the incident would have."""
    (alert,) = explain({"alerts": [{"labels": {"severity": "low"}, "fingerprint": "f1"}]})
    assert alert["decided"] == [
        {"field": "service", "value": "checkout", "by": 'rules[0] "all"'},
        {"field": "severity", "value": "SEV3", "by": "label severity is 'low'"},
        {"field": "priority", "value": "P4", "by": "severity and tier"},
        {"field": "type", "value": "default", "by": "the usual type"},
        {"field": "summary", "value": "alert from second", "by": "the sender's own"},
        {"field": "key", "value": "f1", "by": "the sender's own"},
    ]


def test_what_cannot_be_read_says_so():
    """It would be raised on `unknown`, and the note says why."""
    (alert,) = explain({"alerts": [7]})
    assert alert["decided"] == [
        {"field": "service", "value": "unknown", "by": "it could not be read"}
    ]
    assert alert["notes"]


def test_what_is_no_alert_says_why():
    """A group without alerts would change nothing."""
    received = Received(b'{"alerts": []}')
    found = explained(POLICY, "first", "alertmanager", received, datetime.now(UTC))
    assert found["alerts"] == []
    assert found["no_alert"]


def test_what_its_own_service_would_refuse():
    """It is refused here too."""
    with pytest.raises(IntakeError):
        explained(POLICY, "first", "alertmanager", Received(b"{"), datetime.now(UTC))


@pytest.mark.parametrize(
    ("integration", "format_name", "expected"),
    [
        (None, None, ("first", "alertmanager")),
        (None, "alertmanager", ("first", "alertmanager")),
        ("second", None, ("second", "alertmanager")),
    ],
)
def test_by_whose_rules(integration, format_name, expected):
    """The named integration's, else those of the first that has the format."""
    assert integration_for(POLICY, integration, format_name) == expected


def test_without_any_integration():
    """The format's own rules, as with the system's own token."""
    assert integration_for(Policy(), None, "alertmanager") == ("alertmanager", "alertmanager")


@pytest.mark.parametrize(("integration", "format_name"), [("frist", None), (None, "alertmanger")])
def test_names_that_there_are_not(integration, format_name):
    """With the nearest that there are."""
    with pytest.raises(UnknownNameError) as caught:
        integration_for(POLICY, integration, format_name)
    assert caught.value.near

"""Alertmanager's webhook, as a real one sent it, and as nobody should."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.policy.model import Policy
from starter.intake.alertmanager import parse
from starter.intake.mapping import MAX_ALERTS, Sender

DATA = Path(__file__).parents[2] / "data" / "intake" / "alertmanager"
SENDER = Sender(
    "prometheus",
    Policy.model_validate({"services": {"checkout": {}}}),
    datetime(2026, 11, 24, tzinfo=UTC),
)
GOOD = {"status": "firing", "labels": {"service": "checkout", "severity": "critical"}}


def payload(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text())


def test_group_of_two():
    """Both alerts of a group are read whole."""
    first, second = parse(payload("two_firing"), SENDER)
    assert first.key == "5f114d08c8a9fbbc"
    assert (first.service, first.severity, first.status) == ("checkout", "SEV1", "firing")
    assert first.summary == "Checkout returns 5xx for 38% of requests"
    assert first.description == "5xx ratio 0.38 over 5m on web-1"
    assert first.link == "http://prometheus.example.com/graph?g0.expr=x"
    assert first.runbooks == ["https://runbooks.example.com/checkout/5xx"]
    assert first.starts_at == datetime(2026, 11, 23, 14, 7, 26, tzinfo=UTC)
    assert first.notes == second.notes == []
    assert first.raw is None
    assert second.link is None
    assert first.id != second.id


def test_mixed_group():
    """One alert of a group cleared, the other still fires."""
    assert [a.status for a in parse(payload("one_resolved"), SENDER)] == ["resolved", "firing"]
    assert [a.status for a in parse(payload("last_resolved"), SENDER)] == ["resolved"]


@pytest.mark.parametrize(
    "bad",
    [
        "text",
        None,
        7,
        [],
        {},
        {"labels": None},
        {"labels": "service=checkout"},
        {"labels": [1]},
        {"labels": []},
    ],
)
def test_one_bad_alert_does_not_lose_the_others(bad):
    """It becomes an alert on `unknown`, with what was sent."""
    alerts = parse({"alerts": [GOOD, bad, GOOD]}, SENDER)
    assert [alert.service for alert in alerts] == ["checkout", "unknown", "checkout"]
    assert alerts[1].severity is None
    assert alerts[1].raw == (bad if isinstance(bad, str) else json.dumps(bad))
    assert alerts[1].notes


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": "x"},
        {"annotations": {"summary": 7, "description": []}},
        {"fingerprint": 7},
        {"startsAt": {}},
        {"generatorURL": []},
        {"status": ["firing"]},
        {"status": None},
    ],
)
def test_wrong_types_in_a_readable_alert(change):
    """Service and severity can be read, so the alert is that service's."""
    (alert,) = parse({"alerts": [GOOD | change]}, SENDER)
    assert (alert.service, alert.severity, alert.status) == ("checkout", "SEV1", "firing")


@pytest.mark.parametrize("whole", [{}, [], "x", None, 7, {"alerts": {}}, {"alerts": "none"}])
def test_not_a_group_at_all(whole):
    """Somebody with the key wanted to tell something: one incident says so."""
    (alert,) = parse(whole, SENDER)
    assert (alert.service, alert.status) == ("unknown", "firing")
    assert alert.raw is not None


def test_an_empty_group_is_nothing():
    """No alert, no incident."""
    assert parse({"alerts": []}, SENDER) == []


def test_truncated_group_says_so():
    """Alertmanager's `max_alerts` leaves some out; that must be seen."""
    (alert,) = parse({"alerts": [GOOD], "truncatedAlerts": 12}, SENDER)
    assert "12" in alert.notes[0]


def test_alert_without_a_fingerprint():
    """The same labels are the same alert."""
    first, again = parse({"alerts": [GOOD, GOOD]}, SENDER)
    assert first.key == again.key


def test_absurdly_large_group():
    """What is read is bounded, and that something was left out is an alert of its own."""
    alerts = parse({"alerts": [GOOD] * (MAX_ALERTS + 500)}, SENDER)
    assert len(alerts) == MAX_ALERTS + 1
    assert "500 more alerts" in alerts[-1].notes[0]
    assert alerts[-1].service == "unknown"

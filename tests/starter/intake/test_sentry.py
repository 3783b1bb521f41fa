"""Sentry's webhooks: what is an alert, under which key it clears, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from starter.intake.formats import NoAlert
from starter.intake.received import Received
from starter.intake.sentry import FORMAT, is_genuine
from tests.starter.intake.examples import AT, example, payload, sender


def read(name: str):
    (alert,) = FORMAT.parse(example("sentry", name), sender())
    return alert


def test_issue_alert():
    """An event that triggered a rule fires under the key of its issue."""
    alert = read("event_alert")
    assert (alert.key, alert.status, alert.severity) == ("issue/1117540176", "firing", "SEV2")
    assert alert.summary == "ReferenceError: heck is not defined"
    assert "Very Important Alert Rule!" in alert.description
    assert (alert.link or "").endswith("/events/e4874d664c3540c1a32eab185f12c5ab/")


def test_issue_of_the_rule_clears_it():
    """The issue's own webhook has the same key, so that resolving it at Sentry clears the alert."""
    body = payload("sentry", "issue_resolved")
    body["data"]["issue"]["id"] = "1117540176"
    headers = example("sentry", "issue_resolved").headers
    (alert,) = FORMAT.parse(Received(json.dumps(body).encode(), headers), sender())
    assert (alert.key, alert.status) == (read("event_alert").key, "resolved")


def test_an_event_and_its_issue_are_of_one_service():
    """An event names its project by a number and, in its address, by the name that the issue has."""
    body = payload("sentry", "event_alert")
    body["data"]["event"]["tags"] = []
    headers = example("sentry", "event_alert").headers
    (fires,) = FORMAT.parse(Received(json.dumps(body).encode(), headers), sender())
    assert fires.service == read("issue_resolved").service == "checkout"
    body["data"]["event"]["url"] = "https://sentry.io/elsewhere/"
    (lost,) = FORMAT.parse(Received(json.dumps(body).encode(), headers), sender())
    assert lost.service == "unknown"


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("created", "firing"), ("unresolved", "firing"), ("resolved", "resolved"),
        ("archived", "resolved"), ("ignored", "resolved"), ("assigned", "acknowledged"),
    ],
)  # fmt: skip
def test_actions_on_an_issue(action, status):
    """Resolved and archived clear, assigned is somebody taking it."""
    body = payload("sentry", "issue_created") | {"action": action}
    headers = example("sentry", "issue_created").headers
    (alert,) = FORMAT.parse(Received(json.dumps(body).encode(), headers), sender())
    assert (alert.status, alert.service) == (status, "checkout")


def test_who_took_it():
    """The person to whom Sentry assigned it."""
    alert = read("issue_assigned")
    assert (alert.status, alert.by) == ("acknowledged", "alice@example.com")


def test_metric_alert():
    """Critical and warning are severities; resolved clears by the same key."""
    firing, over = read("metric_critical"), read("metric_resolved")
    assert (firing.severity, firing.status) == ("SEV1", "firing")
    assert (over.status, over.key) == ("resolved", firing.key)
    assert firing.summary == "Critical: Too many errors"


@pytest.mark.parametrize("resource", ["installation", "comment"])
def test_what_is_no_alert(resource):
    """It is answered, and raises nothing; why is told."""
    body = {"action": "created", "data": {"installation": {"status": "pending"}}}
    received = Received(json.dumps(body).encode(), {"sentry-hook-resource": resource})
    alerts = FORMAT.parse(received, sender())
    assert isinstance(alerts, NoAlert)
    assert resource in alerts.why


def test_something_new_of_sentry_is_not_dropped():
    """A resource that nobody knows yet came with the key: it is shown on `unknown`."""
    body = {"action": "triggered", "data": {"uptime": {"id": 1}}}
    received = Received(json.dumps(body).encode(), {"sentry-hook-resource": "uptime"})
    (alert,) = FORMAT.parse(received, sender())
    assert alert.service == "unknown"


def test_signature():
    """The hexadecimal HMAC of the bytes as they came."""
    body = example("sentry", "event_alert").body
    good = hmac.new(b"client-secret", body, hashlib.sha256).hexdigest()
    assert is_genuine(Received(body, {"sentry-hook-signature": good}), "client-secret", AT)
    for headers in ({}, {"sentry-hook-signature": ""}, {"sentry-hook-signature": good.upper()}):
        assert not is_genuine(Received(body, headers), "client-secret", AT)
    assert not is_genuine(
        Received(body + b" ", {"sentry-hook-signature": good}), "client-secret", AT
    )

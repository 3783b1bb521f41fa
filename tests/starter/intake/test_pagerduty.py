"""PagerDuty's events: which service and severity they mean, and what else they say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.policy.intake import AlertMap, LabelMap
from domain.policy.model import Policy
from starter.intake.mapping import Sender
from starter.intake.pagerduty import InvalidEventError, parse
from starter.intake.received import Received

DATA = Path(__file__).parents[2] / "data" / "intake" / "pagerduty"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Policy.model_validate({"services": {"checkout": {}, "search": {}}})


def sender(**map_):
    return Sender("pd", POLICY, NOW, AlertMap(**map_))


def sample(name):
    return json.loads((DATA / f"{name}.json").read_text())


def one(event, by=None):
    (alert,) = parse(Received(json.dumps(event).encode()), by or sender())
    return alert


def with_payload(**fields):
    payload = {"summary": "Disk full", "source": "db-1", "severity": "critical", **fields}
    return {"event_action": "trigger", "dedup_key": "k", "payload": payload}


@pytest.mark.parametrize(
    ("word", "severity"),
    [("critical", "SEV1"), ("error", "SEV2"), ("warning", "SEV3"), ("info", "SEV3")],
)
def test_severity(word, severity):
    """PagerDuty's four words; what a detail of that name says does not count."""
    payload = {"severity": word, "custom_details": {"service": "checkout", "severity": "page"}}
    assert one(with_payload(**payload)).severity == severity


def test_severity_by_the_policys_map():
    """Where the policy maps severity itself, the details' label counts before PagerDuty's field."""
    by = sender(severity=LabelMap(label="severity", values={"minor": "SEV3"}))
    details = {"service": "checkout", "severity": "minor"}
    assert one(with_payload(custom_details=details), by).severity == "SEV3"
    assert one(with_payload(custom_details={"service": "checkout"}), by).severity == "SEV1"


@pytest.mark.parametrize(
    ("payload", "service"),
    [
        ({"custom_details": {"service": "search"}, "component": "checkout"}, "search"),
        ({"component": "checkout"}, "checkout"),
        ({"component": "postgres"}, "unknown"),
        ({"custom_details": "free text", "component": "search"}, "search"),
        ({}, "unknown"),
    ],
)
def test_service_is_a_detail_and_then_the_component(payload, service):
    """The label `service` of the details; without it the component."""
    assert one(with_payload(**payload)).service == service


def test_service_by_the_policys_map():
    """Another label, other names, and what counts where nothing fits."""
    by = sender(service=LabelMap(label="app", values={"shop": "checkout"}, default="search"))
    assert one(with_payload(custom_details={"app": "shop"}), by).service == "checkout"
    assert one(with_payload(component="shop"), by).service == "checkout"
    assert one(with_payload(), by).service == "search"
    assert one(with_payload(**{"class": "disk"}), sender(service=LabelMap(label="class"))).notes


def test_alertmanagers_own_text():
    """It names the service only in its text about the alerts; one that they all have counts."""
    event = sample("alertmanager_trigger")
    alert = one(event)
    assert (alert.service, alert.severity, alert.notes) == ("checkout", "SEV2", [])
    assert alert.link == "http://alertmanager.example.com:9093/#/alerts?receiver=all"
    text = event["payload"]["custom_details"]["firing"]
    two = text.replace("service = checkout", "service = search", 1)
    event["payload"]["custom_details"]["firing"] = two
    assert one(event).service == "unknown"


def test_everything_that_an_event_says():
    """Links, context and details reach whoever is paged."""
    alert = one(sample("trigger_with_everything"))
    assert alert.key == "pd/disk/db-1"
    assert alert.summary == "Disk of db-1 is full"
    assert alert.link == "https://monitoring.example.com"
    assert alert.links == ["https://wiki.example.com/disk", "https://graphs.example.com/"]
    for said in ("group: prod-datapipe", "class: disk", "free space: 1%", "load: [0.32, 1.1]"):
        assert said in alert.description
    assert alert.starts_at == datetime(2026, 11, 24, 11, 59, tzinfo=UTC)


def test_resolution_with_labels():
    """Alertmanager's says where it belongs; what else it lacks is no fault of it."""
    alert = one(sample("alertmanager_resolve"))
    assert (alert.status, alert.service, alert.notes) == ("resolved", "checkout", [])
    bare = one({"event_action": "resolve", "dedup_key": "k"})
    assert (bare.service, bare.notes, bare.raw) == ("unknown", [], None)


def test_links_that_are_none():
    """What cannot be shown as a link is left out."""
    event = with_payload(component="checkout")
    event |= {"links": [{"href": "javascript:alert(1)"}, 7, {}], "images": "x", "client_url": "y"}
    alert = one(event)
    assert (alert.link, alert.links) == (None, [])


def test_refusal_names_every_mistake():
    """As PagerDuty does."""
    with pytest.raises(InvalidEventError) as caught:
        parse(Received(b'{"event_action": "trigger", "payload": {"class": "a"}}'), sender())
    assert len(caught.value.errors) == 3

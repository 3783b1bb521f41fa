"""Opsgenie's alerts: which service and severity they mean, and who did what to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.policy.intake import AlertMap, LabelMap
from domain.policy.model import Policy
from starter.intake import opsgenie
from starter.intake.mapping import Sender
from starter.intake.opsgenie import ACTIONS, InvalidAlertError, parse, person_of
from starter.intake.received import Received

DATA = Path(__file__).parents[2] / "data" / "intake" / "opsgenie"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "services": {"checkout": {}, "search": {}},
        "people": {
            "ann": {"contacts": [{"channel": "email", "to": "Ann@example.com"}]},
            "bob": {"contacts": [{"channel": "sms", "to": "+4915550001"}]},
        },
    }
)


def sender(**map_):
    return Sender("genie", POLICY, NOW, AlertMap(**map_))


def one(body, by=None):
    (alert,) = parse(Received(json.dumps(body).encode()), by or sender())
    return alert


def sample(name):
    return json.loads((DATA / f"{name}.json").read_text())


def test_alertmanager():
    """Its details are the labels that the alerts of the group share."""
    alert = one(sample("alertmanager_create"))
    assert (alert.service, alert.severity, alert.notes) == ("checkout", "SEV2", [])
    assert alert.key.startswith("genie/97510b418c30a6bc")
    assert alert.link == "http://alertmanager.example.com:9093/#/alerts?receiver=all"


def test_everything_that_a_request_says():
    """Texts, responders and addresses reach whoever is paged."""
    alert = one(sample("create_with_everything"))
    assert alert.severity == "SEV1"
    assert alert.runbooks == ["https://runbooks.example.com/checkout"]
    assert alert.link == "https://monitoring.example.com/7"
    for said in ("Every alert needs", "trinity@example.com", "Restart", "key2: value2"):
        assert said in alert.description


@pytest.mark.parametrize(
    ("body", "service"),
    [
        ({"details": {"service": "search"}, "entity": "checkout"}, "search"),
        ({"entity": "checkout"}, "checkout"),
        ({"entity": "web-7"}, "unknown"),
        ({"details": ["service"]}, "unknown"),
    ],
)
def test_service_is_a_detail_and_then_the_entity(body, service):
    """The label `service` of the details; without it the entity."""
    assert one({"message": "m", **body}).service == service


def test_severity_by_the_policys_map():
    """Where the policy maps severity itself, it sees details and priority as they are."""
    by = sender(severity=LabelMap(label="priority", values={"P3": "SEV1"}))
    assert one({"message": "m", "entity": "checkout"}, by).severity == "SEV1"
    by = sender(severity=LabelMap(label="severity", values={"minor": "SEV3"}))
    details = {"service": "checkout", "severity": "minor"}
    assert one({"message": "m", "priority": "P1", "details": details}, by).severity == "SEV3"


def test_priority_that_does_not_exist():
    """Taken as P3, and a note says so."""
    alert = one({"message": "m", "entity": "checkout", "priority": "urgent"})
    assert alert.severity == "SEV3"
    assert "URGENT" in alert.notes[0]


@pytest.mark.parametrize(
    ("said", "who"),
    [("ann", "ann"), ("ann@EXAMPLE.com", "ann"), ("+4915550001", "+4915550001"), ("x" * 300, None)],
)
def test_who_did_it(said, who):
    """By the key of a person or their address; anybody else is called what the sender calls them."""
    found = person_of(POLICY, said)
    assert found == who if who else len(found) == 100


def test_words_about_an_alert():
    """What Tocsin does not do itself is told with what it was about."""
    (word,) = opsgenie.word_of(ACTIONS["snooze"], {"endTime": "2027", "user": "ann"}, sender(), "a")
    assert (word.status, word.by) == ("noted", "ann")
    assert word.description == "Snoozed at the sender (endTime: 2027)"
    assert word.notes == []


def test_refusals():
    """Only what says nothing at all."""
    for body in (b"{}", b"[]", b"x", b'{"message": 0.0e', b'{"message": null}'):
        with pytest.raises(InvalidAlertError):
            parse(Received(body), sender())

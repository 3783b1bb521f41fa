"""Grafana's webhook: Alertmanager's group with more in it, people's own templates, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from starter.intake.grafana import FORMAT, is_genuine, parse
from starter.intake.received import Received
from tests.starter.intake.examples import AT, example, payload, sender

SECRET = "grafana-secret"
BODY = b'{"alerts": [] }'
NOW = int(AT.timestamp())


def signature(said: bytes) -> str:
    return hmac.new(SECRET.encode(), said, hashlib.sha256).hexdigest()


def test_group_of_two():
    """Values, and the addresses of dashboard, panel, silence and picture, are kept."""
    first, second = parse(payload("grafana", "two_firing"), sender())
    assert (first.key, first.severity, first.status) == ("57c6d9296de2ad39", "SEV1", "firing")
    assert first.summary == "Checkout returns 5xx for 38% of requests"
    assert first.description.splitlines() == ["5xx ratio above 5% for 5m", "Values: B=0.38, C=1"]
    assert first.link == "https://grafana.example.com/alerting/grafana/fdmyqxy/view?orgId=1"
    assert [link.split("/")[3].split("?")[0] for link in first.links] == [
        "d", "d", "alerting", "images",
    ]  # fmt: skip
    assert first.runbooks == ["https://runbooks.example.com/checkout/5xx"]
    assert (second.summary, second.links) == ("Slow payments", [])
    assert second.description.startswith("**Firing**")


def test_resolved():
    """It clears by the key under which it fired."""
    (alert,) = parse(payload("grafana", "resolved"), sender())
    assert (alert.status, alert.key) == ("resolved", "57c6d9296de2ad39")


def test_title_where_an_alert_has_no_name():
    """The group's title is the summary of an alert that says none of its own."""
    group = payload("grafana", "two_firing")
    del group["alerts"][1]["labels"]["alertname"]
    assert parse(group, sender())[1].summary == "[FIRING:2] checkout (Shop)"


@pytest.mark.parametrize(
    ("name", "said"), [("DatasourceNoData", "No data"), ("DatasourceError", "Error in the query")]
)
def test_a_rule_that_cannot_be_evaluated(name, said):
    """Grafana's own alert has the rule's labels: it is that service's, and says what is the matter."""
    group = payload("grafana", "no_data")
    group["alerts"][0]["labels"]["alertname"] = name
    (alert,) = parse(group, sender())
    assert alert.summary == f"{said}: High error rate"
    assert (alert.service, alert.severity, alert.notes) == ("checkout", "SEV1", [])


def test_alerting_before_version_nine():
    """One alert with a state instead of a group."""
    old = payload("grafana", "old_dashboard_alert")
    (alert,) = parse(old, sender())
    assert (alert.summary, alert.severity, alert.key) == ("Queue length", "SEV2", "rule/7")
    (over,) = parse(old | {"state": "ok"}, sender())
    assert (over.status, over.key) == ("resolved", "rule/7")


@pytest.mark.parametrize("body", [b"Alert: disk full", b"", b"{", b"{}", b'{"alerts": 7}', b'"x"'])
def test_what_a_template_has_made_of_it_is_never_dropped(body):
    """Whatever people write into their template: an incident on `unknown` shows it."""
    (alert,) = FORMAT.parse(Received(body), sender())
    assert (alert.service, alert.status) == ("unknown", "firing")
    assert alert.raw == body.decode().strip('"')


def test_signature_over_the_body():
    """As Grafana signs without a name for the time's header."""
    good = {"x-grafana-alerting-signature": signature(BODY)}
    assert is_genuine(Received(BODY, good), SECRET, AT)
    assert not is_genuine(Received(BODY + b" ", good), SECRET, AT)
    assert not is_genuine(Received(BODY, good), "other", AT)


@pytest.mark.parametrize(
    "header",
    [None, "", "sha256=" + signature(BODY), signature(BODY).upper(), signature(BODY)[:-1], "é"],
)
def test_wrong_signature(header):
    """Only the bare small hexadecimal digits will do."""
    headers = {} if header is None else {"x-grafana-alerting-signature": header}
    assert not is_genuine(Received(BODY, headers), SECRET, AT)


@pytest.mark.parametrize(
    ("off", "is_taken"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)]
)
def test_window(off, is_taken):
    """With a time it is signed with it, and holds for 300 s in both directions."""
    stamp = str(NOW + off)
    headers = {
        "x-grafana-alerting-signature-timestamp": stamp,
        "x-grafana-alerting-signature": signature(stamp.encode() + b":" + BODY),
    }
    assert is_genuine(Received(BODY, headers), SECRET, AT) is is_taken
    assert is_genuine(Received(BODY, headers), SECRET, AT + timedelta(milliseconds=900)) is is_taken


@pytest.mark.parametrize("stamp", ["", "soon", "1e9", "-5", "²", "1" * 30])
def test_a_time_that_is_none(stamp):
    """It is refused, however it is signed."""
    headers = {
        "x-grafana-alerting-signature-timestamp": stamp,
        "x-grafana-alerting-signature": signature(stamp.encode() + b":" + BODY),
    }
    assert not is_genuine(Received(BODY, headers), SECRET, AT)


def test_a_time_cannot_be_taken_away():
    """The signature over time and body does not hold for the body alone."""
    signed = signature(f"{NOW}:".encode() + BODY)
    assert not is_genuine(Received(BODY, {"x-grafana-alerting-signature": signed}), SECRET, AT)


def test_examples_are_as_grafana_writes_them():
    """The state `alerting` or `ok` stands beside the status."""
    assert json.loads(example("grafana", "two_firing").body)["state"] == "alerting"

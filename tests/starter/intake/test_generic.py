"""Any JSON: the usual names, expressions of the policy, and the signature of Standard Webhooks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks

from domain.errors import IntakeError, PolicyError
from records.policy_file import read_policy
from starter.intake import CAN_SIGN
from starter.intake.formats import NoAlert
from starter.intake.generic import FORMAT, is_genuine, parse, webhook_id
from starter.intake.mapping import MAX_ALERTS
from starter.intake.received import Received
from tests.starter.intake.examples import AT, payload, sender

FIELDS = {
    "alerts": "events[*]",
    "service": "app.name",
    "severity": "sev",
    "summary": "join(': ', [app.name, text])",
    "key": "uid",
    "resolved": "is_over",
    "link": "urls[0]",
    "links": "urls",
    "description": "long",
    "labels": "tags",
    "starts_at": "at",
    "priority": "prio",
}
EVENT = {
    "uid": 7, "sev": "critical", "text": "slow", "app": {"name": "checkout"}, "is_over": False,
    "urls": ["https://a.example", "https://b.example", "javascript:1"], "long": "a\nb",
    "tags": {"zone": "a"}, "at": 1795442846000, "prio": "p4",
}  # fmt: skip


def one(body, **fields):
    (alert,) = parse(body, sender(fields=fields) if fields else sender())
    return alert


def test_usual_names():
    """Without expressions the usual names at the top level are read."""
    alert = one(payload("generic", "flat"))
    assert (alert.service, alert.severity, alert.status) == ("checkout", "SEV2", "firing")
    assert (alert.summary, alert.key) == ("Replication lag is 900 s", "db-7")
    assert alert.link == "https://db.example.com/7"
    assert alert.starts_at == datetime.fromtimestamp(1795442846, UTC)
    assert one(payload("generic", "flat_resolved")).status == "resolved"


@pytest.mark.parametrize("name", ["summary", "title", "message", "name"])
def test_names_of_the_summary(name):
    """Whichever of them is there."""
    assert one({name: "Disk full"}).summary == "Disk full"


@pytest.mark.parametrize("name", ["key", "id", "dedup_key", "fingerprint"])
def test_names_of_the_key(name):
    """Whichever of them is there, numbers too."""
    assert one({name: 17, "title": "x"}).key == "17"


def test_without_a_key():
    """The same service and summary are the same thing."""
    first, again = (
        one({"title": "Disk", "service": "checkout"}),
        one({"title": "Disk", "service": "checkout", "value": 3}),
    )
    assert first.key == again.key != one({"title": "CPU", "service": "checkout"}).key


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("resolved", "resolved"), ("OK", "resolved"), ("Closed", "resolved"), ("recovered", "resolved"),
        ("firing", "firing"), ("open", "firing"), ("CRITICAL", "firing"), ("acknowledged", "acknowledged"),
        (None, "firing"), ("", "firing"),
    ],
)  # fmt: skip
def test_states(word, status):
    """The words that senders use."""
    alert = one({"title": "x", "service": "checkout", "severity": "low", "state": word})
    assert (alert.status, alert.notes) == (status, [])


def test_a_state_without_a_meaning():
    """It fires, and the timeline says what was sent."""
    alert = one({"title": "x", "state": "purple"})
    assert alert.status == "firing"
    assert any("purple" in note for note in alert.notes)


def test_expressions():
    """Each field by its own, one alert for each element."""
    first, second = parse(
        {"events": [EVENT, EVENT | {"uid": 8, "is_over": True}]}, sender(fields=FIELDS)
    )
    assert (first.service, first.severity, first.priority) == ("checkout", "SEV1", "P4")
    assert (first.summary, first.key, first.description) == ("checkout: slow", "7", "a\nb")
    assert (first.link, first.links) == (
        "https://a.example",
        ["https://a.example", "https://b.example"],
    )
    assert first.starts_at == datetime.fromtimestamp(1795442846, UTC)
    assert (second.status, second.key) == ("resolved", "8")


def test_map_and_rules_see_what_expressions_give():
    """A field's value stands under its own name among the labels, and `fields.labels` beside it."""
    rules = [{"when": {"zone": "a"}, "set": {"severity": "SEV3"}}]
    map_ = {"service": {"label": "service", "values": {"shop": "search"}}}
    body = {"events": [EVENT | {"app": {"name": "shop"}}]}
    (alert,) = parse(body, sender(fields=FIELDS, rules=rules, map=map_))
    assert (alert.service, alert.severity) == ("search", "SEV3")


def test_an_expression_that_does_not_fit_the_payload():
    """Its field gets the default, with a note; the alert is not lost."""
    alert = one({"text": 7}, summary="join(', ', text)", service="a.b.c")
    assert alert.summary == "alert from test"
    assert any("fields.summary cannot be applied" in note for note in alert.notes)


@pytest.mark.parametrize("body", [{}, {"events": None}, {"event": []}, 7, "x", None])
def test_no_alerts_where_they_should_be(body):
    """The list that the policy names is not there: what was sent is shown."""
    (alert,) = parse(body, sender(fields={"alerts": "events"}))
    assert alert.service == "unknown"
    assert "fields.alerts" in alert.notes[0]


@pytest.mark.parametrize(("body", "fields"), [([], {}), ({"events": []}, {"alerts": "events"})])
def test_an_empty_list_is_nothing(body, fields):
    """And why it is nothing is told."""
    found = parse(body, sender(fields=fields) if fields else sender())
    assert isinstance(found, NoAlert)
    assert found.why


@pytest.mark.parametrize("body", [7, "disk full", None, True, [7], [["x"]]])
def test_what_has_no_names(body):
    """A bare value is shown on `unknown`."""
    (alert,) = parse(body, sender())
    assert (alert.service, alert.status) == ("unknown", "firing")


def test_too_many():
    """What is read is bounded, and the rest is an alert that says so."""
    found = parse([{"title": "x"}] * (MAX_ALERTS + 2), sender())
    assert len(found) == MAX_ALERTS + 1
    assert "2 more alerts" in found[-1].notes[0]


def test_a_bad_expression_is_found_by_the_check(tmp_path):
    """With its file and line, before any alert comes."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1\npeople: {a: {name: A, contacts: [{channel: email, to: a@example.com}]}}\n"
        "integrations:\n  own:\n    format: generic\n    key: 'env:KEY'\n    fields:\n"
        "      summary: 'a ||'\n      sumary: a\n"
    )
    with pytest.raises(PolicyError) as caught:
        read_policy(file, formats=CAN_SIGN)
    found = {problem.where: problem for problem in caught.value.problems}
    assert found["integrations.own.fields.summary"].line == 8
    assert "JMESPath" in found["integrations.own.fields.summary"].detail
    assert found["integrations.own.fields.sumary"].near == ("summary",)


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"title": "x"}).encode()


def signed(at: datetime, webhook_id_: str = "msg_1", secret: str = SECRET) -> Received:
    """As the reference library signs."""
    stamp = at.replace(tzinfo=None)
    said = standardwebhooks.Webhook(secret).sign(webhook_id_, stamp, BODY.decode())
    headers = {
        "webhook-id": webhook_id_, "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": f"v1a,AAAA v1,AAAA {said}",
    }  # fmt: skip
    return Received(BODY, headers)


@pytest.mark.parametrize(
    ("off", "is_taken"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)]
)
def test_standard_webhooks(off, is_taken):
    """The reference library's signature holds for 300 s in both directions."""
    assert is_genuine(signed(AT + timedelta(seconds=off)), SECRET, AT) is is_taken


def test_standard_webhooks_forged():
    """Another secret, another id, another body."""
    good = signed(AT)
    assert not is_genuine(good, "whsec_" + "A" * 32, AT)
    assert not is_genuine(Received(BODY, good.headers | {"webhook-id": "msg_2"}), SECRET, AT)
    assert not is_genuine(Received(BODY + b" ", good.headers), SECRET, AT)
    assert not is_genuine(Received(BODY), SECRET, AT)
    assert webhook_id(good) == "msg_1"


def test_format_takes_json_only():
    """What is no JSON is refused, and the operator sees that it was."""
    with pytest.raises(IntakeError, match="not JSON"):
        FORMAT.parse(Received(b"disk full"), sender())

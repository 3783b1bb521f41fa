"""CloudEvents in their three modes, and how one event clears another."""

from __future__ import annotations

import base64
import json

import pytest

from domain.errors import IntakeError
from starter.intake.cloudevents import FORMAT, delivery_id
from starter.intake.formats import NoAlert
from starter.intake.received import Received, WrongMediaTypeError
from tests.starter.intake.examples import example, payload, sender

ONE = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def read(event, headers=ONE):
    return FORMAT.parse(Received(json.dumps(event).encode(), headers), sender())


def event(**change):
    return payload("cloudevents", "structured") | change


def test_structured():
    """Labels are the top level of the data; the subject is the key."""
    (alert,) = read(event())
    assert (alert.service, alert.severity, alert.status) == ("checkout", "SEV1", "firing")
    assert alert.key == "https://monitor.example.com/rules/17|checkout/5xx"
    assert alert.summary == "Checkout returns 5xx for 38% of requests"
    assert alert.link == "https://monitor.example.com/rules/17"
    assert alert.starts_at is not None


def test_binary_headers_are_percent_decoded():
    """Blanks, quotes, per cent and other letters come encoded."""
    (alert,) = FORMAT.parse(example("cloudevents", "binary"), sender())
    assert alert.key == "/monitor/café|checkout 5xx"
    headers = example("cloudevents", "binary").headers | {"ce-subject": "100%25%20%22full%22"}
    (alert,) = FORMAT.parse(Received(b'{"service": "checkout"}', headers), sender())
    assert alert.key.endswith('|100% "full"')
    assert alert.summary == '100% "full"'


def test_binary_text():
    """Data of another type is the summary."""
    headers = {
        "content-type": "text/plain",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "t",
        "ce-specversion": "1.0",
    }
    (alert,) = FORMAT.parse(Received(b"disk full", headers), sender())
    assert (alert.summary, alert.service) == ("disk full", "unknown")


def test_batch_counts_an_event_once():
    """Source and id are the event: the third of the batch is the first again."""
    first, second = FORMAT.parse(example("cloudevents", "batch"), sender())
    assert (first.status, second.status) == ("firing", "resolved")
    assert first.key == second.key


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"type": "com.example.alert.resolved"}, "resolved"),
        ({"type": "com.example.alert.ok"}, "resolved"),
        ({"type": "com.example.alert.closed"}, "resolved"),
        ({"type": "com.example.alert"}, "firing"),
        ({"data": {"service": "checkout", "status": "resolved"}}, "resolved"),
        ({"data": {"service": "checkout", "state": "OK"}, "type": "x.firing"}, "resolved"),
    ],
)
def test_status(change, status):
    """By the data, else by the last word of the type."""
    assert read(event(**change))[0].status == status


def test_keys():
    """The data's key, the subject, or source and type without its state."""
    assert read(event(data={"key": "k1"}))[0].key == "k1"
    fires, over = event(type="a.b.firing"), event(type="a.b.resolved")
    for one in (fires, over):
        del one["subject"]
    assert read(fires)[0].key == read(over)[0].key == "https://monitor.example.com/rules/17|a.b"
    assert read(event(data={"id": "77", "service": "checkout"}))[0].key.endswith("|checkout/5xx")


def test_data_in_base64():
    """It is read when it holds JSON."""
    packed = base64.b64encode(b'{"service": "checkout", "severity": "page"}').decode()
    one = event(data_base64=packed)
    del one["data"]
    assert read(one)[0].severity == "SEV1"


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_an_attribute_that_is_missing(name):
    """The event is taken all the same, and the timeline says what it lacks."""
    one = event()
    del one[name]
    (alert,) = read(one)
    assert alert.service == "checkout"
    assert alert.notes == [f"attribute {name} is missing"]


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/cloudevents+avro", ""]
)
def test_no_cloudevent(kind):
    """The sender is told that the Content-Type is none of the three modes'."""
    with pytest.raises(WrongMediaTypeError):
        read({"a": 1}, {"content-type": kind})


def test_not_json():
    """Structured, and no JSON: the sender is told."""
    with pytest.raises(IntakeError):
        FORMAT.parse(Received(b"{", ONE), sender())


def test_batches_that_hold_nothing():
    """An empty one is nothing; what is no list is shown."""
    assert isinstance(read([], BATCH), NoAlert)
    assert read({"a": 1}, BATCH)[0].service == "unknown"
    assert [alert.service for alert in read([7, event()], BATCH)] == ["unknown", "checkout"]


def test_delivery_id():
    """The same event has the same id in every mode; a signed webhook has its own."""
    whole = Received(json.dumps(event()).encode(), ONE)
    batch = Received(json.dumps([event()]).encode(), BATCH)
    other = Received(json.dumps(event(id="B")).encode(), ONE)
    assert delivery_id(whole) == delivery_id(batch) != delivery_id(other)
    assert delivery_id(Received(whole.body, {**ONE, "webhook-id": "msg_1"})) == "msg_1"
    assert delivery_id(Received(b"{", ONE)) is None
    assert delivery_id(Received(b"{}", ONE)) is None

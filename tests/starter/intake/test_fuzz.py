"""Whatever arrives at any format: never more than a refusal, and every alert accounted for."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.alert import MAX_ALERT_BYTES, Alert
from domain.errors import IntakeError
from starter.intake import FORMATS
from starter.intake.formats import NoAlert
from starter.intake.mapping import MAX_ALERTS
from starter.intake.received import Received
from tests.starter.intake.examples import BOUNDARY, examples, usual_sender

EXAMPLES = settings(
    max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
    | st.sampled_from(["firing", "resolved", "critical", "checkout", "\x00", "\ud800", "9" * 5000])
)  # fmt: skip
NAMES = st.text(max_size=8) | st.sampled_from(
    ["alerts", "labels", "status", "data", "event", "issue", "metric_alert", "Type", "Message", "id",
     "source", "type", "specversion", "title", "summary", "service", "severity", "tags", "payload"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
KINDS = st.sampled_from(
    ["application/json", "text/plain", "", f"multipart/form-data; boundary={BOUNDARY}", "multipart/form-data",
     "application/x-www-form-urlencoded", "application/cloudevents+json", "é;;=",
     "application/cloudevents-batch+json"]
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(
        ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "sentry-hook-resource",
         "webhook-id", "x-amz-sns-message-type", "request-id"]
    ),
    st.text(max_size=20), max_size=5,
)  # fmt: skip


def take(name: str, received: Received) -> list[Alert] | None:
    """What becomes of a request; None where it is refused."""
    one = FORMATS[name]
    if one.delivery_id is not None:
        one.delivery_id(received)
    if one.verify is not None:
        who = usual_sender(name)
        assert one.verify(received, "secret-of-the-integration", who.received_at) is False
    try:
        return one.parse(received, usual_sender(name))
    except IntakeError:
        return None


def check(alerts: list[Alert] | None) -> None:
    """Refused, or no alert for a reason, or alerts that can be stored and sent."""
    if alerts is None:
        return
    if not alerts:
        assert isinstance(alerts, NoAlert)
        assert alerts.why
    assert len(alerts) <= MAX_ALERTS + 1
    for alert in alerts:
        assert alert.key
        assert alert.summary.strip()
        assert alert.size <= MAX_ALERT_BYTES
        again = Alert.model_validate_json(alert.model_dump_json())
        assert again.model_dump() == alert.model_dump()


@pytest.mark.parametrize("name", FORMATS)
@EXAMPLES
@given(value=JSON, kind=KINDS, headers=HEADERS)
def test_any_json(name, value, kind, headers):
    """Any value at all, under any Content-Type."""
    body = json.dumps(value).encode()
    check(take(name, Received(body, {"content-type": kind, **headers})))


@pytest.mark.parametrize("name", FORMATS)
@EXAMPLES
@given(body=st.binary(max_size=400), kind=KINDS, headers=HEADERS)
def test_any_bytes(name, body, kind, headers):
    """What is no text, no JSON and no form."""
    check(take(name, Received(body, {"content-type": kind, **headers})))


@pytest.mark.parametrize("name", FORMATS)
@EXAMPLES
@given(data=st.data())
def test_examples_with_anything_in_them(name, data):
    """A real payload in which some places hold something else."""
    mine = [one for one in examples() if one.format == name]
    one = data.draw(st.sampled_from(mine))
    if one.received.headers["content-type"].startswith("multipart/"):
        body = bytearray(one.received.body)
        for _ in range(data.draw(st.integers(1, 6))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        check(take(name, Received(bytes(body), one.received.headers)))
        return
    value: Any = copy.deepcopy(json.loads(one.received.body))
    for _ in range(data.draw(st.integers(1, 4))):
        spot = value
        while isinstance(spot, dict | list) and spot:
            steps = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
            step = data.draw(st.sampled_from(steps))
            if not isinstance(spot[step], dict | list) or data.draw(st.booleans()):
                spot[step] = data.draw(JSON)
                break
            spot = spot[step]
    check(take(name, Received(json.dumps(value).encode(), one.received.headers)))


@pytest.mark.parametrize("name", FORMATS)
@EXAMPLES
@given(data=st.data())
def test_examples_that_were_cut(name, data):
    """A real payload of which only a part arrived."""
    mine = [one for one in examples() if one.format == name]
    one = data.draw(st.sampled_from(mine)).received
    end = data.draw(st.integers(0, len(one.body)))
    check(take(name, Received(one.body[:end], one.headers)))

"""PagerDuty's addresses: its clients get the answers that PagerDuty gives, and nothing with a key is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starter.reception.group_commit import TooManyWaitingError
from starter.temporal_link import GatewayUnavailableError
from tests.starter.api.vendor_policy import OTHER_PD_KEY, PD_KEY, vendor_policies

EVENTS = "/v2/enqueue"
SAMPLES = Path(__file__).parents[2] / "data/intake/pagerduty"


@pytest.fixture
def policies(tmp_path):
    return vendor_policies(tmp_path)


def event(action="trigger", **more):
    payload = {"summary": "Disk full", "source": "db-1", "severity": "critical"}
    payload |= {"custom_details": {"service": "checkout"}}
    found = {"routing_key": PD_KEY, "event_action": action, "dedup_key": "disk", **more}
    return found | ({"payload": payload} if action == "trigger" and "payload" not in more else {})


def post(client, body, path=EVENTS):
    return client.post(path, json=body)


def test_trigger(stranger, temporal):
    """202 in PagerDuty's words, and the desk has the alert."""
    answer = post(stranger, event())
    assert answer.status_code == 202
    said = {"status": "success", "message": "Event processed", "dedup_key": "disk"}
    assert answer.json() == said
    (alert,) = temporal.alerts()
    assert (alert["service"], alert["severity"], alert["integration"]) == ("checkout", "SEV1", "pd")
    assert alert["key"] == "pd/disk"
    assert PD_KEY not in json.dumps(alert)


def test_trigger_without_a_key_of_its_own(stranger, temporal):
    """PagerDuty makes one up and says it; two of them are two alerts, and each can be resolved."""
    body = event()
    del body["dedup_key"]
    keys = [post(stranger, body).json()["dedup_key"] for _ in range(2)]
    assert keys[0] != keys[1]
    assert post(stranger, event("resolve", dedup_key=keys[0])).status_code == 202
    fired, _, resolved = temporal.alerts()
    assert (resolved["status"], resolved["key"]) == ("resolved", fired["key"])
    assert resolved["service"] == "checkout"


@pytest.mark.parametrize(
    ("action", "status", "by"),
    [("acknowledge", "acknowledged", "pagerduty"), ("resolve", "resolved", None)],
)
def test_what_follows_a_trigger_finds_its_desk(stranger, temporal, action, status, by):
    """It carries nothing but the key."""
    post(stranger, event())
    said = post(stranger, event(action))
    assert (said.status_code, said.json()["dedup_key"]) == (202, "disk")
    alert = temporal.alerts()[1]
    assert (alert["status"], alert["service"], alert["key"]) == (status, "checkout", "pd/disk")
    assert (alert["by"], alert["notes"]) == (by, [])


def test_who_acknowledged(stranger, temporal):
    """The client says who it is."""
    post(stranger, event())
    post(stranger, event("acknowledge", client="Nightly job"))
    assert temporal.alerts()[1]["by"] == "Nightly job"


def test_another_integrations_key(stranger, temporal):
    """The same key under another routing key is another alert: it is not resolved."""
    post(stranger, event())
    assert post(stranger, event("resolve", routing_key=OTHER_PD_KEY)).status_code == 202
    assert all(alert["key"] != "pd/disk" for alert in temporal.alerts()[1:])


@pytest.mark.parametrize("key", ["nobody's", "x" * 32, PD_KEY[:-1], " "])
def test_unknown_routing_key(stranger, temporal, key):
    """400, which no client sends again, and nothing about what else is wrong."""
    answer = post(stranger, {"routing_key": key})
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert temporal.signals == []


WRONG = {
    "'routing_key' is missing or blank": {"routing_key": None},
    "'event_action' is missing or blank": {"event_action": ""},
    "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or "
    "'resolve')": {"event_action": "page"},
    "'payload' is missing or blank": {"payload": None},
    "'payload.source' is missing or blank": {
        "payload": {"summary": "a", "severity": "info", "source": " "}
    },
    "'payload.summary' is missing or blank": {"payload": {"source": "a", "severity": "info"}},
    "'payload.severity' is missing or blank": {"payload": {"source": "a", "summary": "b"}},
    "'payload.severity' is invalid (must be one of the following: 'critical', 'error', 'warning' "
    "or 'info')": {"payload": {"source": "a", "summary": "b", "severity": "bad"}},
    "'summary' is too long (maiximum is 1024 characters)": {
        "payload": {"source": "a", "summary": "b" * 1025, "severity": "info"}
    },
    "'dedup_key' is too long (maximum is 255 characters)": {"dedup_key": "k" * 256},
}


@pytest.mark.parametrize("said", WRONG)
def test_refusals(stranger, temporal, said):
    """400 with the mistake in PagerDuty's words."""
    answer = post(stranger, event(**WRONG[said]))
    assert answer.status_code == 400
    assert answer.json() == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": [said],
    }
    assert temporal.signals == []


def test_a_refusal_of_a_known_sender_is_told(api, stranger):
    """Its alert is nowhere else: the operator sees it. Of a stranger nothing is kept."""
    post(stranger, event(payload={"summary": "a"}))
    post(stranger, event(routing_key="nobody's", payload={}))
    stranger.post(EVENTS, content=json.dumps(event()).encode()[:-1])
    unreadable, *_ = api.get("/api/v1/intake/refused").json()["refused"]
    assert (unreadable["integration"], unreadable["status"]) == ("pd", 400)
    assert PD_KEY not in json.dumps(unreadable)
    _, row = api.get("/api/v1/intake/refused").json()["refused"]
    assert (row["integration"], row["format"]) == ("pd", "pagerduty")
    assert "'payload.source' is missing or blank" in json.dumps(row)


def test_every_mistake_at_once(stranger):
    """Whoever sets up a client sees all of them."""
    answer = post(stranger, event(payload={"class": "x"}, dedup_key="k" * 256))
    assert len(answer.json()["errors"]) == 4
    no_key = post(stranger, event("acknowledge", dedup_key=""))
    assert no_key.json()["errors"] == ["'dedup_key' is missing or blank"]


@pytest.mark.parametrize("body", [b"", b"<xml>", b"[]", b"7", b"[" * 100_000, b'{"a": \xff}'])
def test_no_event_at_all(stranger, temporal, body):
    """400: the event's form is not known."""
    answer = stranger.post(EVENTS, content=body)
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert temporal.signals == []


def test_longest_summary(stranger, temporal):
    """1024 characters are taken; what a headline has no room for stands in the description."""
    text = "b" * 1024
    payload = {"source": "a", "summary": text, "severity": "info"}
    assert post(stranger, event(payload=payload)).status_code == 202
    assert text in temporal.alerts()[0]["description"]


def test_too_large(stranger, temporal):
    """413 above 512 KB, and an incident says so where the key stands in what was read."""
    body = json.dumps(event(more="x" * 600_000)).encode()
    answer = stranger.post(EVENTS, content=body)
    assert (answer.status_code, answer.json()["status"]) == (413, "invalid event")
    (alert,) = temporal.alerts()
    assert alert["summary"] == "oversized alert from pd"
    assert PD_KEY not in json.dumps(alert)
    unnamed = body.replace(PD_KEY.encode(), b"x" * 32)
    stranger.post(EVENTS, content=unnamed)
    assert len(temporal.alerts()) == 1
    without = body.replace(b"routing_key", b"rooting_key")
    stranger.post(EVENTS, content=without, headers={"X-Routing-Key": PD_KEY})
    assert len(temporal.alerts()) == 2


@pytest.mark.parametrize("error", [GatewayUnavailableError("away"), TooManyWaitingError("full")])
def test_not_kept(app, api, stranger, temporal, error, monkeypatch):
    """429 with when to come again: PagerDuty's clients do."""

    async def fails(*_):
        raise error

    monkeypatch.setattr(app.state.services.reception, "deliver", fails)
    for body in (json.dumps(event()), json.dumps(event(more="x" * 600_000))):
        answer = stranger.post(EVENTS, content=body)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert set(answer.json()) == {"status", "message"}
    (row,) = api.get("/api/v1/intake/refused").json()["refused"]
    assert (row["integration"], row["status"], row["times"]) == ("pd", 429, 2)


def test_change_event(stranger, temporal):
    """A change is kept as context and is no alert."""
    payload = {"summary": "Build 7 is out", "timestamp": "2026-11-24T12:00:00+00:00Z"}
    payload |= {"custom_details": {"service": "checkout"}}
    links = [{"href": "https://ci.example.com/7", "text": "Build"}]
    body = {"routing_key": PD_KEY, "payload": payload, "links": links}
    answer = post(stranger, body, "/v2/change/enqueue")
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Change event processed"}
    (alert,) = temporal.alerts()
    assert (alert["status"], alert["service"]) == ("changed", "checkout")
    assert (alert["summary"], alert["link"]) == ("Build 7 is out", "https://ci.example.com/7")
    assert alert["starts_at"] == "2026-11-24T12:00:00Z"
    refused = post(stranger, {"routing_key": PD_KEY, "payload": {"a": 1}}, "/v2/change/enqueue")
    assert refused.json()["errors"] == ["'payload.summary' is missing or blank"]


def test_first_version(stranger, temporal):
    """Older tools send events of the API before: by `service_key` and `incident_key`."""
    path = "/generic/2010-04-15/create_event.json"
    body = {"service_key": PD_KEY, "event_type": "trigger", "incident_key": "k"}
    body |= {"description": "Disk full", "client": "Alertmanager", "details": {"service": "search"}}
    answer = post(stranger, body, path)
    assert (answer.status_code, answer.json()["incident_key"]) == (200, "k")
    body = {"service_key": PD_KEY, "event_type": "resolve", "incident_key": "k"}
    assert post(stranger, body, path).status_code == 200
    assert [(a["service"], a["status"]) for a in temporal.alerts()] == [
        ("search", "firing"),
        ("search", "resolved"),
    ]


def test_only_post(stranger):
    """There is nothing to read."""
    assert stranger.get(EVENTS).status_code == 405


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
fields = st.sampled_from(
    ["payload", "dedup_key", "event_action", "links", "images", "client", "client_url", "x"]
)
parts = st.sampled_from(
    ["summary", "source", "severity", "component", "custom_details", "timestamp", "group"]
)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    action=st.sampled_from(["trigger", "acknowledge", "resolve", "change"]),
    changes=st.dictionaries(fields, json_values, max_size=3),
    inside=st.dictionaries(parts, json_values, max_size=4),
)
def test_whatever_is_sent(stranger, temporal, action, changes, inside):
    """202 and an alert is there, or 400 and none: nothing between, and never a 5xx."""
    temporal.signals.clear()
    body = event(action)
    body["payload"] = {**event()["payload"], **inside}
    path = "/v2/change/enqueue" if action == "change" else EVENTS
    answer = stranger.post(path, content=json.dumps({**body, **changes}).encode())
    assert answer.status_code in (202, 400), answer.text
    assert bool(temporal.alerts()) == (answer.status_code == 202)
    assert all(PD_KEY not in json.dumps(alert) for alert in temporal.alerts())

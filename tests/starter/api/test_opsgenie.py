"""Opsgenie's addresses: its clients get the answers that Opsgenie gives, and nothing with a key is lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starter.reception.group_commit import TooManyWaitingError
from starter.temporal_link import GatewayUnavailableError
from tests.starter.api.vendor_policy import GENIE_KEY, OTHER_GENIE_KEY, PD_KEY, vendor_policies

ALERTS = "/v2/alerts"
AUTH = {"Authorization": f"GenieKey {GENIE_KEY}"}


@pytest.fixture
def policies(tmp_path):
    return vendor_policies(tmp_path)


@pytest.fixture
def client(stranger):
    """One that holds the integration's key."""
    stranger.headers.update(AUTH)
    return stranger


def an_alert(**more):
    return {"message": "Disk full", "alias": "disk", "details": {"service": "checkout"}, **more}


def status_of(client, answer):
    """What became of a request."""
    asked = client.get(f"{ALERTS}/requests/{answer.json()['requestId']}")
    assert asked.status_code == 200, asked.text
    return asked.json()["data"]


@pytest.mark.parametrize("prefix", ["", "/jsm/ops/integration"])
def test_create(client, temporal, prefix):
    """202 in Opsgenie's words, and the desk has the alert; Jira Service Management's path is the same."""
    answer = client.post(prefix + ALERTS, json=an_alert(priority="P1"))
    assert answer.status_code == 202
    said = answer.json()
    assert set(said) == {"result", "took", "requestId"}
    assert said["result"] == "Request will be processed"
    assert isinstance(said["took"], float)
    assert answer.headers.get_list("x-request-id") == [said["requestId"]]
    assert answer.headers["x-ratelimit-state"] == "OK"
    assert float(answer.headers["x-response-time"]) == said["took"]
    (alert,) = temporal.alerts()
    assert (alert["service"], alert["severity"], alert["key"]) == ("checkout", "SEV1", "genie/disk")


def test_status_of_a_request(client, stranger, temporal):
    """It is done when it is accepted; only its own integration may see it."""
    answer = client.post(ALERTS, json=an_alert())
    found = status_of(client, answer)
    assert (found["action"], found["status"]) == ("Create", "Created alert")
    assert found["success"] is found["isSuccess"] is True
    assert found["alias"] == "disk"
    assert found["alertId"]
    path = f"{ALERTS}/requests/{answer.json()['requestId']}"
    other = stranger.get(path, headers={"Authorization": f"GenieKey {OTHER_GENIE_KEY}"})
    assert other.status_code == 404
    assert other.json()["message"] == "Request not found. It might not be processed, yet."


@pytest.mark.parametrize(
    ("priority", "severity"),
    [("P1", "SEV1"), ("P2", "SEV2"), ("P3", "SEV3"), ("P5", "SEV3"), (None, "SEV3"), ("!", "SEV3")],
)
def test_severity_is_the_priority(client, temporal, priority, severity):
    """Whatever else is written there, the alert is taken."""
    assert client.post(ALERTS, json=an_alert(priority=priority)).status_code == 202
    assert temporal.alerts()[0]["severity"] == severity


@pytest.mark.parametrize(
    ("verb", "status", "action"),
    [
        ("acknowledge", "acknowledged", "Acknowledge"),
        ("close", "resolved", "Close"),
        ("unacknowledge", "noted", "UnAcknowledge"),
        ("snooze", "noted", "Snooze"),
        ("tags", "noted", "AddTags"),
    ],
)
@pytest.mark.parametrize("kind", ["id", "tiny", "alias"])
def test_what_is_done_to_an_alert(client, temporal, kind, verb, status, action):
    """By each kind of identifier it finds the alert's desk."""
    alert_id = status_of(client, client.post(ALERTS, json=an_alert()))["alertId"]
    noted = client.get(f"{ALERTS}/{alert_id}").json()["data"]
    name = {"id": alert_id, "tiny": noted["tinyId"], "alias": "disk"}[kind]
    body = {"user": "ann@example.com", "endTime": "2026-11-25T00:00:00Z", "tags": ["a"]}
    answer = client.post(f"{ALERTS}/{name}/{verb}?identifierType={kind}", json=body)
    assert answer.status_code == 202
    found = status_of(client, answer)
    assert (found["action"], found["isSuccess"], found["alertId"]) == (action, True, alert_id)
    _, alert = temporal.alerts()
    assert (alert["status"], alert["service"], alert["key"]) == (status, "checkout", "genie/disk")
    assert alert["by"] == "ann", "her address is in the policy"


def test_acknowledged_by_a_stranger(client, temporal):
    """What the sender calls them stays as it is."""
    client.post(ALERTS, json=an_alert())
    client.post(f"{ALERTS}/disk/acknowledge?identifierType=alias", json={"user": "x@else.example"})
    assert temporal.alerts()[1]["by"] == "x@else.example"


def test_without_a_body(client, temporal):
    """Clients close an alert without a word."""
    client.post(ALERTS, json=an_alert())
    assert client.post(f"{ALERTS}/disk/close?identifierType=alias").status_code == 202
    assert client.delete(f"{ALERTS}/disk?identifierType=alias").status_code == 202
    assert [a["status"] for a in temporal.alerts()] == ["firing", "resolved", "resolved"]


def test_notes(client, temporal):
    """A note stands by itself and with every action; with a closing it goes before it."""
    client.post(ALERTS, json=an_alert(note="It happened before"))
    client.post(
        f"{ALERTS}/disk/notes?identifierType=alias", json={"note": "Looking", "user": "ann"}
    )
    client.post(f"{ALERTS}/disk/close?identifierType=alias", json={"note": "Freed some space"})
    found = [(a["status"], a["description"]) for a in temporal.alerts()[1:]]
    assert found == [
        ("noted", "It happened before"),
        ("noted", "Looking"),
        ("noted", "Freed some space"),
        ("resolved", ""),
    ]
    assert {a["service"] for a in temporal.alerts()} == {"checkout"}
    empty = client.post(f"{ALERTS}/disk/notes?identifierType=alias", json={})
    assert (empty.status_code, empty.json()["errors"]) == (422, {"note": "Note can not be empty."})


def test_what_is_taken_away(client, temporal):
    """Tags and details removed are told, as are changed texts and an own action."""
    client.post(ALERTS, json=an_alert())
    assert client.delete(f"{ALERTS}/disk/tags?identifierType=alias&tags=a,b").status_code == 202
    put = client.put(f"{ALERTS}/disk/priority?identifierType=alias", json={"priority": "P1"})
    assert put.status_code == 202
    custom = client.post(f"{ALERTS}/disk/actions/restart?identifierType=alias", json={})
    assert custom.status_code == 202
    told = [a["description"] for a in temporal.alerts()[1:]]
    assert told[0].startswith("Removed tags")
    assert "a,b" in told[0]
    assert "P1" in told[1]
    assert "restart" in told[2]


def test_alert_that_nobody_knows(client, temporal):
    """202 as Opsgenie answers, the status says that there is none, and nothing is raised."""
    answer = client.post(f"{ALERTS}/nothing/close?identifierType=alias")
    assert answer.status_code == 202
    assert status_of(client, answer)["isSuccess"] is False
    assert all(alert["status"] == "resolved" for alert in temporal.alerts())
    missing = client.get(f"{ALERTS}/nothing")
    assert missing.status_code == 404
    assert set(missing.json()) == {"message", "took", "requestId"}


def test_alerts_can_be_read(client, stranger):
    """As their sender told of them: count, acknowledgement, end; each integration sees its own."""
    for _ in range(2):
        client.post(ALERTS, json=an_alert())
    client.post(ALERTS, json=an_alert(alias="other", message="Queue grows"))
    client.post(f"{ALERTS}/disk/acknowledge?identifierType=alias")
    client.post(f"{ALERTS}/disk/close?identifierType=alias")
    one = client.get(f"{ALERTS}/disk?identifierType=alias").json()["data"]
    assert (one["message"], one["count"], one["status"]) == ("Disk full", 2, "closed")
    assert one["acknowledged"] is True
    assert [a["alias"] for a in client.get(ALERTS).json()["data"]] == ["disk", "other"]
    opened = client.get(ALERTS, params={"query": "status: open"}).json()["data"]
    assert [a["alias"] for a in opened] == ["other"]
    assert client.get(f"{ALERTS}/count").json()["data"] == {"count": 2}
    assert client.get(ALERTS, params={"query": "tag=x"}).status_code == 422
    other = stranger.get(ALERTS, headers={"Authorization": f"GenieKey {OTHER_GENIE_KEY}"})
    assert other.json()["data"] == []


def test_fired_again_after_its_end(client):
    """The same alias is open again and counts from one."""
    client.post(ALERTS, json=an_alert())
    client.post(f"{ALERTS}/disk/close?identifierType=alias")
    client.post(ALERTS, json=an_alert())
    one = client.get(f"{ALERTS}/disk?identifierType=alias").json()["data"]
    assert (one["status"], one["count"], one["acknowledged"]) == ("open", 1, False)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("GenieKey wrong", 401),
        ("GenieKey ", 401),
        (f"Basic {GENIE_KEY}", 401),
        (f"GenieKey {PD_KEY}", 403),
    ],
)
def test_wrong_key(stranger, temporal, header, status):
    """Refused in Opsgenie's form, however large, and nothing is taken."""
    headers = {"Authorization": header} if header else {}
    for content in (json.dumps(an_alert()).encode(), b"x" * 2_000_000):
        answer = stranger.post(ALERTS, content=content, headers=headers)
        assert answer.status_code == status
        assert {"message", "took", "requestId"} <= set(answer.json())
    assert stranger.get(f"{ALERTS}/requests/x", headers=headers).status_code == status
    assert temporal.signals == []


@pytest.mark.parametrize(
    ("body", "status", "errors"),
    [
        (b"<xml>", 400, None),
        (b"[" * 100_000, 400, None),
        (b"", 400, None),
        (b"[]", 422, {"body"}),
        (b"{}", 422, {"message"}),
        (b'{"message": " "}', 422, {"message"}),
    ],
)
def test_refusals(client, temporal, body, status, errors):
    """What says nothing at all is refused."""
    answer = client.post(ALERTS, content=body)
    assert answer.status_code == status
    assert set(answer.json().get("errors", {})) == (errors or set())
    assert temporal.signals == []


def test_a_refusal_of_a_known_sender_is_told(api, stranger):
    """Its alert is nowhere else: the operator sees it."""
    stranger.post(ALERTS, json={"message": ""}, headers=AUTH)
    stranger.post(ALERTS, json={"message": ""}, headers={"Authorization": "GenieKey nobody's"})
    packed = stranger.post(ALERTS, content=b"x", headers={**AUTH, "Content-Encoding": "gzip"})
    assert packed.status_code == 415
    other, row = api.get("/api/v1/intake/refused").json()["refused"]
    assert (row["integration"], row["format"]) == ("genie", "opsgenie")
    assert (other["integration"], other["status"]) == ("genie", 415)


def test_over_every_limit(client, temporal):
    """What is too long is cut, not refused."""
    body = an_alert(message="m" * 500, alias="a" * 600, description="d" * 20_000)
    body |= {"details": {"service": "checkout", "nested": {"a": [1]}}, "tags": ["t" * 80] * 30}
    assert client.post(ALERTS, json=body).status_code == 202
    (alert,) = temporal.alerts()
    assert len(alert["summary"]) == 300
    assert client.post(f"{ALERTS}/{'a' * 600}/close?identifierType=alias").status_code == 202
    assert temporal.alerts()[1]["key"] == alert["key"]


def test_kind_of_identifier_that_does_not_exist(client):
    """422."""
    assert client.get(f"{ALERTS}/x?identifierType=name").status_code == 422
    assert client.post(f"{ALERTS}/x/reticulate").status_code == 404


def test_too_large(client, temporal):
    """413, and an incident says that something was lost."""
    answer = client.post(ALERTS, content=b"{" + b" " * 1024 * 1024)
    assert answer.status_code == 413
    assert temporal.alerts()[0]["summary"] == "oversized alert from genie"


@pytest.mark.parametrize("error", [GatewayUnavailableError("away"), TooManyWaitingError("full")])
def test_not_kept(app, api, client, error, monkeypatch):
    """429 with when to come again."""

    async def fails(*_):
        raise error

    monkeypatch.setattr(app.state.services.reception, "deliver", fails)
    for content in (json.dumps(an_alert()).encode(), b"x" * 1_100_000):
        answer = client.post(ALERTS, content=content)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["x-ratelimit-state"] == "THROTTLED"
    assert client.get(ALERTS).json()["data"] == [], "what was not kept is not there"
    (row,) = api.get("/api/v1/intake/refused").json()["refused"]
    assert (row["integration"], row["status"], row["times"]) == ("genie", 429, 2)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH"])
def test_heartbeat(client, temporal, method):
    """A ping is a beat of the policy's monitor of that name."""
    answer = client.request(method, "/v2/heartbeats/backup/ping")
    assert (answer.status_code, answer.json()["result"]) == (202, "PONG - Heartbeat received")
    assert ("heartbeat/backup", "beat") in [signal[:2] for signal in temporal.signals]
    assert client.request(method, "/v2/heartbeats/nothing/ping").status_code == 404


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from(
    [
        "message",
        "alias",
        "description",
        "details",
        "tags",
        "entity",
        "source",
        "priority",
        "user",
        "note",
        "responders",
    ]
)
FUZZ = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZ
@given(changes=st.dictionaries(names, json_values, max_size=4))
def test_whatever_is_created(client, temporal, changes):
    """202 and an alert is there, or 422 and none: nothing between, and never a 5xx."""
    temporal.signals.clear()
    answer = client.post(ALERTS, content=json.dumps(an_alert(**changes)).encode())
    assert answer.status_code in (202, 422), answer.text
    assert bool(temporal.alerts()) == (answer.status_code == 202)


@FUZZ
@given(
    verb=st.sampled_from(["acknowledge", "close", "notes", "snooze", "details", "actions/a"]),
    changes=st.dictionaries(names | st.sampled_from(["endTime"]), json_values, max_size=4),
    identifier=st.sampled_from(["disk", "%2F", "a%2Fb", "x" * 700, "%F0%9F%92%A5"]),
)
def test_whatever_is_done(client, temporal, verb, changes, identifier):
    """202 or 422, never a 5xx, and nothing but words about the key reaches a desk."""
    temporal.signals.clear()
    url = f"{ALERTS}/{identifier}/{verb}?identifierType=alias"
    answer = client.post(url, content=json.dumps(changes).encode())
    assert answer.status_code in (202, 422), answer.text
    assert all(alert["status"] != "firing" for alert in temporal.alerts())

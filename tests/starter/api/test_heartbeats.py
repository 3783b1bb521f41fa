"""Heartbeats at the door: who may call in, how, and what is answered."""

from __future__ import annotations

import pytest

from records.policy_file import read_policy
from starter.temporal_link import GatewayUnavailableError
from tests.starter.conftest import KEY, ROOT

AUTH = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(autouse=True)
def monitors(policies, tmp_path):
    """A policy with two monitors."""
    file = tmp_path / "more.yaml"
    file.write_text(
        (ROOT / "policy" / "example.yaml").read_text()
        + "heartbeats:\n  backup: {every: 1d, grace: 1h, service: checkout}\n"
        + "  import: {every: 5m, service: search, enabled: false}\n"
    )
    policies.adopt(read_policy(file))


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
def test_a_job_calls_in(stranger, temporal, method):
    """With the key of an integration, by whatever curl sends; 202 once Temporal has it."""
    answer = stranger.request(method, "/heartbeats/backup", headers=AUTH)
    assert answer.status_code == 202
    ((to, name, body),) = temporal.signals
    assert (to, name) == ("heartbeat/backup", "beat")
    assert body["definition"]["monitor"]["every"] == "1d"
    if method == "HEAD":
        assert answer.content == b""
    else:
        assert answer.json() == {"status": "accepted", "heartbeat": "backup", "enabled": True}


def test_the_systems_token_opens_it_and_a_body_is_not_looked_at(api, temporal):
    """Whatever a job sends along; a monitor that is switched off is told so."""
    answer = api.post("/heartbeats/import", content=b"\xff not json")
    assert (answer.status_code, answer.json()["enabled"]) == (202, False)
    assert api.post("/heartbeats/import", content=b"x" * 1_100_000).status_code == 413


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", f"Basic {KEY}"])
def test_strangers_do_not(stranger, temporal, header):
    """401, for names that exist and names that do not."""
    headers = {"Authorization": header} if header else {}
    for name in ("backup", "nothing"):
        assert stranger.post(f"/heartbeats/{name}", headers=headers).status_code == 401
    assert temporal.signals == []


def test_unknown_name(stranger, temporal):
    """404 with the near names: a job that calls in under a wrong name would watch over nothing."""
    answer = stranger.post("/heartbeats/bakcup", headers=AUTH)
    assert (answer.status_code, answer.json()["errors"][0]["near"]) == (404, ["backup"])
    assert "did you mean backup" in answer.json()["detail"]
    assert stranger.post("/heartbeats/backup?token=x", headers=AUTH).status_code == 422
    assert temporal.signals == []


def test_temporal_away(stranger, temporal):
    """503 with when to come back: nothing was kept."""
    temporal.signal_error = GatewayUnavailableError("away")
    answer = stranger.post("/heartbeats/backup", headers=AUTH)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    temporal.signal_error = None
    assert stranger.post("/heartbeats/backup", headers=AUTH).status_code == 202


def test_who_is_late(api, temporal, stranger):
    """Every monitor of the policy with its state, when it was heard and when it would be late."""
    listed = api.get("/api/v1/heartbeats").json()["heartbeats"]
    assert [(one["name"], one["state"]) for one in listed] == [
        ("backup", "waiting"),
        ("import", "waiting"),
    ]
    api.post("/heartbeats/backup")
    found = api.get("/api/v1/heartbeats").json()["heartbeats"][0]
    assert (found["state"], found["every"], found["service"]) == ("alive", "1d", "checkout")
    assert found["last_beat"] < found["due_at"]
    assert found["late_since"] is None
    temporal.query_error = GatewayUnavailableError("away")
    assert api.get("/api/v1/heartbeats").json()["heartbeats"][0]["state"] == "unknown"
    assert stranger.get("/api/v1/heartbeats").status_code == 401


def test_outcomes_are_counted(api, stranger):
    """What happened at the door is in the metrics, by outcome."""
    api.post("/heartbeats/backup")
    api.post("/heartbeats/nothing")
    text = stranger.get("/metrics").text
    for outcome in ("accepted", "not_found"):
        counter = f'tocsin_webhook_requests_total{{outcome="{outcome}",source="heartbeat"}} 1.0'
        assert counter in text

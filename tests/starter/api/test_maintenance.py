"""Maintenance over HTTP: a window begins, is seen and ends, and what cannot be meant is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from records.policy_file import read_policy
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError
from tests.starter.conftest import ROOT

URL = "/api/v1/maintenance"
WINDOW = {"service": "checkout", "minutes": 60, "reason": "new database", "actor": "bob"}


def with_sections(policies, tmp_path, text):
    """The example with more sections, in force."""
    file = tmp_path / "more.yaml"
    file.write_text((ROOT / "policy" / "example.yaml").read_text() + text)
    policies.adopt(read_policy(file))


def test_a_window_begins_is_listed_and_ends(api, temporal):
    """201 with the window; it is in the list until it is removed; then 404, and what is near."""
    made = api.post(URL, json=WINDOW)
    assert made.status_code == 201, made.text
    window = made.json()
    assert (window["id"], window["service"], window["state"]) == ("m1", "checkout", "active")
    assert (window["by"], window["source"], window["reason"]) == ("bob", "api", "new database")
    length = datetime.fromisoformat(window["to"]) - datetime.fromisoformat(window["from"])
    assert length == timedelta(hours=1)
    assert temporal.updates[-1][:2] == ("desk/checkout", "add_maintenance")
    assert api.get(URL).json() == {"windows": [window], "unanswered": []}
    assert api.get(URL, params={"service": "search"}).json()["windows"] == []
    gone = api.delete(f"{URL}/checkout/m1")
    assert (gone.status_code, gone.json()["state"]) == (200, "removed")
    assert api.get(URL).json()["windows"] == []
    again = api.delete(f"{URL}/checkout/m1")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    api.post(URL, json=WINDOW)
    assert api.delete(f"{URL}/checkout/m1").json()["errors"][0]["near"] == ["m2"]
    assert api.delete(f"{URL}/chekout/m2").json()["errors"][0]["near"] == ["checkout"]


def test_times_without_an_offset_are_the_organisations_wall_time(api):
    """Berlin, where it is summer: 20:00 there is 18:00 UTC."""
    day = datetime.now(UTC).date() + timedelta(days=30)
    body = WINDOW | {"from": f"{day}T12:00:00Z", "to": f"{day}T20:00"}
    del body["minutes"]
    window = api.post(URL, json=body).json()
    assert window["state"] == "coming"
    end = datetime.fromisoformat(window["to"])
    assert end.hour in (18, 19), "by the season"
    assert window["from"] == f"{day}T12:00:00Z"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"service": "chekout"}, "/service"),
        ({"service": None}, "/service"),
        ({"reason": ""}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"minutes": None}, "/to"),
        ({"minutes": 60, "to": "2030-01-01T00:00Z"}, "/to"),
        ({"minutes": "soon"}, "/minutes"),
        ({"minutes": None, "to": "2020-01-01T00:00Z"}, "/to"),
        ({"untill": "2030-01-01T00:00Z"}, "/untill"),
        ({"actor": "bbo"}, "/actor"),
    ],
)
def test_wrong_windows(api, temporal, change, where):
    """422 at the field, and nothing reaches the desk."""
    body = {name: value for name, value in {**WINDOW, **change}.items() if value is not None}
    answer = api.post(URL, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == where
    assert temporal.updates == []


def test_one_key_is_one_window(api):
    """Sent twice under one key there is one window."""
    for _ in range(2):
        answer = api.post(URL, json=WINDOW, headers={"Idempotency-Key": "k1"})
        assert answer.json()["id"] == "m1"
    assert len(api.get(URL).json()["windows"]) == 1


def test_without_a_worker_it_is_accepted(api, temporal):
    """202: the same request as a signal, with the instant at which it was asked."""
    temporal.update_error = NotAnsweredError("no worker")
    answer = api.post(URL, json=WINDOW)
    assert (answer.status_code, answer.json()["accepted"]) == (202, True)
    desk, name, body = temporal.signals[-1]
    assert (desk, name) == ("desk/checkout", "add_maintenance")
    assert body["key"]
    assert datetime.fromisoformat(body["from"])
    assert api.delete(f"{URL}/checkout/m1").status_code == 202


def test_temporal_away(api, temporal):
    """503 for a new window; the list names whose desk did not answer and shows the policy's."""
    temporal.update_error = temporal.signal_error = GatewayUnavailableError("away")
    assert api.post(URL, json=WINDOW).status_code == 503
    temporal.query_error = GatewayUnavailableError("away")
    assert api.get(URL, params={"service": "search"}).json()["unanswered"] == ["search"]


def test_windows_of_the_policy(api, policies, tmp_path):
    """They are listed with their name, and cannot be removed by a request: 409 with what to do."""
    with_sections(
        policies,
        tmp_path,
        "maintenance: {windows: {db: {services: [checkout], from: 2020-01-01T00:00,"
        " to: 2990-01-01T00:00, reason: move}}}\n",
    )
    (window,) = api.get(URL).json()["windows"]
    assert (window["id"], window["source"], window["state"]) == ("db", "policy", "active")
    answer = api.delete(f"{URL}/checkout/db")
    assert answer.status_code == 409
    assert "change the file and reload" in answer.json()["detail"]


def test_it_needs_the_token(stranger):
    """401 for every method."""
    assert stranger.get(URL).status_code == 401
    assert stranger.post(URL, json=WINDOW).status_code == 401
    assert stranger.delete(f"{URL}/checkout/m1").status_code == 401


def test_a_reload_tells_the_desks_and_the_monitors(api, temporal, policies, app):
    """What the new policy changes is told: only to those whom it changes, and what was not told is said."""
    settings = app.state.services.settings
    file = settings.data_dir / "next.yaml"
    text = (ROOT / "policy" / "example.yaml").read_text()
    object.__setattr__(settings, "policy", file)
    file.write_text(
        text
        + "maintenance: {windows: {db: {services: [checkout], from: 2020-01-01T00:00,"
        + " to: 2990-01-01T00:00, reason: move}}}\n"
        + "heartbeats: {backup: {every: 5m, service: checkout}}\n"
    )
    answer = api.post("/api/v1/policy/reload", json={})
    assert (answer.status_code, answer.json()["untold"]) == (200, [])
    assert {(to, name) for to, name, _ in temporal.signals} == {
        ("desk/checkout", "review_maintenance"),
        ("heartbeat/backup", "define"),
    }
    temporal.signals.clear()
    assert api.post("/api/v1/policy/reload", json={}).json()["untold"] == []
    assert temporal.signals == []
    file.write_text(text)
    temporal.signal_error = GatewayUnavailableError("away")
    untold = api.post("/api/v1/policy/reload", json={}).json()["untold"]
    assert len(untold) == 2
    assert policies.current()[1].heartbeats == {}

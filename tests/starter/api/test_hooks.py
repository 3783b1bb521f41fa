"""Intake over HTTP: an answer only for what is kept, and nothing that has a key gets lost."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from starter.api.frame import Shortcut
from starter.intake.received import Received
from starter.temporal_link import GatewayUnavailableError
from tests.starter.conftest import KEY

HOOK = "/hooks/alertmanager"
AUTH = {"Authorization": f"Bearer {KEY}"}
GROUP = json.loads(
    (Path(__file__).parents[2] / "data/intake/alertmanager/two_firing.json").read_text()
)


def test_a_group(stranger, temporal):
    """202 with how many, after Temporal has them."""
    answer = stranger.post(HOOK, json=GROUP, headers=AUTH)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "alerts": 2})
    assert [signal[0] for signal in temporal.signals] == ["desk/checkout"]
    assert [alert["integration"] for alert in temporal.alerts()] == ["prometheus", "prometheus"]


def test_past_the_framework_a_hook_answers_as_through_it(app, temporal):
    """The server's shortcut: the same answers, headers and errors; everything else takes the usual way."""
    metrics = app.state.services.metrics
    with TestClient(Shortcut(app, metrics)) as short, TestClient(app) as usual:
        for sent in ({"json": GROUP}, {"content": b"{"}, {"json": GROUP, "params": {"a": "b"}}):
            answers = [client.post(HOOK, headers=AUTH, **sent) for client in (short, usual)]
            assert answers[0].status_code == answers[1].status_code
            assert set(answers[0].headers) == set(answers[1].headers)
        assert short.post(HOOK, json=GROUP).status_code == 401
        assert short.get("/livez").status_code == 200
        assert short.get(HOOK).status_code == 405
    assert len(temporal.alerts()) == 4


def test_the_systems_own_token_opens_it(api, temporal):
    """By the rules of the first integration of the format."""
    assert api.post(HOOK, json=GROUP).status_code == 202
    assert temporal.alerts()[0]["integration"] == "prometheus"


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", f"Basic {KEY}", KEY])
def test_wrong_key(stranger, temporal, header):
    """401, and nothing is taken, however large."""
    headers = {"Authorization": header} if header else {}
    answer = stranger.post(HOOK, json=GROUP, headers=headers)
    assert answer.status_code == 401
    assert stranger.post(HOOK, content=b"x" * 2_000_000, headers=headers).status_code == 401
    assert temporal.signals == []


def test_not_json(stranger, temporal):
    """400, which Alertmanager does not repeat."""
    answer = stranger.post(HOOK, content=b"<xml>", headers=AUTH)
    assert (answer.status_code, answer.json()["code"]) == (400, "not_json")
    assert temporal.signals == []


@pytest.mark.parametrize("body", [b"{}", b"[]", b"7", b'"help"', b'{"alerts": 7}', b"[" * 50_000])
def test_not_an_alertmanager(stranger, temporal, body):
    """It came with the key: an incident on `unknown` says what was sent."""
    assert stranger.post(HOOK, content=body, headers=AUTH).status_code == 202
    (alert,) = temporal.alerts()
    assert (alert["service"], alert["severity"]) == ("unknown", None)
    assert alert["raw"]


def test_bytes_that_are_no_text(stranger, temporal):
    """A label in another encoding does not lose the alert."""
    body = json.dumps(GROUP).replace("web-1", "caf\u00e9", 1).encode().replace(b"caf", b"\xff")
    assert stranger.post(HOOK, content=body, headers=AUTH).status_code == 202
    assert len(temporal.alerts()) == 2


def test_too_large(stranger, temporal):
    """413, and an incident says that something was lost."""
    answer = stranger.post(HOOK, content=b"{" + b" " * 1024 * 1024, headers=AUTH)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    (alert,) = temporal.alerts()
    assert alert["summary"] == "oversized alert from prometheus"
    assert alert["service"] == "unknown"


def test_temporal_away(stranger, temporal, app):
    """202, for the journal keeps it, the oversized one too; all of it is delivered when Temporal is back."""
    temporal.signal_error = GatewayUnavailableError("away")
    assert stranger.post(HOOK, json=GROUP, headers=AUTH).status_code == 202
    assert stranger.post(HOOK, content=b"x" * 1_100_000, headers=AUTH).status_code == 413
    assert temporal.signals == []
    assert "alerts wait for Temporal" in stranger.get("/readyz?verbose").text
    assert "tocsin_journal_waiting 3.0" in stranger.get("/metrics").text
    temporal.signal_error = None
    deadline = time.monotonic() + 30
    while not app.state.services.durable.journal.is_empty():
        assert time.monotonic() < deadline, "not drained"
        time.sleep(0.01)
    assert sorted(desk for desk, _, _ in temporal.signals) == ["desk/checkout", "desk/unknown"]
    assert len(temporal.alerts()) == 3


def test_neither_temporal_nor_the_journal_takes_it(stranger, temporal, tmp_path):
    """503 with when to come back: nothing was kept. It heals by itself."""
    temporal.signal_error = GatewayUnavailableError("away")
    (tmp_path / "journal").write_text("a file where the folder should be")
    for body in (json.dumps(GROUP).encode(), b"x" * 1_100_000):
        answer = stranger.post(HOOK, content=body, headers=AUTH)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"]
    (tmp_path / "journal").unlink()
    assert stranger.post(HOOK, json=GROUP, headers=AUTH).status_code == 202
    temporal.signal_error = None
    assert stranger.post(HOOK, json=GROUP, headers=AUTH).status_code == 202


def test_group_over_several_services(stranger, temporal):
    """Each desk gets its own."""
    alerts = [{"labels": {"service": name, "severity": "page"}} for name in ("checkout", "search")]
    stranger.post(HOOK, json={"alerts": alerts}, headers=AUTH)
    assert sorted(signal[0] for signal in temporal.signals) == ["desk/checkout", "desk/search"]


def test_other_methods(stranger):
    """A hook takes nothing but POST."""
    assert stranger.get(HOOK, headers=AUTH).status_code == 405
    assert stranger.post("/hooks/nagios", json={}, headers=AUTH).status_code == 404


def test_it_is_counted(api, stranger):
    """Deliveries and alerts, by what came of them."""
    stranger.post(HOOK, json=GROUP, headers=AUTH)
    stranger.post(HOOK, json=GROUP)
    text = stranger.get("/metrics").text
    assert 'tocsin_webhook_requests_total{outcome="accepted",source="alertmanager"} 1.0' in text
    assert 'tocsin_webhook_requests_total{outcome="unauthorised",source="alertmanager"} 1.0' in text
    assert 'tocsin_alerts_total{source="alertmanager"} 2.0' in text


async def test_many_at_once_ride_together(app, temporal):
    """While one signal is under way the others wait and go as one."""
    reception = app.state.services.reception
    sender = reception.sender("alertmanager", AUTH["Authorization"])
    slow = temporal.signal_desk

    async def slowly(*args):
        await asyncio.sleep(0.02)
        await slow(*args)

    temporal.signal_desk = slowly
    body = json.dumps(GROUP).encode()
    counts = await asyncio.gather(
        *(reception.take("alertmanager", sender, Received(body)) for _ in range(40))
    )
    assert counts == [2] * 40
    assert len(temporal.signals) <= 3
    assert sum(alert["count"] for alert in temporal.alerts()) == 80

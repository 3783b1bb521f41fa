"""Attacks on intake: forged, replayed, late, early, with another's key, too often."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from starter.intake import FORMATS
from starter.records_access import RecordsAccess
from starter.security import closed_integrations
from tests.security.doors import NOW, SECRETS, SENDERS, TOKEN, Door, group, sign, signable

SIGNED = SECRETS["SIGNED_KEY"]


@pytest.fixture
def door(tmp_path: Path, records: RecordsAccess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setitem(FORMATS, "alertmanager", signable(FORMATS["alertmanager"]))
    made = Door(tmp_path / "door", records)
    made.at(NOW)
    made.no_time_passes()
    with made.api:
        yield made


def test_a_thousand_forged_signatures(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    """401 each, nothing reaches Temporal, and no line of the log holds a secret."""
    body = group()
    good = sign(body)
    with structlog.testing.capture_logs() as logged, caplog.at_level(logging.DEBUG):
        for number in range(1_000):
            mac = base64.b64encode(secrets.token_bytes(32)).decode()
            forged = {**good, "webhook_signature": f"v1,{mac}"}
            answer = door.post(body, SIGNED, **forged)
            # From the sixtieth on: too many attempts from one address.
            assert answer.status_code in ((401,) if number < 60 else (401, 429))
            assert "canary" not in answer.text
    assert door.temporal.signals == []
    assert door.temporal.updates == []
    said = f"{logged} {caplog.text}"
    assert "canary" not in said
    assert SECRETS["SIGNED_SECRET"].removeprefix("whsec_") not in said
    assert door.post(body, SIGNED, **good).status_code == 202


def test_a_replay_has_no_second_effect(door: Door) -> None:
    """The same delivery a hundred times: 202 each, and one alert; it is counted."""
    body = group()
    headers = sign(body)
    codes = {door.post(body, SIGNED, **headers).status_code for _ in range(100)}
    assert codes == {202}
    assert [alert["count"] for alert in door.alerts()] == [1]
    assert door.metric('tocsin_webhook_repeats_total{source="alertmanager"}') == 99


def test_a_replay_outside_the_window_is_refused(door: Door) -> None:
    """A stolen request is worth nothing after five minutes, whether it was delivered or not."""
    body = group()
    headers = sign(body)
    assert door.post(body, SIGNED, **headers).status_code == 202
    door.at(NOW + timedelta(seconds=301))
    assert door.post(body, SIGNED, **headers).status_code == 401
    assert len(door.alerts()) == 1


def test_a_replay_after_a_restart_has_no_second_effect(door: Door, records: RecordsAccess) -> None:
    """The next process knows what the last one delivered."""
    body = group()
    headers = sign(body)
    assert door.post(body, SIGNED, **headers).status_code == 202
    next_one = Door(door.folder, records)
    next_one.at(NOW)
    with next_one.api:
        assert next_one.post(body, SIGNED, **headers).status_code == 202
        assert next_one.alerts() == []


def test_a_delivery_that_failed_is_taken_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is durable is remembered: the sender's repetition is not a replay."""
    body = group()
    headers = sign(body)
    reception = door.app.state.services.reception

    async def fail(_service: str, _alerts: object) -> None:
        raise ConnectionError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(reception._commit, "deliver", fail)
        assert door.post(body, SIGNED, **headers).status_code >= 500
    assert door.post(body, SIGNED, **headers).status_code == 202
    assert len(door.alerts()) == 1


def test_one_id_for_everything_loses_nothing(door: Door) -> None:
    """A sender that numbers badly: another body under the same id is another delivery."""
    for key in ("k1", "k2"):
        body = group(key=key)
        assert door.post(body, SIGNED, **sign(body)).status_code == 202
    assert [alert["key"] for alert in door.alerts()] == ["k1", "k2"]


@pytest.mark.parametrize(
    ("off", "status"),
    [(-301, 401), (-300, 202), (-299, 202), (0, 202), (299, 202), (300, 202), (301, 401)],
)
def test_the_edges_of_the_window(door: Door, off: int, status: int) -> None:
    """Five minutes either way; a clock that is over a minute off is counted."""
    body = group()
    assert door.post(body, SIGNED, **sign(body, off)).status_code == status
    assert len(door.alerts()) == (status == 202)
    counted = door.metric('tocsin_webhook_clock_skew_total{source="alertmanager"}')
    assert counted == (abs(off) > 60)


def test_a_signature_does_not_travel(door: Door) -> None:
    """Another body, another sender's key, no signature at all, the key alone: 401."""
    body, other = group(), group(key="k2")
    headers = sign(body)
    assert door.post(other, SIGNED, **headers).status_code == 401
    assert door.post(body + b" ", SIGNED, **headers).status_code == 401
    assert door.post(body, SIGNED).status_code == 401
    assert door.post(body, "", **headers).status_code == 401
    assert door.alerts() == []


def test_a_signing_secret_that_is_missing_closes(door: Door) -> None:
    """Closed rather than open, also for whoever signs with nothing."""
    del door.environ["SIGNED_SECRET"]
    body = group()
    assert door.post(body, SIGNED, **sign(body)).status_code == 401
    assert door.post(body, SIGNED).status_code == 401
    assert door.alerts() == []


def test_keys_open_their_own_door_only(door: Door) -> None:
    """A key opens its own format and nothing of the API; the alerts are its own integration's."""
    assert door.post(group(), SECRETS["AM_KEY"]).status_code == 202
    assert door.post(group(key="k2"), SECRETS["SLOW_KEY"]).status_code == 202
    assert [alert["integration"] for alert in door.alerts()] == ["prometheus", "slow"]
    hooks = [one for one in FORMATS.values() if one.is_hook and one.name != "alertmanager"]
    for one in hooks:
        for name, key in SECRETS.items():
            answer = door.api.request(
                one.methods[0],
                f"/hooks/{one.name}",
                content=group(),
                headers={"Authorization": f"Bearer {key}"},
            )
            assert answer.status_code == 401, (one.name, name)
    bearer = {"Authorization": f"Bearer {SECRETS['AM_KEY']}"}
    for path in ("/api/v1/incidents", "/api/v1/events", "/api/v1/oncall"):
        assert door.api.get(path, headers=bearer).status_code in (401, 403)
    assert len(door.alerts()) == 2


@pytest.mark.parametrize(
    "key", ["", " ", "canary", "canary-key-of-prometheu", "env:AM_KEY", "\u00e9"]
)
def test_what_is_no_key(door: Door, key: str) -> None:
    """Nothing, a part of one, its name in the policy; nor does one that is not set open anything."""
    header = {"Authorization": f"Bearer {key}".encode()}
    answer = door.api.post("/hooks/alertmanager", content=group(), headers=header)
    assert answer.status_code == 401
    assert "Bearer" in answer.headers["www-authenticate"]
    assert door.alerts() == []


def test_too_much_of_one_sender(door: Door) -> None:
    """Over its rate 503 with when to come again, and nobody else waits for it."""
    slow = SECRETS["SLOW_KEY"]
    answers = [door.post(group(key=f"w{n}", severity="warning"), slow) for n in range(20)]
    assert [one.status_code for one in answers] == [202] * 5 + [503] * 15
    assert {one.headers.get("retry-after") for one in answers[5:]} == {"1"}
    assert answers[-1].json()["code"] == "rate_limited"
    assert door.post(group(severity="warning"), SECRETS["AM_KEY"]).status_code == 202
    assert len(door.alerts()) == 6


def test_the_first_critical_alert_is_never_turned_away(door: Door) -> None:
    """Its repeats are; after it has cleared it is a first again."""
    slow = SECRETS["SLOW_KEY"]
    for number in range(20):
        door.post(group(key=f"w{number}", severity="warning"), slow)
    said = [door.post(group(key="fire"), slow).status_code for _ in range(3)]
    assert said == [202, 503, 503]
    assert door.post(group(key="another fire"), slow).status_code == 202
    keys = [alert["key"] for alert in door.alerts()]
    assert keys[-2:] == ["fire", "another fire"]


def test_vendors_clients_hear_429(door: Door) -> None:
    """Those of PagerDuty and Opsgenie come again after a 429 and not after a 503; critical ones are taken."""

    def event(key: str, severity: str) -> int:
        payload = {"summary": "s", "source": "x", "severity": severity}
        payload |= {"custom_details": {"service": "checkout"}}  # type: ignore[dict-item]
        said = {"routing_key": SECRETS["PD_KEY"], "event_action": "trigger", "dedup_key": key}
        return door.api.post("/v2/enqueue", json={**said, "payload": payload}).status_code

    def alert(alias: str, priority: str) -> int:
        said = {"message": "m", "alias": alias, "priority": priority}
        header = {"Authorization": f"GenieKey {SECRETS['GENIE_KEY']}"}
        return door.api.post("/v2/alerts", json=said, headers=header).status_code

    assert [event(f"k{n}", "warning") for n in range(8)] == [202] * 5 + [429] * 3
    assert [event("fire", "critical") for _ in range(2)] == [202, 429]
    assert [alert(f"k{n}", "P5") for n in range(8)] == [202] * 5 + [429] * 3
    assert [alert("fire", "P1") for _ in range(2)] == [202, 429]
    assert len(door.alerts()) == 12


def test_sns_may_begin_without_its_key(door: Door) -> None:
    """It sends its password only when the answer is 401: however often, that must not become 429."""
    codes = {door.api.post("/hooks/sns", content=b"{}").status_code for _ in range(100)}
    assert codes == {401}


def test_a_token_that_never_stops(door: Door) -> None:
    """Past thousands of requests 429; an acknowledgement is never refused for it, nor is another token."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    limits = door.app.state.services.limits
    door.api.get("/api/v1/incidents", headers=bearer)
    (name,) = limits._callers._buckets
    while not limits.caller(name):
        pass
    refused = door.api.get("/api/v1/incidents", headers=bearer)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert refused.headers["retry-after"] == "1"
    path = "/api/v1/incidents/checkout-1/acknowledge"
    answer = door.api.post(path, json={"actor": "ann"}, headers=bearer)
    assert answer.status_code == 404  # there is none, and it was asked
    assert TOKEN not in name


def test_knocking_is_stopped_and_hurts_nobody_else(door: Door) -> None:
    """After sixty wrong keys an address hears 429; whoever has a key is let in from it all the same."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    codes = [door.post(group(), f"guess-{n}").status_code for n in range(80)]
    assert codes[:60] == [401] * 60
    assert set(codes[60:]) == {429}
    genie = {"Authorization": "GenieKey guess"}
    assert door.api.post("/v2/alerts", json={"message": "m"}, headers=genie).status_code == 429
    assert door.api.post("/v2/enqueue", json={"routing_key": "guess"}).status_code == 429
    answer = door.api.get("/api/v1/incidents")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert int(answer.headers["retry-after"]) >= 1
    assert door.api.get("/api/v1/incidents", headers=bearer).status_code == 200
    assert door.post(group()).status_code == 202


def test_a_sender_whose_secret_is_missing_is_named(door: Door) -> None:
    """Whoever starts Tocsin reads which integration is closed, and by which name; never a value."""
    policy = door.temporal.policy
    lines = closed_integrations(policy, {k: v for k, v in SECRETS.items() if k != "SIGNED_SECRET"})
    assert any("signed is closed" in line and "env:SIGNED_SECRET" in line for line in lines)
    assert any("closed is closed" in line for line in lines)
    assert "canary" not in json.dumps(lines)
    assert len(lines) == 2 < len(SENDERS)

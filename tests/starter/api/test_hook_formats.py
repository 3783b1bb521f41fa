"""The hooks of all formats: how a sender proves itself, what it is answered, what the operator sees."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any

import pytest
import structlog

from domain.policy.intake import Integration
from records.policy_file import canonical_json, read_policy
from starter.api.hooks import HOOKS
from starter.egress import EgressError
from starter.intake import FORMATS
from starter.reception.group_commit import TooManyWaitingError
from tests.starter.conftest import ROOT
from tests.starter.intake.examples import examples

SECRET = "client-secret"
ENVIRON = {"AM_KEY": "key-of-prometheus", "SECRET": SECRET}
EXAMPLES = {one.format: one.received for one in examples()}


def key_of(name: str) -> str:
    return ENVIRON["AM_KEY"] if name == "alertmanager" else f"key-of-{name}"


@pytest.fixture
def example(example):
    """With an integration for each format, and one that signs."""
    integrations = dict(example.policy.integrations)
    for name in FORMATS:
        if name != "alertmanager":
            integrations[f"my-{name}"] = Integration(format=name, key=f"env:KEY_{name.upper()}")
    signs: dict[str, Any] = {
        "format": "sentry",
        "key": "env:SIGNED",
        "signing_secret": "env:SECRET",
    }
    integrations["signed"] = Integration(**signs)
    policy = example.policy.model_copy(update={"integrations": integrations})
    version = hashlib.sha256(canonical_json(policy).encode()).hexdigest()[:12]
    return replace(example, policy=policy, version=version)


@pytest.fixture(autouse=True)
def keys(app):
    """The keys of the integrations, as the process's environment would have them."""
    environ = app.state.services.reception._environ
    environ |= ENVIRON | {"SIGNED": "key-of-signed"}
    environ |= {f"KEY_{name.upper()}": key_of(name) for name in FORMATS}


@pytest.fixture(autouse=True)
def genuine(app, monkeypatch):
    """Amazon's signature has tests of its own."""

    async def meet(received, egress, now):
        return None

    for one in HOOKS:
        if one.meet is not None:
            monkeypatch.setitem(one.__dict__, "meet", meet)


def post(client, name: str, path: str = "", **headers: str):
    received = EXAMPLES[name]
    return client.post(
        f"/hooks/{name}{path}", content=received.body, headers={**received.headers, **headers}
    )


def basic(password: str, user: str = "tocsin") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("name", [one.name for one in HOOKS])
def test_every_format_is_taken(stranger, temporal, name):
    """By a bearer's key, as a password, and by its address; the alerts are with Temporal then."""
    key, status = key_of(name), FORMATS[name].status
    for path, headers in (
        ("", {"authorization": f"Bearer {key}"}),
        ("", {"authorization": basic(key)}),
        ("", {"authorization": basic(key, "")}),
        (f"/{key}", {}),
    ):
        temporal.signals.clear()
        answer = post(stranger, name, path, **headers)
        assert answer.status_code == status, answer.text
        assert answer.json()["status"] == "accepted"
        if FORMATS[name].delivery_id is None:  # else the second is a repeat
            assert temporal.alerts()


@pytest.mark.parametrize("name", [one.name for one in HOOKS])
@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("", None), ("", "Bearer wrong"), ("", basic("wrong")), ("", "Basic !!"), ("", "Basic"),
        ("", basic("")), ("/wrong", None), ("/key-of-other", None),
    ],
)  # fmt: skip
def test_no_valid_key(stranger, temporal, name, path, header):
    """401 that says nothing about why, and asks for a password as Amazon needs it."""
    answer = post(stranger, name, path, **({"authorization": header} if header else {}))
    assert answer.status_code == 401
    assert answer.json()["detail"] == "a valid bearer token is needed"
    assert answer.headers["www-authenticate"] == 'Basic realm="tocsin", Bearer'
    assert temporal.signals == []


def test_a_key_opens_its_own_format_only(stranger, temporal):
    """Neither by header nor by address."""
    assert post(stranger, "grafana", "/key-of-datadog").status_code == 401
    bearer = {"authorization": "Bearer key-of-datadog"}
    assert post(stranger, "grafana", **bearer).status_code == 401
    assert temporal.signals == []


def test_a_key_in_the_address_is_not_shown(stranger, app):
    """Neither in an answer nor in a log, whatever goes wrong."""
    key = key_of("generic")

    async def fails(*args):
        raise RuntimeError("a bug")

    with structlog.testing.capture_logs() as logs:
        answers = [
            stranger.post(f"/hooks/generic/{key}", content=b"{"),
            stranger.get(f"/hooks/generic/{key}"),
            stranger.post(f"/hooks/generic/{key}/more", content=b"{}"),
            stranger.post(f"/hooks/nagios/{key}", content=b"{}"),
            stranger.post(f"/hooks/generic/{key}?a=b", content=b"{}"),
        ]
        app.state.services.reception.take = fails
        answers.append(stranger.post(f"/hooks/generic/{key}", content=b"{}"))
    assert [answer.status_code for answer in answers] == [400, 405, 404, 404, 422, 500]
    assert not any(key in answer.text for answer in answers)
    assert key not in repr(logs)


def test_put(stranger, temporal):
    """Grafana can be told to PUT; the others cannot."""
    headers = {"authorization": "Bearer key-of-grafana"}
    body = EXAMPLES["grafana"].body
    assert stranger.put("/hooks/grafana", content=body, headers=headers).status_code == 202
    assert stranger.put("/hooks/grafana/key-of-grafana", content=body).status_code == 202
    assert stranger.put("/hooks/generic/key-of-generic", content=body).status_code == 405


def test_signatures(stranger, temporal, api):
    """With a signing secret a key alone is not enough, and the operator sees what was refused."""
    body = EXAMPLES["sentry"].body
    good = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    for signature in ("", "0" * 64, good.upper()):
        headers = {"sentry-hook-signature": signature, "sentry-hook-resource": "issue"}
        answer = stranger.post("/hooks/sentry/key-of-signed", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorised")
    assert temporal.signals == []
    headers = {"sentry-hook-signature": good, "sentry-hook-resource": "issue"}
    assert (
        stranger.post("/hooks/sentry/key-of-signed", content=body, headers=headers).status_code
        == 202
    )
    assert len(temporal.alerts()) == 1
    refused = api.get("/api/v1/intake/refused").json()
    assert (refused["count"], refused["refused"][0]["integration"]) == (3, "signed")
    assert refused["refused"][0]["code"] == "forged"


@pytest.mark.parametrize(
    ("name", "body", "headers", "status", "code"),
    [
        ("generic", b"disk full", {}, 400, "not_json"),
        ("datadog", b"", {}, 400, "not_json"),
        ("email", b"{}", {"content-type": "application/json"}, 400, "not_a_form"),
        ("cloudevents", b"{}", {"content-type": "application/json"}, 415, "unsupported_media_type"),
    ],
)
def test_what_cannot_be_taken_is_told_to_both(
    stranger, api, temporal, name, body, headers, status, code
):
    """The sender learns what was wrong, and the operator that an alert may have been in it."""
    answer = stranger.post(f"/hooks/{name}/{key_of(name)}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    (row,) = api.get("/api/v1/intake/refused").json()["refused"]
    assert (row["integration"], row["status"], row["code"]) == (f"my-{name}", status, code)
    assert row["why"] == answer.json()["detail"]
    assert temporal.signals == []


def test_what_could_not_be_kept_is_a_row_too(stranger, api, app):
    """Not every sender repeats after a 503: the operator hears that an alert may be lost, in one row."""

    async def away(*_):
        raise TooManyWaitingError("50000 alerts are under way")

    app.state.services.reception.deliver = away
    for _ in range(3):
        assert post(stranger, "generic", f"/{key_of('generic')}").status_code == 503
    assert post(stranger, "generic", f"/{key_of('generic')}?a=b").status_code == 422
    assert post(stranger, "generic", "/nobodys?a=b").status_code == 401
    rows = api.get("/api/v1/intake/refused").json()["refused"]
    assert [(row["status"], row["times"]) for row in rows] == [(422, 1), (503, 3)]
    assert "under way" in rows[1]["why"]


def test_a_mistake_of_our_own_is_a_row_too(stranger, api, app):
    """500, and the operator hears of it at the place where lost alerts are looked for."""

    async def fails(*_):
        raise RuntimeError("a bug")

    app.state.services.reception.take = fails
    assert post(stranger, "generic", f"/{key_of('generic')}").status_code == 500
    (row,) = api.get("/api/v1/intake/refused").json()["refused"]
    assert (row["status"], row["code"]) == (500, "internal")


def test_strangers_leave_no_row(stranger, api):
    """Only what a known sender brought is a loss for certain; of strangers it is told how many came."""
    for _ in range(2):
        stranger.post("/hooks/generic/wrong", content=b"x")
    event = {"routing_key": "wrong", "event_action": "resolve", "dedup_key": "k"}
    stranger.post("/v2/enqueue", json=event)
    stranger.post("/v2/alerts", json={"message": "x"}, headers={"Authorization": "GenieKey wrong"})
    said = api.get("/api/v1/intake/refused").json()
    assert (said["count"], said["refused"]) == (0, [])
    counted = {one["format"]: one["count"] for one in said["strangers"]}
    assert counted == {"generic": 2, "opsgenie": 1, "pagerduty": 1}


def test_an_integration_without_its_key_is_named(api, policies, tmp_path):
    """It takes nothing, and its sender hears only that the key is wrong: the operator finds out why."""
    assert api.get("/api/v1/intake/refused").json()["closed"] == []
    file = tmp_path / "closed.yaml"
    example = (ROOT / "policy" / "example.yaml").read_text(encoding="utf-8")
    extra = '  pd: {format: pagerduty, key: "env:NOT_SET"}\n'
    file.write_text(example.replace("integrations:\n", "integrations:\n" + extra))
    policies.adopt(read_policy(file))
    closed = api.get("/api/v1/intake/refused").json()["closed"]
    assert closed == ["integration pd is closed: its key env:NOT_SET is not set"]


def test_refused_needs_a_token(stranger):
    """It names integrations."""
    assert stranger.get("/api/v1/intake/refused").status_code == 401


def test_amazon_cannot_be_asked(stranger, api, temporal, monkeypatch):
    """503, which SNS sends again; and a row that says what to look at."""

    async def away(received, egress, now):
        raise EgressError("sns.eu-west-1.amazonaws.com cannot be reached")

    monkeypatch.setitem(FORMATS["sns"].__dict__, "meet", away)
    answer = post(stranger, "sns", "/key-of-sns")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_checked")
    assert answer.headers["retry-after"]
    assert "cannot be reached" in api.get("/api/v1/intake/refused").json()["refused"][0]["why"]
    assert temporal.signals == []


def test_sns_as_it_is(stranger, temporal, monkeypatch):
    """What is not signed by Amazon is refused, whoever has the address."""
    from starter.intake.sns import meet

    monkeypatch.setitem(FORMATS["sns"].__dict__, "meet", meet)
    assert post(stranger, "sns", "/key-of-sns").status_code == 401
    assert temporal.signals == []


def test_repeated_deliveries(stranger, temporal):
    """The same event sent twice has one effect, and is answered alike."""
    first = post(stranger, "cloudevents", "/key-of-cloudevents")
    count = len(temporal.alerts())
    assert count
    again = post(stranger, "cloudevents", "/key-of-cloudevents")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert len(temporal.alerts()) == count


@pytest.mark.parametrize("path", ["/hooks/cloudevents", "/hooks/cloudevents/key-of-cloudevents"])
def test_cloudevents_handshake(stranger, path):
    """Whoever has the key is told that it may send, and how often."""
    headers = {"WebHook-Request-Origin": "eventemitter.example.com", "WebHook-Request-Rate": "120"}
    if not path.endswith("/key-of-cloudevents"):
        assert stranger.options(path, headers=headers).status_code == 401
        headers["Authorization"] = "Bearer key-of-cloudevents"
    answer = stranger.options(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert int(answer.headers["webhook-allowed-rate"]) > 0
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("origin", [None, "", "a b", "a\tb", "x" * 300, "<script>"])
def test_cloudevents_handshake_without_an_origin(stranger, origin):
    """Consent to nobody in particular is none."""
    headers = {} if origin is None else {"WebHook-Request-Origin": origin}
    answer = stranger.options("/hooks/cloudevents/key-of-cloudevents", headers=headers)
    assert answer.status_code == 400
    assert "webhook-allowed-origin" not in answer.headers


def test_other_formats_have_no_handshake(stranger):
    """OPTIONS is asked by CloudEvents only."""
    headers = {"WebHook-Request-Origin": "a.example"}
    assert stranger.options("/hooks/generic/key-of-generic", headers=headers).status_code == 405


def test_forged_requests_cost_little(stranger, temporal):
    """Many wrong signatures: no workflow, no line that holds the secret, and soon over."""
    started = time.monotonic()
    with structlog.testing.capture_logs() as logs:
        for number in range(1_000):
            headers = {"sentry-hook-signature": f"{number:064x}"}
            stranger.post("/hooks/sentry/key-of-signed", content=b"{}", headers=headers)
    assert temporal.signals == []
    assert not any(held in json.dumps(logs, default=str) for held in (SECRET, "key-of-signed"))
    assert time.monotonic() - started < 30

"""Every error is a problem document, and nothing that comes in becomes a 500."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from records.database import RecordsUnavailableError
from starter.temporal_link import GatewayUnavailableError

API = "/api/v1/incidents"
NOTE = f"{API}/checkout-1/note"


def is_problem(answer, status, code):
    """The whole document of RFC 9457 with our members."""
    body = answer.json()
    assert answer.status_code == status, body
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) >= {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def test_no_token(stranger):
    """401 with how to come in and no reason."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
        answer = stranger.get(API, headers=headers)
        is_problem(answer, 401, "unauthorised")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert stranger.post(NOTE, content=b"not json").status_code == 401
    assert stranger.get("/api/v1/oncall?nonsense=1").status_code == 401
    assert stranger.post("/api/v1/policy/reload").status_code == 401
    assert stranger.get("/api/v1/events").status_code == 401


def test_no_such_route(api):
    """404 and 405 are documents too."""
    is_problem(api.get("/nowhere"), 404, "not_found")
    is_problem(api.get("/api/v1/nowhere"), 404, "not_found")
    answer = api.delete(API)
    is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


def test_request_id_in_and_out(api):
    """The caller's own id, where it is one."""
    assert api.get("/livez", headers={"X-Request-ID": "abc"}).headers["x-request-id"] == "abc"
    for bad in ("a b", "x" * 129):
        given = api.get("/livez", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert given != bad


def test_headers_that_protect(api):
    """On every answer, errors too."""
    for url in ("/livez", "/nowhere", API):
        headers = api.get(url).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"{",
        b"\xff\xfe{}",
        b'{"text": "\xff"}',
        b'{"text": NaN}',
        b"[" * 100_000,
        b"[" * 40 + b"]" * 40,
        b'{"text": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_not_json(api, declared, body):
    """400."""
    is_problem(api.post(NOTE, content=body), 400, "not_json")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"x"',
        b"7",
        b'{"text": "a\\u0000b"}',
        b'{"text": "\\ud800"}',
        b'{"\\ud800": "x"}',
        b'{"text": {"a": "\\u0000"}}',
        b'{"text": "x", "actor": 7}',
        b'{"text": "x", "actor": "\\u0000"}',
        b'{"text": "x", "key": 7}',
        b'{"text": ""}',
        b"{}",
        b"",
    ],
)
def test_json_of_the_wrong_shape(api, declared, body):
    """422."""
    answer = api.post(NOTE, content=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


def test_too_large(api, declared):
    """413 beyond 256 KiB, and no incident: the API raises nothing."""
    big = b'{"text": "' + b"x" * (256 * 1024) + b'"}'
    is_problem(api.post(NOTE, content=big), 413, "too_large")
    assert len(api.get(f"{API}?status=all").json()["incidents"]) == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "é"])
def test_idempotency_key(api, declared, key):
    """At most 200 printable characters."""
    headers = {"Idempotency-Key": key.encode("latin-1")}
    assert api.post(NOTE, json={"text": "x"}, headers=headers).status_code == 422
    good = {"Idempotency-Key": "x" * 200}
    assert api.post(NOTE, json={"text": "x"}, headers=good).status_code == 200


def test_temporal_away(api, declared, temporal):
    """503 with when to come back."""
    temporal.update_error = temporal.signal_error = GatewayUnavailableError("away")
    answer = api.post(NOTE, json={"text": "x"})
    is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]


def test_records_away(api, gateway, monkeypatch):
    """Lists need the records: 503."""

    def away(*args, **kwargs):
        raise RecordsUnavailableError("locked")

    monkeypatch.setattr(gateway.records.reader, "incidents", away)
    is_problem(api.get(API), 503, "unavailable")


def test_our_own_mistake(app, gateway, monkeypatch):
    """500 says nothing of the inside, and where to look."""

    async def broken(*args):
        raise KeyError("a secret")

    monkeypatch.setattr(gateway, "incident", broken)
    headers = {"Authorization": f"Bearer {app.state.services.token.get_secret_value()}"}
    with TestClient(app, headers=headers) as client:
        body = is_problem(client.get(f"{API}/checkout-1"), 500, "internal")
    assert "secret" not in str(body)


@pytest.mark.parametrize(
    "path",
    ["/livez?x=1", "/version?x=1", "/readyz?x=1", f"{API}/checkout-1?x=1", "/api/v1/oncall?x=1"],
)
def test_unknown_query_parameters(api, path):
    """422: what is not read was meant for something."""
    is_problem(api.get(path), 422, "invalid")
    is_problem(api.post(f"{NOTE}?dry_run=1", json={"text": "x"}), 422, "invalid")

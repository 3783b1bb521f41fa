"""The headers that protect, on every kind of route and of answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from starter.records_access import RecordsAccess
from tests.security.doors import SECRETS, TOKEN, Door, group

BEARER = {"Authorization": f"Bearer {TOKEN}"}
CASES = (
    ("GET", "/livez", {}, 200),
    ("GET", "/readyz", {}, None),
    ("GET", "/version", {}, 200),
    ("GET", "/metrics", {}, 200),
    ("GET", "/openapi.json", {}, 200),
    ("GET", "/api/v1/incidents", BEARER, 200),
    ("HEAD", "/livez", {}, None),
    ("GET", "/api/v1/incidents", {}, 401),
    ("GET", "/api/v1/incidents/none-1", BEARER, 404),
    ("GET", "/api/v1/incidents?nonsense=1", BEARER, 422),
    ("POST", "/api/v1/incidents", BEARER, 422),
    ("DELETE", "/api/v1/incidents", BEARER, 405),
    ("GET", "/hooks/alertmanager", {}, 405),
    ("POST", "/hooks/alertmanager", {}, 401),
    ("POST", "/hooks/nothing", {}, None),
    ("POST", "/v2/enqueue", {}, 400),
    ("POST", "/v2/alerts", {}, None),
    ("GET", "/i/checkout-1/x", {}, 404),
    ("GET", "/answer/x", {}, 403),
    ("POST", "/answer/x", {}, 403),
    ("POST", "/answer/slack", {}, 403),
    ("POST", "/answer/sms", {}, None),
    ("GET", "/report", {}, None),
    ("GET", "/login", {}, 404),
    ("GET", "/me", {}, 401),
    ("GET", "/nothing", {}, 404),
    ("GET", "/../../etc/passwd", {}, 404),
    ("GET", "/%00", {}, 404),
    ("OPTIONS", "/", {}, 404),
    ("TRACE", "/livez", {}, None),
    ("BREW", "/livez", {}, 405),
)


@pytest.fixture
def door(tmp_path: Path, records: RecordsAccess) -> Iterator[Door]:
    made = Door(tmp_path / "door", records)
    with made.api:
        yield made


def protects(answer: httpx2.Response) -> None:
    """Nothing may be guessed, framed, kept, or told to the next site."""
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "no-store" in headers["cache-control"]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "*" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert headers["x-request-id"]
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(("method", "path", "headers", "status"), CASES)
def test_every_kind(
    door: Door, method: str, path: str, headers: dict[str, str], status: int | None
) -> None:
    """Pages, JSON, refusals, what is not there and what is not allowed; no cookie without a session."""
    answer = door.api.request(method, path, headers=headers)
    assert status in (None, answer.status_code)
    assert answer.status_code < 500 or path == "/readyz"
    protects(answer)
    if path != "/report":
        assert "set-cookie" not in answer.headers


def test_errors_of_our_own(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 has them too, and says nothing but where to look."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("canary-in-an-exception")

    monkeypatch.setattr(door.app.state.services.reception, "deliver", broken)
    answer = door.post(group())
    assert answer.status_code == 500
    protects(answer)
    assert "canary" not in answer.text
    assert "Zero" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_pages_for_people_run_no_foreign_script(door: Door) -> None:
    """What stands in an incident cannot run: scripts are none, or known by their hash or nonce."""
    body = {"service": "checkout", "severity": "SEV1", "summary": "<script>alert(1)</script>"}
    made = door.api.post("/api/v1/incidents", json=body, headers=BEARER)
    assert made.status_code == 201, made.text
    url = door.app.state.services.signer.url_for("", made.json()["id"])
    answer = door.api.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    protects(answer)
    assert "<script>alert(1)" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


@pytest.mark.parametrize("name", ["x-request-id", "x-forwarded-host", "x-anything"])
def test_headers_are_not_handed_back(door: Door, name: str) -> None:
    """A request's header comes back neither as a header of ours nor in a page."""
    value = "canary\tset-cookie: a=b"
    answer = door.api.get("/nothing", headers={name: value, "authorization": "Bearer canary-2"})
    assert "canary" not in f"{answer.headers} {answer.text}"
    assert SECRETS["AM_KEY"] not in answer.text

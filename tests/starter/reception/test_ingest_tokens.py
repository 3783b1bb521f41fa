"""Hooks that are opened by a token of the role ingest, beside the keys of integrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

HOOK = "/hooks/alertmanager"
ALERT = {"alerts": [{"status": "firing", "labels": {"service": "checkout"}}]}


def made(api: TestClient, *roles: str, **fields: Any) -> dict[str, str]:
    answer = api.post("/api/v1/tokens", json={"name": "x", "roles": list(roles), **fields})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.mark.parametrize(
    ("roles", "fields", "status"),
    [
        (["ingest"], {}, 202),
        (["ingest"], {"integration": "prometheus"}, 202),
        (["ingest", "viewer"], {}, 202),
        (["viewer"], {}, 401),
        (["admin"], {}, 401),
        (["manager"], {"act_as_any": True}, 401),
    ],
)
def test_only_ingest_opens_a_hook(
    api: TestClient, stranger: TestClient, roles: list[str], fields: dict[str, Any], status: int
) -> None:
    """Alerts come in with it; with any other role they do not."""
    answer = stranger.post(HOOK, json=ALERT, headers=made(api, *roles, **fields))
    assert answer.status_code == status, answer.text


def test_it_opens_nothing_else(api: TestClient, stranger: TestClient) -> None:
    """A monitoring tool that is broken into reads no incident and acknowledges none."""
    headers = made(api, "ingest")
    assert stranger.get("/api/v1/incidents", headers=headers).status_code == 403
    answer = stranger.post("/api/v1/incidents/checkout-1/acknowledge", json={}, headers=headers)
    assert answer.status_code == 403
    assert "acknowledge needs the role responder; this token has ingest" in answer.text


def test_revoked_it_opens_nothing(api: TestClient, stranger: TestClient) -> None:
    """At the next alert."""
    headers = made(api, "ingest")
    (one,) = api.get("/api/v1/tokens").json()["tokens"]
    api.post(f"/api/v1/tokens/{one['id']}/revoke")
    assert stranger.post(HOOK, json=ALERT, headers=headers).status_code == 401


def test_a_broken_file_of_tokens_loses_no_alert(
    api: TestClient, stranger: TestClient, tmp_path: Path
) -> None:
    """503, which senders repeat; a 401 would make them drop the alert. Keys go on working."""
    headers = made(api, "ingest")
    (tmp_path / "access" / "tokens.json").write_text("{")
    assert stranger.post(HOOK, json=ALERT, headers=headers).status_code == 503
    key = {"Authorization": "Bearer key-of-prometheus"}
    assert stranger.post(HOOK, json=ALERT, headers=key).status_code == 202

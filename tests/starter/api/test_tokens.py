"""Tokens over HTTP: made, used, listed, revoked; and whose writes they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

TOKENS = "/api/v1/tokens"
INCIDENTS = "/api/v1/incidents"


@pytest.fixture
def anybody(app: Any) -> Iterator[TestClient]:
    """A client without a token of its own."""
    with TestClient(app) as client:
        yield client


def made(api: TestClient, *roles: str, **fields: Any) -> dict[str, Any]:
    answer = api.post(TOKENS, json={"name": "laptop", "roles": list(roles), **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def bearer(token: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['token']}"}


def test_a_token_is_shown_once(api: TestClient) -> None:
    """The answer that makes it holds it; no list does."""
    token = made(api, "responder", "comms", owner="alice", expires="30d")
    assert token["roles"] == ["responder", "comms"]
    assert token["token"].startswith("tocsin_")
    listed = api.get(TOKENS)
    assert token["token"] not in listed.text
    assert "digest" not in listed.text
    (one,) = listed.json()["tokens"]
    assert (one["id"], one["state"], one["owner"]) == (token["id"], "active", "alice")


def test_one_request_makes_one_token(api: TestClient) -> None:
    """Sent again under its key it makes no second one, and cannot show the first: 409 says what to do."""
    body = {"name": "laptop", "roles": ["viewer"]}
    key = {"Idempotency-Key": "k1"}
    first = api.post(TOKENS, json=body, headers=key).json()
    again = api.post(TOKENS, json=body, headers=key)
    assert again.status_code == 409
    assert f"token {first['id']} already" in again.json()["detail"]
    assert "revoke it" in again.json()["detail"]
    assert len(api.get(TOKENS).json()["tokens"]) == 1


def test_its_owner_acts_by_default(
    api: TestClient, anybody: TestClient, declared: dict[str, Any], temporal: Any
) -> None:
    """An acknowledgement without `actor` is the owner's; the system's token still has to say who."""
    token = made(api, "responder", owner="bob")
    path = f"{INCIDENTS}/{declared['id']}/acknowledge"
    assert api.post(path, json={}).json()["code"] == "actor_required"
    answer = anybody.post(path, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["incident_manager"] == "bob"
    assert temporal.updates[-1][2]["actor"] == "bob"


@pytest.mark.parametrize(
    ("fields", "actor", "status"),
    [
        ({"owner": "bob"}, "alice", 403),
        ({"owner": "bob"}, "operator", 403),
        ({"owner": "bob"}, "bob", 200),
        ({"owner": "bob", "act_as_any": True}, "alice", 200),
        ({}, "alice", 403),
        ({}, "operator", 200),
        ({"act_as_any": True}, "alice", 200),
        ({"act_as_any": True}, "zoe", 422),
    ],
)
def test_nobody_acts_in_anothers_name(
    api: TestClient, anybody: TestClient, declared: dict[str, Any],
    fields: dict[str, Any], actor: str, status: int,
) -> None:  # fmt: skip
    """Only a token that says so names other people, and only people of the policy."""
    token = made(api, "responder", **fields)
    body = {"text": "seen", "actor": actor}
    path = f"{INCIDENTS}/{declared['id']}/note"
    answer = anybody.post(path, json=body, headers=bearer(token))
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "forbidden"
        assert "this token" in answer.json()["detail"]


def test_a_refusal_says_which_role_is_missing(
    api: TestClient, anybody: TestClient, declared: dict[str, Any], temporal: Any
) -> None:
    """403 problem+json, and nothing has reached a workflow."""
    token = made(api, "responder", owner="bob")
    before = len(temporal.updates)
    body = {"audience": "external", "text": "We are down"}
    path = f"{INCIDENTS}/{declared['id']}/publish-update"
    answer = anybody.post(path, json=body, headers=bearer(token))
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == (
        "publish_update external needs the role comms; this token has responder"
    )
    internal = {"audience": "internal", "text": "We are down"}
    assert anybody.post(path, json=internal, headers=bearer(token)).status_code == 200
    assert len(temporal.updates) == before + 1


def test_an_assessment_does_not_change_the_severity_by_the_back_door(
    api: TestClient, anybody: TestClient, declared: dict[str, Any]
) -> None:
    """What `set_severity` needs, `assess` with a severity needs too."""
    token = made(api, "responder", owner="bob")
    path = f"{INCIDENTS}/{declared['id']}/assess"
    answer = anybody.post(path, json={"severity": "SEV3"}, headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert anybody.post(path, json={"symptoms": "slow"}, headers=bearer(token)).status_code == 200


def test_contacts_of_others_are_not_a_responders(api: TestClient, anybody: TestClient) -> None:
    """Switching off another person's pages needs a manager or an admin; one's own does not."""
    token = made(api, "responder", owner="bob")
    body = {"channel": "email", "enabled": False}
    others = anybody.post("/api/v1/oncall/people/alice/contacts", json=body, headers=bearer(token))
    assert (others.status_code, others.json()["code"]) == (403, "forbidden")
    own = anybody.post("/api/v1/oncall/people/bob/contacts", json=body, headers=bearer(token))
    assert own.status_code == 200, own.text


def test_a_revoked_token_opens_nothing_at_once(api: TestClient, anybody: TestClient) -> None:
    """The next request is refused, and its holder hears why; nobody else learns anything."""
    token = made(api, "viewer")
    assert anybody.get(INCIDENTS, headers=bearer(token)).status_code == 200
    revoked = api.post(f"{TOKENS}/{token['id']}/revoke", json={"actor": "carol"})
    assert (revoked.json()["state"], revoked.json()["revoked_by"]) == ("revoked", "carol")
    answer = anybody.get(INCIDENTS, headers=bearer(token))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "was revoked" in answer.json()["detail"]
    guess = anybody.get(INCIDENTS, headers={"Authorization": "Bearer tocsin_guess"})
    assert guess.json()["detail"] == "a valid bearer token is needed"
    assert api.post(f"{TOKENS}/t_none/revoke").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "x", "roles": []}, "/roles"),
        ({"name": "x", "roles": ["boss"]}, "/roles/0"),
        ({"name": "x", "roles": ["viewer"], "owner": "zoe"}, "/owner"),
        ({"name": "x", "roles": ["viewer"], "integration": "prometheus"}, "/integration"),
        ({"name": "x", "roles": ["ingest"], "integration": "nagios"}, "/integration"),
        ({"name": "x", "roles": ["viewer"], "expires": "never"}, "/expires"),
        ({"name": "x", "roles": ["viewer"], "expires": "1d", "never_expires": True}, "/expires"),
        ({"name": "x", "roles": ["viewer"], "colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_wish_is_told(api: TestClient, body: dict[str, Any], pointer: str) -> None:
    """422 naming the field; nothing is made."""
    answer = api.post(TOKENS, json=body)
    assert answer.status_code == 422
    assert pointer in [one["pointer"] for one in answer.json()["errors"]]
    assert api.get(TOKENS).json()["tokens"] == []


def test_a_broken_file_of_tokens_is_said(api: TestClient, anybody: TestClient, tmp_path: Path):
    """The system's token goes on; all others hear 503 and why, never a wrong 401."""
    token = made(api, "viewer")
    (tmp_path / "access" / "tokens.json").write_text("{")
    assert api.get(INCIDENTS).status_code == 200
    for given in (bearer(token), {"Authorization": "Bearer tocsin_guess"}):
        answer = anybody.get(INCIDENTS, headers=given)
        assert answer.status_code == 503
        assert "damaged" in answer.json()["detail"]
    assert api.get(TOKENS).status_code == 503


def test_acknowledging_needs_no_database(
    api: TestClient, anybody: TestClient, declared: dict[str, Any], tmp_path: Path
) -> None:
    """With the records gone a responder's token still opens the way to the workflow."""
    token = made(api, "responder", owner="bob")
    (tmp_path / "records.db").unlink()
    (tmp_path / "records.db").mkdir()
    answer = anybody.post(f"{INCIDENTS}/{declared['id']}/acknowledge", headers=bearer(token))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("body", [{"claim": "a.b"}, {"claim": None, "text": "x"}])
def test_nobody_brings_a_claim_along(
    api: TestClient, declared: dict[str, Any], body: dict[str, Any]
) -> None:
    """The field is the API's own: 422 instead of quietly dropping it."""
    answer = api.post(f"{INCIDENTS}/{declared['id']}/note", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/claim"


def test_whoami(api: TestClient, anybody: TestClient) -> None:
    """What a token is worth, for its holder; also one that may do nothing else here."""
    mine = api.get("/api/v1/whoami").json()
    assert (mine["acts_as"], mine["act_as_any"], len(mine["roles"])) == ("operator", True, 6)
    token = made(api, "manager", owner="bob")
    his = anybody.get("/api/v1/whoami", headers=bearer(token)).json()
    assert (his["owner"], his["acts_as"], his["roles"]) == ("bob", "bob", ["manager"])
    assert his["includes"] == ["viewer", "responder", "manager"]
    hook = made(api, "ingest")
    assert anybody.get("/api/v1/whoami", headers=bearer(hook)).json()["roles"] == ["ingest"]

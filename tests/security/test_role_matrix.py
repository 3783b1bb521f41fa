"""Every cell of the table, through the real application: each role asks for each thing that a route does."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from domain.access.roles import EVERY, ROWS, VERBS, AccessRole, may
from domain.commands import COMMANDS
from starter.access.routes import OPERATIONS
from starter.api import app as apps
from starter.api.authorisation import operation_of, require_token
from starter.api.feed import TooManyListenersError
from tests.workflows.test_handlers import VALID

INCIDENT = "/api/v1/incidents/checkout-1"


class Call(NamedTuple):
    """One request, and the verb that it is."""

    verb: str
    method: str
    path: str
    body: dict[str, Any] | None = None


def calls() -> Iterator[Call]:
    """One for each verb of the table that the API has a route for."""
    yield Call("declare", "POST", "/api/v1/incidents", {"service": "search", "summary": "x"})
    for name in COMMANDS:
        body = {"actor": "alice", **VALID[name]}
        yield Call(name, "POST", f"{INCIDENT}/{name.replace('_', '-')}", body)
    external = {"actor": "alice", "audience": "external", "text": "x"}
    yield Call("publish_update_external", "POST", f"{INCIDENT}/publish-update", external)
    for side in ("internal", "external"):
        yield Call(
            "publish_update" if side == "internal" else "publish_update_external",
            "POST",
            f"{INCIDENT}/preview-update",
            {"actor": "alice", "audience": side, "text": "x"},
        )
    postmortem: dict[str, dict[str, Any]] = {
        "edit": {}, "submit": {}, "approve": {}, "close": {},
        "add_action": {"kind": "prevent", "title": "x", "owner": "alice"},
        "complete_action": {"action": "a1"},
    }  # fmt: skip
    for name, fields in postmortem.items():
        yield Call(name, "POST", f"{INCIDENT}/postmortem/{name.replace('_', '-')}", fields)
    span = {"from": "2030-01-01T09:00", "to": "2030-01-01T10:00"}
    on = "/api/v1/oncall/payments"
    yield Call("add_override", "POST", f"{on}/overrides", {**span, "person": "bob"})
    yield Call("remove_override", "POST", "/api/v1/oncall/overrides/o1/remove", {})
    yield Call("swap", "POST", f"{on}/swaps", {**span, "person": "alice", "with": "bob"})
    yield Call("add_temporary", "POST", f"{on}/temporary", {**span, "shifts": []})
    contact = {"channel": "email", "enabled": True}
    people = "/api/v1/oncall/people"
    yield Call("set_contact", "POST", f"{people}/alice/contacts", {**contact, "actor": "alice"})
    yield Call(
        "set_contact_of_another", "POST", f"{people}/bob/contacts", {**contact, "actor": "alice"}
    )
    window = {"service": "checkout", "minutes": 5, "reason": "x"}
    yield Call("add_maintenance", "POST", "/api/v1/maintenance", window)
    yield Call("remove_maintenance", "DELETE", "/api/v1/maintenance/checkout/m9", {})
    yield Call("test_page", "POST", "/api/v1/oncall/test", {"person": "alice"})
    yield Call("explain", "POST", "/api/v1/policy/explain", {"payload": {}})
    yield Call("reload_policy", "POST", "/api/v1/policy/reload", {})
    yield Call("publish_status_page", "POST", "/api/v1/status-page/publish", {})
    for path in ("/api/v1/incidents", INCIDENT, f"{INCIDENT}/timeline"):
        yield Call("read_incidents", "GET", path)
    yield Call("listen", "GET", "/api/v1/events")
    yield Call("read_postmortem", "GET", f"{INCIDENT}/postmortem")
    yield Call("export_postmortem", "GET", f"{INCIDENT}/postmortem/export")
    yield Call("export_postmortem", "POST", f"{INCIDENT}/postmortem/export")
    for path in ("?service=checkout", "/gaps", "/payments", "/payments.ics", "/overrides"):
        yield Call("read_oncall", "GET", f"/api/v1/oncall{path}")
    yield Call("read_load", "GET", "/api/v1/oncall/load")
    yield Call("read_maintenance", "GET", "/api/v1/maintenance")
    yield Call("read_heartbeats", "GET", "/api/v1/heartbeats")
    yield Call("read_policy", "GET", "/api/v1/policy")
    report = "/api/v1/reports/R-7K3M9QX2"
    yield Call("read_reports", "GET", "/api/v1/reports")
    yield Call("read_reports", "GET", report)
    yield Call("confirm_report", "POST", f"{report}/confirm", {})
    yield Call("join_report", "POST", f"{report}/join", {"incident": "checkout-1"})
    yield Call("dismiss_report", "POST", f"{report}/dismiss", {"reason": "x"})
    yield Call("read_subscribers", "GET", "/api/v1/subscribers")
    yield Call("remove_subscriber", "POST", "/api/v1/subscribers/nobody-here/remove", {})
    yield Call("list_tokens", "GET", "/api/v1/tokens")
    yield Call("create_token", "POST", "/api/v1/tokens", {"name": "x", "roles": ["viewer"]})
    yield Call("revoke_token", "POST", "/api/v1/tokens/t_none/revoke", {})
    secret = {"url": "https://hooks.example.com/tocsin"}
    yield Call("read_webhook_secret", "POST", "/api/v1/webhooks/secret", secret)
    yield Call("whoami", "GET", "/api/v1/whoami")


CALLS = list(calls())
AT_THE_INTAKE = {"ingest", "beat"}
"""Verbs of the intake, which has routes outside of `/api/v1`."""


@pytest.fixture
def each(app: Any, api: TestClient, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A client for each role, each with a token of that role and no other; and an incident."""
    body = {"service": "checkout", "severity": "SEV1", "summary": "Cards are refused"}
    assert api.post("/api/v1/incidents", json=body).status_code == 201
    feed = app.state.services.feed

    def no_seat() -> None:
        raise TooManyListenersError("an endless answer would hold the test up")

    monkeypatch.setattr(feed, "listen", no_seat)
    clients: dict[str, Any] = {}
    for role in AccessRole:
        wanted = {"name": role.value, "roles": [role.value], "act_as_any": True}
        answer = api.post("/api/v1/tokens", json=wanted)
        assert answer.status_code == 201
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        clients[role] = TestClient(app, headers=headers)
    return clients


def ask(client: TestClient, call: Call) -> Any:
    content = None if call.body is None else json.dumps(call.body)
    return client.request(call.method, call.path, content=content)


def test_every_cell(each: dict[str, Any]) -> None:
    """Allowed goes on to whatever comes of it; all else is 403, and says which role is missing."""
    wrong = []
    for call in CALLS:
        for role, client in each.items():
            answer = ask(client, call)
            is_allowed = may([role], call.verb)
            if (answer.status_code not in (401, 403)) != is_allowed:
                wrong.append(f"{role} {call.verb} {call.path}: {answer.status_code}")
            if answer.status_code == 403:
                said = answer.json()
                assert said["code"] == "forbidden"
                assert "needs the role" in said["detail"], said
                assert f"this token has {role.value}" in said["detail"]
    assert not wrong, "\n".join(wrong)


def test_the_table_is_the_one_that_is_walked() -> None:
    """Each verb has a call here: whoever adds one says how it is asked for."""
    walked = {call.verb for call in CALLS} | AT_THE_INTAKE
    assert walked == set(VERBS), set(VERBS) ^ walked
    assert len(ROWS) > 10


def test_the_documented_table_is_the_one_of_the_code() -> None:
    """docs/security.md says of each role what it may do, row by row."""
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    for roles, verbs in ROWS.items():
        names = [role.value for role in AccessRole if role in roles]
        who = "any" if roles == EVERY else " or ".join(names)
        assert f"| {who} | {', '.join(f'`{verb}`' for verb in verbs)} |" in text


def modules_routes() -> list[APIRoute]:
    """The routes of every router that the application puts under /api/v1."""
    source = ast.parse(Path(apps.__file__).read_text(encoding="utf-8"))
    included = {
        name.id
        for loop in ast.walk(source)
        if isinstance(loop, ast.For) and "api.include_router" in ast.unparse(loop)
        for name in ast.walk(loop.iter)
        if isinstance(name, ast.Name)
    }
    routers = [getattr(apps, name).router for name in included]
    found = [one for router in routers for one in router.routes if isinstance(one, APIRoute)]
    assert len(found) > 40, "the application includes its routers in another way now"
    return found


def test_every_route_has_a_row(app: Any) -> None:
    """A route under /api/v1 that nobody has put into the table is closed, and this test says so."""
    document = app.openapi()
    operations = {
        how["operationId"]
        for path, methods in document["paths"].items()
        if path.startswith("/api/v1")
        for how in methods.values()
    }
    assert operations <= set(OPERATIONS), operations - set(OPERATIONS)
    assert set(OPERATIONS.values()) <= set(VERBS)
    stale = set(OPERATIONS) - operations
    assert not stale, f"rows of routes that do not exist: {stale}"
    # What is left out of the document has its function's name for a row.
    hidden = [one for one in modules_routes() if not one.include_in_schema]
    assert {operation_of(one) for one in hidden} <= set(OPERATIONS)


def test_a_route_without_a_row_is_nobodys(app: Any, api: TestClient) -> None:
    """Deny by default: also the system's token is refused what stands in no table."""

    async def launch() -> dict[str, str]:
        return {"launched": "rocket"}

    app.add_api_route("/api/v1/launch", launch, dependencies=[Depends(require_token)])
    answer = api.get("/api/v1/launch")
    assert answer.status_code == 403
    assert "launched" not in answer.text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version", "/metrics", "/openapi.json"])
def test_what_is_open_stays_open(stranger: TestClient, path: str) -> None:
    """Probes and scrapers have no token."""
    assert stranger.get(path).status_code in (200, 503)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_without_a_token_there_is_nothing(stranger: TestClient, call: Call) -> None:
    """401 for everything under /api/v1, whatever is asked and however it is spelled."""
    answer = ask(stranger, call)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"

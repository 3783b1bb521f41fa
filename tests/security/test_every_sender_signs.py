"""Whatever brings a command to a workflow, somebody acts: no way in forgets to say who."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from domain.access.roles import AccessRole
from domain.access.tokens import Principal
from starter.access import signing
from starter.access.signing import SIGNED
from tests.security.test_role_matrix import CALLS, ask
from tests.starter.answering.conftest import Switchboard
from tests.starter.fakes import FakeTemporal

Sent = list[tuple[str, Principal | None]]


@pytest.fixture
def sent(temporal: FakeTemporal, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Each command that leaves, and who acts at that moment: where the link to Temporal signs."""
    noted: Sent = []
    for way in ("update", "update_desk", "update_roster", "signal", "signal_desk", "signal_roster"):
        original = getattr(temporal, way)

        async def note(*given: Any, original: Any = original) -> Any:
            name = next(one for one in given if one in SIGNED) if SIGNED & _words(given) else ""
            if name:
                noted.append((name, signing._acting.get()))
            return await original(*given)

        monkeypatch.setattr(temporal, way, note)
    return noted


def _words(given: tuple[Any, ...]) -> set[str]:
    return {one for one in given if isinstance(one, str)}


def test_every_route_acts_for_its_token(
    api: TestClient, app: Any, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All commands of the API leave in the name of the token that asked, with its roles."""
    body = {"service": "checkout", "severity": "SEV1", "summary": "Cards are refused"}
    api.post("/api/v1/incidents", json=body)
    wanted = {"name": "x", "roles": [role.value for role in AccessRole], "act_as_any": True}
    made = api.post("/api/v1/tokens", json=wanted).json()
    sent.clear()
    client = TestClient(app, headers={"Authorization": f"Bearer {made['token']}"})
    for call in CALLS:
        if call.method != "GET":
            ask(client, call)
    names = {name for name, _ in sent}
    assert {"declare", "acknowledge", "resolve", "add_override", "add_maintenance"} <= names
    for name, principal in sent:
        assert principal is not None, name
        assert principal.token_id == made["id"], name


def test_answers_act_for_whoever_was_paged(board: Switchboard, sent: Sent) -> None:
    """By link, by text message, by Slack's button or command: the person of the page, as a responder."""
    board.api.post(board.link(board.paged("alice")), data={"action": "acknowledge"})
    board.api.post(board.link(board.paged("bob")), data={"action": "escalate", "confirm": "yes"})
    page = board.paged("alice", channel="sms")
    board.text(f"ack {page.incident}")
    board.slack(board.token(board.paged("alice", channel="slack")))
    board.typed(f"note {page.incident} the pool is full")
    seen = {
        (name, principal.by, principal.owner)
        for name, principal in sent
        if principal is not None and name != "declare"
    }
    assert {
        ("acknowledge", "answer link", "alice"),
        ("escalate", "answer link", "bob"),
        ("acknowledge", "answer sms", "alice"),
        ("acknowledge", "answer chat", "alice"),
        ("note", "chat command", "alice"),
    } <= seen
    for name, principal in sent:
        assert principal is not None, name
        if name != "declare":
            assert principal.roles == {AccessRole.RESPONDER}
    # What was said in one answer's name is over with it.
    assert signing._acting.get() is None

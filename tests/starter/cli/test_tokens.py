"""`tocsin token …` and `tocsin whoami`: what is sent, what is shown, what a refusal tells to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from starter.access.actor_keys import ActorKey
from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import TOKEN, FakeApi, problem

MADE = {
    "id": "t_1f2e3d4c", "name": "laptop", "owner": "alice", "roles": ["responder", "comms"],
    "state": "active", "expires_at": "2027-02-26T12:00:00Z", "token": "tocsin_only-once",
    "used_at": None,
}  # fmt: skip


def test_a_token_is_made_and_printed_once(tocsin: Tocsin, api: FakeApi) -> None:
    """stdout is the token and nothing else, so that it can go straight to where it is needed."""
    api.next_answer = (201, MADE)
    result = tocsin(
        "token", "create", "--owner", "alice", "--role", "responder", "--role", "comms",
        "--expires", "90d", "--name", "laptop",
    )  # fmt: skip
    assert (result.code, result.out) == (0, "tocsin_only-once\n")
    assert "t_1f2e3d4c of alice" in result.err
    assert "not shown again" in result.err
    sent = api.requests[-1]
    assert (sent.method, sent.path) == ("POST", "/api/v1/tokens")
    assert sent.body == {
        "name": "laptop", "roles": ["responder", "comms"], "owner": "alice", "expires": "90d",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (["--expires", "never"], {"never_expires": True}),
        (["--act-as-any"], {"act_as_any": True}),
        (["--integration", "prometheus"], {"integration": "prometheus"}),
        (["--as", "carol"], {"actor": "carol"}),
        ([], {}),
    ],
)
def test_every_wish_is_sent(
    tocsin: Tocsin, api: FakeApi, given: list[str], sent: dict[str, object]
) -> None:
    """Only what was said is in the body."""
    api.next_answer = (201, MADE)
    assert tocsin("token", "create", "--name", "x", "--role", "ingest", *given).code == 0
    assert api.requests[-1].body == {"name": "x", "roles": ["ingest"], **sent}


def test_a_role_that_does_not_exist(tocsin: Tocsin) -> None:
    """A usage error that names the roles there are; nothing is sent."""
    result = tocsin("token", "create", "--name", "x", "--role", "boss")
    assert result.code == 2
    assert "responder" in result.err


def test_the_list_shows_whose_and_until_when(tocsin: Tocsin, api: FakeApi) -> None:
    """And as ids for a script that revokes."""
    listed = {"tokens": [{**MADE, "token": None}]}
    api.next_answer = (200, listed)
    shown = tocsin("token", "list").out
    for word in ("t_1f2e3d4c", "laptop", "alice", "active", "responder, comms", "26 Feb"):
        assert word in shown
    api.next_answer = (200, listed)
    assert tocsin("token", "list", "-o", "id").out == "t_1f2e3d4c\n"


def test_a_token_is_revoked(tocsin: Tocsin, api: FakeApi) -> None:
    """By its id."""
    api.next_answer = (200, {**MADE, "token": None, "state": "revoked"})
    result = tocsin("token", "revoke", "t_1f2e3d4c", "--as", "carol")
    assert result.code == 0
    assert api.requests[-1].path == "/api/v1/tokens/t_1f2e3d4c/revoke"
    assert api.requests[-1].body == {"actor": "carol"}


def test_alone_it_prints_the_one_in_use(tocsin: Tocsin) -> None:
    """As ever, and also as JSON."""
    assert tocsin("token").out == f"{TOKEN}\n"
    assert json.loads(tocsin("token", "-o", "json").out)["token"] == TOKEN


def test_whoami(tocsin: Tocsin, api: FakeApi) -> None:
    """Whose token this is and what it may do, at a glance."""
    api.next_answer = (
        200,
        {"owner": "alice", "acts_as": "alice", "roles": ["manager"], "includes": ["viewer", "manager"]},
    )  # fmt: skip
    result = tocsin("whoami")
    assert result.code == 0
    assert "alice" in result.out
    assert "viewer, manager" in result.out


def test_a_refusal_says_what_to_ask_for(tocsin: Tocsin, api: FakeApi) -> None:
    """Exit code 7, the role that is missing, and the command that an admin would run."""
    said = "resolve needs the role manager; this token has responder"
    api.next_answer = problem(403, said, code="forbidden")
    result = tocsin("resolve", "checkout-17", "--summary", "over")
    assert result.code == 7
    assert said in result.err
    assert "tocsin whoami" in result.err
    assert "tocsin token create" in result.err


def test_keys_for_another_hosts_policy(tocsin: Tocsin, alone: Path) -> None:
    """The public half of this host's key, as `access.keys` takes it; nothing of the private one."""
    assert tocsin("token", "keys").out == "no keys yet\n"
    key = ActorKey(alone)
    key.load()
    out = tocsin("token", "keys").out
    assert out.startswith(f"{key.kid}: ")
    assert (alone / "access" / "actor-key").read_text().strip() not in out


@pytest.mark.parametrize(
    ("broken", "said"),
    [("access/tokens.json", "only the system's token"), ("access/actor-keys.json", "cannot be read")],
)  # fmt: skip
def test_doctor_tells_of_broken_files(tocsin: Tocsin, alone: Path, broken: str, said: str) -> None:
    """A damaged file is a failed check with what to do, before somebody is locked out at night."""
    (alone / "access").mkdir()
    (alone / broken).write_text("{")
    checks = json.loads(tocsin("doctor", "-o", "json").out)["checks"]
    (found,) = [one for one in checks if one["check"] == "access"]
    assert found["state"] == "failed"
    assert said in found["detail"]


def test_doctor_calls_ending_tokens_to_mind(tocsin: Tocsin, alone: Path) -> None:
    """Two weeks ahead, by name; all else is well."""
    from domain.access.tokens import TokenWanted
    from starter.access.health import health_of
    from starter.access.store import TokenStore

    assert health_of(alone).state == "ok"
    store = TokenStore(alone)
    for name, expires in (("soon", "13d"), ("later", "15d")):
        wanted = {"name": name, "roles": ["viewer"], "expires": expires}
        store.create(TokenWanted.model_validate(wanted), "operator")
    state, detail = health_of(alone)
    assert state == "warning"
    assert "2 tokens" in detail
    assert "(soon)" in detail
    assert "(later)" not in detail

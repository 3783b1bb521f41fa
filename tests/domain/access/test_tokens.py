"""Tokens as data: their states at the edges, and for whom their holder acts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.access.roles import EVERY, AccessRole
from domain.access.tokens import (
    SYSTEM,
    Token,
    TokenState,
    TokenWanted,
    answering,
    digest_of,
    end_of,
    principal_of,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def a_token(**changes: Any) -> Token:
    made: dict[str, Any] = {
        "id": "t_1", "name": "laptop", "digest": "0" * 64, "roles": ["responder"],
        "created_at": NOW,
    }  # fmt: skip
    return Token.model_validate(made | changes)


def test_a_token_ends_at_its_very_instant() -> None:
    """One microsecond before it still opens; then it does not."""
    token = a_token(expires_at=NOW)
    assert token.state(NOW - timedelta(microseconds=1)) is TokenState.ACTIVE
    assert token.state(NOW) is TokenState.EXPIRED
    assert a_token().state(NOW + timedelta(days=9999)) is TokenState.ACTIVE


def test_revoked_counts_more_than_expired() -> None:
    """Whoever revoked a token sees that it is revoked, also when its time is over."""
    assert a_token(expires_at=NOW, revoked_at=NOW).state(NOW) is TokenState.REVOKED


@pytest.mark.parametrize(
    ("wanted", "end"),
    [
        ({"roles": ["responder"]}, NOW + timedelta(days=90)),
        ({"roles": ["ingest"]}, None),
        ({"roles": ["ingest", "viewer"]}, NOW + timedelta(days=90)),
        ({"roles": ["ingest"], "expires": "2h"}, NOW + timedelta(hours=2)),
        ({"roles": ["admin"], "never_expires": True}, None),
    ],
)
def test_when_a_token_ends(wanted: dict[str, Any], end: datetime | None) -> None:
    """Tokens of people end by themselves; one that only sends alerts never stops in silence."""
    assert end_of(TokenWanted.model_validate({"name": "x", **wanted}), NOW) == end


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": []}, {"roles": ["boss"]}, {"roles": ["viewer"], "name": " "},
        {"roles": ["viewer"], "expires": "0s"}, {"roles": ["viewer"], "expires": "soon"},
        {"roles": ["viewer"], "colour": "red"}, {"roles": ["viewer"], "name": "x" * 101},
    ],
)  # fmt: skip
def test_what_is_no_token(wrong: dict[str, Any]) -> None:
    """A token without a role, with one that does not exist, or without an end that can be."""
    with pytest.raises(ValidationError):
        TokenWanted.model_validate({"name": "laptop", **wrong})


@pytest.mark.parametrize(
    ("owner", "is_any", "asked", "actor"),
    [
        ("alice", False, None, "alice"),
        ("alice", False, "alice", "alice"),
        ("alice", True, "bob", "bob"),
        ("alice", True, None, "alice"),
        (None, False, None, "operator"),
        (None, False, "operator", "operator"),
        (None, True, "bob", "bob"),
        (None, True, None, "operator"),
    ],
)
def test_for_whom_a_token_acts(
    owner: str | None, is_any: bool, asked: str | None, actor: str
) -> None:
    """Its owner where nobody is named; anybody only where it says so."""
    principal = principal_of(a_token(owner=owner, act_as_any=is_any))
    assert principal.actor_for(asked) == actor


@pytest.mark.parametrize(
    ("owner", "asked", "why"),
    [
        ("alice", "bob", "acts for alice and for nobody else, not for bob"),
        ("alice", "operator", "not for operator"),
        (None, "bob", "has no owner"),
    ],
)
def test_for_whom_it_does_not(owner: str | None, asked: str, why: str) -> None:
    """Nobody acknowledges in another's name; the refusal says for whom the token is."""
    with pytest.raises(PermissionError, match=why):
        principal_of(a_token(owner=owner)).actor_for(asked)


def test_the_systems_token_may_do_everything() -> None:
    """The token of `tocsin up` has every role, and acts as any person."""
    assert SYSTEM.roles == EVERY
    assert SYSTEM.actor_for("bob") == "bob"
    assert SYSTEM.actor_for(None) == "operator"


def test_an_answer_from_outside_is_its_persons() -> None:
    """A press on a page's button may do what a responder may, as the person who was paged."""
    principal = answering("alice", "link")
    assert principal.by == "answer link"
    assert principal.roles == {AccessRole.RESPONDER}
    with pytest.raises(PermissionError):
        principal.actor_for("bob")


def test_of_a_token_only_a_digest_is_kept() -> None:
    """SHA-256 of 256 random bits; a lone surrogate in what somebody sends is no crash."""
    assert len(digest_of("tocsin_x")) == 64
    assert digest_of("\ud800") == digest_of("\ud800")

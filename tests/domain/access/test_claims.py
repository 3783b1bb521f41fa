"""Claims without their signature: how they travel, and for which message they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.access.claims import (
    LIFE,
    MAX_CHARS,
    SIGNATURE_BYTES,
    Asked,
    Claim,
    ClaimError,
    check,
    digest_of,
    joined,
    kid_of,
    parted,
    presented,
    public_key_of,
    read,
    said_by,
    without_claim,
)
from domain.access.roles import AccessRole

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BODY = {"text": "rolled back", "actor": "alice", "key": "note/k1"}
ASKED = Asked(subject="checkout-1", verb="note", actor="alice", key="note/k1")


def a_claim(**changes: Any) -> Claim:
    made: dict[str, Any] = {
        "sub": "alice", "by": "token t_1 (laptop)", "roles": ["responder"], "subject": "checkout-1",
        "verb": "note", "key": "note/k1", "digest": digest_of(BODY), "iat": int(NOW.timestamp()),
        "exp": int((NOW + LIFE).timestamp()), "kid": "k",
    }  # fmt: skip
    return Claim(**made | changes)


def test_a_claim_comes_back_as_it_was() -> None:
    """What is signed is what is read."""
    claim = a_claim()
    said, signature = parted(joined(said_by(claim), b"s" * SIGNATURE_BYTES))
    assert (read(said), signature) == (claim, b"s" * SIGNATURE_BYTES)
    assert len(joined(said_by(claim), signature)) < 800


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "a", "a.b", "é.é", "!!.!!", "A" * (MAX_CHARS + 1) + ".AAAA",
        joined(b"{}", b"short"), joined(b"{}", b"s" * SIGNATURE_BYTES) + "=",
        joined(b"{}", b"s" * SIGNATURE_BYTES)[:-1] + "B",
    ],
)  # fmt: skip
def test_what_is_no_claim_is_refused(text: str) -> None:
    """Whatever stands in the field, it ends as one kind of error; a claim has one spelling."""
    with pytest.raises(ClaimError, match="malformed"):
        parted(text)


@pytest.mark.parametrize("said", [b"", b"{}", b"[]", b"null", b'{"sub": 1}', b"\xff", b"[" * 5000])
def test_what_holds_something_else_is_refused(said: bytes) -> None:
    """JSON of another shape, no JSON, nesting without end: refused in words, nothing worse."""
    with pytest.raises(ClaimError, match="malformed"):
        read(said)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"subject": "checkout-2"}, "for checkout-2"),
        ({"subject": "desk/checkout"}, "for desk/checkout"),
        ({"verb": "resolve"}, "for resolve"),
        ({"sub": "bob"}, "bob's"),
        ({"key": "note/k2"}, "changed"),
        ({"digest": "0" * 64}, "changed"),
        ({"exp": int(NOW.timestamp())}, "expired"),
    ],
)
def test_a_claim_holds_for_one_message(changes: dict[str, Any], why: str) -> None:
    """Another incident, another command, another person, another body, too late: it does not hold."""
    with pytest.raises(ClaimError, match=why):
        check(a_claim(**changes), ASKED, digest_of(BODY), NOW)


def test_a_claim_holds_until_its_last_second() -> None:
    """A signal may wait for a night; at the very instant of its end it holds no more."""
    claim = a_claim()
    check(claim, ASKED, digest_of(BODY), NOW + LIFE - timedelta(seconds=1))
    with pytest.raises(ClaimError, match="expired"):
        check(claim, ASKED, digest_of(BODY), NOW + LIFE)


def test_a_clock_that_is_off_changes_nothing() -> None:
    """The API's clock may be ahead of Temporal's: nobody is kept from acknowledging by that."""
    ahead = int((NOW + timedelta(hours=2)).timestamp())
    check(a_claim(iat=ahead), ASKED, digest_of(BODY), NOW)


def test_the_digest_is_of_the_body_without_its_claim() -> None:
    """The order of fields does not matter; any value does."""
    signed = {"claim": "x.y", **dict(reversed(BODY.items()))}
    assert digest_of(signed) == digest_of(BODY)
    assert digest_of({**BODY, "text": "rolled  back"}) != digest_of(BODY)
    assert digest_of({**BODY, "more": None}) != digest_of(BODY)
    assert without_claim(signed) == BODY


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"claim": ""}, {"claim": 7}, {"claim": ["a"]}, {"claim": "a" * 5000}]
)  # fmt: skip
def test_a_body_of_any_shape_shows_something(body: Any) -> None:
    """Looking for a claim never raises, and what is no claim never becomes one."""
    shown = presented(body)
    assert shown.claim in ("", "malformed")
    assert shown.digest == ""


def test_roles_that_do_not_exist_grant_nothing() -> None:
    """A newer API may know a role that an older worker does not."""
    assert a_claim(roles=["responder", "emperor"]).granted() == {AccessRole.RESPONDER}


@pytest.mark.parametrize("text", ["", "AAAA", "é", "A" * 44, "not base64 at all!"])
def test_what_is_no_public_key_is_said(text: str) -> None:
    """A mistyped key in the policy is told when the policy is read."""
    with pytest.raises(ValueError, match=r"base64|bytes"):
        public_key_of(text)


def test_a_keys_id_is_its_own_digest() -> None:
    """Two hosts do not share an id by chance, and one key has the same everywhere."""
    assert kid_of(b"a" * 32) == kid_of(b"a" * 32) != kid_of(b"b" * 32)

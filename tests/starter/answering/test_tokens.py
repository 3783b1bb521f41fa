"""Answer tokens: what each says, and what nobody can make, change, stretch or move to another page."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from starter.security import ANSWER_LIFE, AnswerSigner, PageRef, TokenState

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PAGE = PageRef("checkout-17", "alice", "checkout-17/p1/r2/s3/alice/email-0")
SECOND = timedelta(seconds=1)


@pytest.fixture
def signer(tmp_path: Path) -> AnswerSigner:
    return AnswerSigner(tmp_path / "data" / "answer-secret")


@pytest.mark.parametrize(
    "page",
    [
        PAGE,
        PageRef("a-1", "b", "a-1/p1/r1/catch-all/b/voice-3"),
        PageRef("checkout-17", "jürgen", "checkout-17/p12/r3/s1/jürgen/ntfy-2"),
        PageRef("checkout-17", "p1", "checkout-17/p1/r1/s1/p1/sms-0"),
        PageRef("x-9", "a b", "x-9/a b/no usual key"),
        PageRef("x-9", "zoe", "x-9/bundle/5"),
    ],
    ids=lambda page: page.key,
)
def test_a_token_says_what_it_was_made_for(signer, page) -> None:
    """Incident, person, page and the second it expires in come back as they went in."""
    read = signer.read(signer.sign(page, AT), AT)
    assert read == (TokenState.GOOD, page, AT + ANSWER_LIFE)


def test_the_place_of_a_page() -> None:
    """Run, round and step, the same for every contact: they make an answer single use."""
    other = PageRef("checkout-17", "alice", "checkout-17/p1/r2/s3/alice/sms-1")
    assert (PAGE.run, PAGE.place) == ("p1", "p1/r2/s3")
    assert PAGE.answer_key == other.answer_key == "answer/p1/r2/s3/alice"
    assert (
        PageRef("checkout-17", "bob", "checkout-17/p1/r2/s3/bob/sms-1").answer_key
        != PAGE.answer_key
    )


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (timedelta(0), TokenState.GOOD),
        (ANSWER_LIFE - SECOND, TokenState.GOOD),
        (ANSWER_LIFE - timedelta(microseconds=1), TokenState.GOOD),
        (ANSWER_LIFE, TokenState.EXPIRED),
        (ANSWER_LIFE + SECOND, TokenState.EXPIRED),
        (timedelta(days=400), TokenState.EXPIRED),
    ],
)
def test_it_expires_thirty_minutes_after_sending(signer, after, state) -> None:
    """To the second; an expired one still says of which incident it was, for what to do instead."""
    read = signer.read(signer.sign(PAGE, AT), AT + after)
    assert (read.state, read.page) == (state, PAGE)


def changed(token: str, index: int) -> str:
    """The token with one bit of one byte turned."""
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[index] ^= 1
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_no_byte_can_be_changed(signer) -> None:
    """Neither signature nor expiry, incident, person or step."""
    token = signer.sign(PAGE, AT)
    size = len(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for index in range(size):
        assert signer.read(changed(token, index), AT).state is TokenState.FORGED, index


def test_it_cannot_be_cut_or_spelled_otherwise(signer) -> None:
    """Every beginning, every end, and every other spelling of the same bytes is refused."""
    token = signer.sign(PAGE, AT)
    bad = {token[:n] for n in range(len(token))} | {token[n:] for n in range(1, len(token))}
    bad |= {token + end for end in ("A", "=", "==", "\n", " ", "AAAA")} | {token.lower()}
    for one in bad:
        read = signer.read(one, AT)
        assert read.state in (TokenState.FORGED, TokenState.MALFORMED), one
        assert read.page is None


@pytest.mark.parametrize(
    "token", ["", "x", "é" * 80, "/" * 80, "a" * 5000, "\x00", "%2e%2e", "AAAA" * 5]
)
def test_junk_is_no_token(signer, token) -> None:
    """Whatever stands in an address is answered, never an error."""
    read = signer.read(token, AT)
    assert read.state in (TokenState.FORGED, TokenState.MALFORMED)
    assert read.page is None


def test_another_secret_makes_no_token_of_ours(signer, tmp_path) -> None:
    """A token of another installation, or of before the secret was replaced, opens nothing."""
    other = AnswerSigner(tmp_path / "other" / "answer-secret")
    assert signer.read(other.sign(PAGE, AT), AT).state is TokenState.FORGED


def test_the_signature_is_128_bits_of_hmac_sha256(signer, tmp_path) -> None:
    """Computed here from the file, so that the format is what the documentation says."""
    raw = base64.urlsafe_b64decode(signer.sign(PAGE, AT) + "==")
    secret = (tmp_path / "data" / "answer-secret").read_text().strip().encode()
    mac, said = raw[:16], raw[16:]
    assert mac == hmac.new(secret, b"answer:" + said, hashlib.sha256).digest()[:16]
    assert said[:4] == int((AT + ANSWER_LIFE).timestamp()).to_bytes(4, "big")
    assert said[4:] == b"checkout-17\0alice\0p1/r2/s3//email-0"


def test_the_secret_is_the_owners_and_shared_by_all_processes(signer, tmp_path) -> None:
    """The worker signs, the API reads; nobody else can read the file."""
    token = signer.sign(PAGE, AT)
    file = tmp_path / "data" / "answer-secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert AnswerSigner(file).read(token, AT).state is TokenState.GOOD


@pytest.mark.parametrize(
    "page",
    [
        PageRef("checkout-17", "alice", "checkout-18/p1/r1/s1/alice/email-0"),
        PageRef("checkout-17", "al\0ice", "checkout-17/p1/r1/s1/al\0ice/email-0"),
    ],
)
def test_what_is_no_page_of_the_incident_is_not_signed(signer, page) -> None:
    """A bug elsewhere must not become a token that opens something else."""
    with pytest.raises(ValueError):
        signer.sign(page, AT)

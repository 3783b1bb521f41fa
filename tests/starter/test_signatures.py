"""The primitives of signed requests: edges of the window, raw bytes, several signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from starter.signatures import (
    hmac_base64,
    hmac_hex,
    is_fresh,
    is_signed_webhook,
    timestamp_of,
    watching_skew,
)

NOW = 1_800_000_000.0
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
BODY = b'{"type": "alert", "data": {}}'


def signed(at: float = NOW, body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    """As the reference library of Standard Webhooks signs."""
    moment = datetime.fromtimestamp(at, UTC)
    return {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(at)),
        "webhook-signature": Webhook(secret).sign("msg-1", moment, body.decode()),
    }


@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(
    ("off", "is_taken"),
    [(-301, False), (-300, True), (-299, True), (0, True), (299, True), (300, True), (301, False)],
)
def test_the_edges_of_the_window(off: int, is_taken: bool, fraction: float) -> None:
    """Five minutes either way are taken, one second more is not, at whatever part of our second."""
    assert is_fresh(NOW + off, NOW + fraction) is is_taken
    assert is_signed_webhook(signed(NOW + off), BODY, SECRET, NOW + fraction) is is_taken


@pytest.mark.parametrize(
    "text",
    ["", "abc", "-1", "+1", "1.5", "1e3", " 1", "1 ", "\u0661\u0662", "9" * 13, "0x10", "1_000"],
)
def test_what_is_no_time(text: str) -> None:
    """Only ASCII digits are, and not many."""
    assert timestamp_of(text) is None


def test_the_clocks_difference_is_noticed() -> None:
    """Over a minute it is worth a word; outside of a check nobody listens."""
    for off, is_notable in ((60, False), (61, True), (-61, True), (-400, True)):
        with watching_skew() as skew:
            is_fresh(NOW + off, NOW)
        assert (skew.seconds, skew.is_notable) == (off, is_notable)
    is_fresh(NOW + 400, NOW)
    assert skew.seconds == -400


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg-2"},
        {"webhook-timestamp": str(int(NOW) + 1)},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": ""},
        {"webhook-timestamp": "soon"},
    ],
    ids=str,
)
def test_a_signature_holds_for_everything(change: dict[str, str]) -> None:
    """For the id, the time and every byte of the body."""
    assert is_signed_webhook(signed(), BODY, SECRET, NOW)
    assert not is_signed_webhook({**signed(), **change}, BODY, SECRET, NOW)
    assert not is_signed_webhook(signed(), BODY + b" ", SECRET, NOW)
    assert not is_signed_webhook({}, BODY, SECRET, NOW)


def test_one_of_several_signatures_is_enough() -> None:
    """Whoever changes the secret signs with the old one and the new one for a while."""
    headers = signed()
    headers["webhook-signature"] = f"v1,AAAA v1a,BBBB {headers['webhook-signature']}"
    assert is_signed_webhook(headers, BODY, SECRET, NOW)
    headers["webhook-signature"] = "v1,x " * 50 + signed()["webhook-signature"]
    assert not is_signed_webhook(headers, BODY, SECRET, NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%"])
def test_no_secret_signs_nothing(secret: str) -> None:
    """A secret that is missing or broken opens nothing, not even for an empty HMAC."""
    said = b".".join((b"msg-1", str(int(NOW)).encode(), BODY))
    forged = {**signed(), "webhook-signature": f"v1,{hmac_base64(b'', said)}"}
    assert not is_signed_webhook(forged, BODY, secret, NOW)


def test_a_secret_without_its_prefix() -> None:
    """As many senders show it: base64 without `whsec_`, or plain text."""
    bare = SECRET.removeprefix("whsec_")
    assert is_signed_webhook(signed(), BODY, bare, NOW)
    said = b".".join((b"msg-1", str(int(NOW)).encode(), BODY))
    plain = {**signed(), "webhook-signature": f"v1,{hmac_base64('a plain secret!', said)}"}
    assert is_signed_webhook(plain, BODY, "a plain secret!", NOW)


def test_the_hash_is_what_it_says() -> None:
    """Over raw bytes, also such as are no text."""
    assert hmac_hex("k", b"\xff\x00") == hmac.new(b"k", b"\xff\x00", hashlib.sha256).hexdigest()
    assert hmac_hex(b"k", b"x", "sha1") == hmac.new(b"k", b"x", hashlib.sha1).hexdigest()

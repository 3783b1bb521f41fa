"""SendGrid's side of a receipt: its signature over the bytes as they came, and its events.

Source: Twilio's "Getting Started with the Event Webhook Security Features": ECDSA over P-256 with SHA-256 of
the header with the time, followed by the body. The public key stands in Mail Settings.
"""

from __future__ import annotations

import base64
import binascii
import json
from enum import StrEnum
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from starter.signatures import is_fresh, timestamp_of
from templates.filters import line

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
MAX_EVENTS = 5_000
MAX_SIGNATURE_CHARS = 200
MAX_KEY_CHARS = 400
DEAD = ("Bounced Address", "Invalid", "Spam Reporting Address", "Unsubscribed Address")
"""Why SendGrid drops a mail without trying, where the address is never tried again."""


class Fate(StrEnum):
    """What became of a mail, or of who got it."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    """It will never arrive."""
    REFUSED = "refused"
    """Not this time: the receiver is full, or does not like the text."""
    COMPLAINED = "complained"
    """Somebody called it spam."""
    LEFT = "left"
    """Somebody unsubscribed by SendGrid's own link."""


class MailEvent(NamedTuple):
    """One event that means something here."""

    id: str
    """SendGrid's: the same where it is posted again."""
    fate: Fate
    address: str
    key: str
    """Ours, of the message; empty where it was none of ours."""
    incident: str
    detail: str


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """The key as SendGrid shows it: base64, perhaps with the PEM lines around it.

    Raises:
        ValueError: it is none of P-256.
    """
    body = "".join(part for part in text.split() if part)
    for mark in ("-----BEGINPUBLICKEY-----", "-----ENDPUBLICKEY-----"):
        body = body.replace(mark, "")
    try:
        key = load_der_public_key(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise ValueError("must be the verification key that SendGrid shows, in base64") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ValueError("must be a key of the curve P-256, as SendGrid's is")
    return key


def is_signed(
    key: ec.EllipticCurvePublicKey | None, stamp: str, body: bytes, given: str, now: float
) -> bool:
    """Whether the request came from whoever holds the key, within five minutes; without one nothing did.

    Args:
        stamp: the header with the time.
        given: the header with the signature.
        now: seconds since 1970.
    """
    at = timestamp_of(stamp)
    if key is None or at is None or not given or len(given) > MAX_SIGNATURE_CHARS:
        return False
    try:
        key.verify(
            base64.b64decode(given, validate=True), stamp.encode() + body, ec.ECDSA(hashes.SHA256())
        )
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return is_fresh(at, now)


def read_events(body: bytes) -> tuple[list[MailEvent], int]:
    """The events that mean something here, and how many others there were.

    Raises:
        ValueError: the body is no list.
    """
    try:
        listed = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(listed, list):
        raise ValueError("no list")  # noqa: TRY004 - what a sender wrote is a value
    events = [_event(one) for one in listed[:MAX_EVENTS]]
    found = [one for one in events if one is not None]
    return found, len(listed) - len(found)


def _event(raw: Any) -> MailEvent | None:
    if not isinstance(raw, dict):
        return None
    fate = _fate(raw)
    address, id_ = _text(raw, "email"), _text(raw, "sg_event_id")
    if fate is None or not address or not id_:
        return None
    detail = line(" ".join(part for part in (_text(raw, "event"), _text(raw, "reason")) if part))
    return MailEvent(
        id=id_,
        fate=fate,
        address=address,
        key=_text(raw, "idempotency_key"),
        incident=_text(raw, "incident"),
        detail=detail.replace(address, "the address")[:300],
    )


def _fate(raw: dict[str, Any]) -> Fate | None:
    match raw.get("event"):
        case "delivered":
            return Fate.DELIVERED
        case "bounce":
            return Fate.REFUSED if raw.get("type") == "blocked" else Fate.BOUNCED
        case "dropped":
            is_dead = _text(raw, "reason").startswith(DEAD)
            return Fate.BOUNCED if is_dead else Fate.REFUSED
        case "spamreport":
            return Fate.COMPLAINED
        case "unsubscribe" | "group_unsubscribe":
            return Fate.LEFT
    return None


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    return value[:1_000] if isinstance(value, str) and value.isprintable() else ""

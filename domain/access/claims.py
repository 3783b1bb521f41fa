"""The signed word of who gave a command: what it holds, how it travels, and when it holds good.

The API has looked at a token and its roles; the workflow sees only a message. So the API signs who asks,
for exactly this message, and the workflow checks it again with public keys that it has pinned. The
signature itself is checked in `workflows/claims.py`; everything else is here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.access.roles import AccessRole

FIELD = "claim"
"""Where it stands in the body of a command, beside `actor` and `key`."""
LIFE = timedelta(hours=24)
"""How long one holds. A command may wait as a signal while no worker is up, over a night: generous, for
what a claim is good for is one message to one workflow, which counts once under its key."""
MAX_CHARS = 4096
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
UNREADABLE = "unreadable"
"""Stands for the keys of a data folder that could not be read: no claim holds until they can."""


class ClaimError(ValueError):
    """A claim that does not hold; the text says why, in words for a timeline."""


class UnknownKeyError(ClaimError):
    """It names a key that is not pinned: a newer one, perhaps. Look once, then it does not hold."""


class Trust(BaseModel):
    """What an incident pins of who may sign, and what becomes of commands that nobody signed."""

    actor_keys: dict[str, str] = {}
    """Public Ed25519 keys by id, in base64. Empty: nothing is checked, as before there were claims."""
    unsigned: Literal["mark", "refuse"] = "mark"


class Claim(BaseModel):
    """Who gave which command where."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sub: str = Field(max_length=500)
    """Who acts: a person of the policy, or `operator`."""
    by: str = Field(max_length=500)
    """How the API knew them: a token by id and name, or `answer link`."""
    roles: list[str] = Field(max_length=20)
    subject: str = Field(max_length=500)
    """Id of the workflow that it is for: `checkout-17`, `desk/checkout`."""
    verb: str = Field(max_length=100)
    key: str = Field(max_length=500)
    digest: str = Field(max_length=64)
    """SHA-256 of the body without the claim, see `digest_of`."""
    iat: int
    exp: int
    """Seconds since 1970, as Temporal's clock counts them."""
    kid: str = Field(max_length=100)

    def granted(self) -> frozenset[AccessRole]:
        """The roles; a name that no role has grants nothing."""
        return frozenset(AccessRole(one) for one in self.roles if one in set(AccessRole))


class Presented(BaseModel):
    """What a message shows for itself; all that has to be kept of it until it is decided."""

    claim: str = ""
    digest: str = ""


class Asked(BaseModel):
    """A command as a workflow is about to carry it out."""

    subject: str
    verb: str
    actor: str
    key: str = ""


def presented(body: Any) -> Presented:
    """The claim in a body, with the digest of what it was sent with. Never raises."""
    claim = body.get(FIELD) if isinstance(body, Mapping) else None
    if not claim:
        return Presented()
    if not isinstance(claim, str) or len(claim) > MAX_CHARS:
        return Presented(claim="malformed")
    try:
        return Presented(claim=claim, digest=digest_of(body))
    except (ValueError, TypeError, RecursionError):
        return Presented(claim=claim)


def without_claim(body: Any) -> Any:
    """A body as people read it."""
    if isinstance(body, Mapping) and FIELD in body:
        return {name: value for name, value in body.items() if name != FIELD}
    return body


def digest_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of a body without its claim, in hexadecimal; the same however it was spelled as JSON.

    Raises:
        ValueError, TypeError, RecursionError: it is no JSON.
    """
    spelled = json.dumps(
        without_claim(body), sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(spelled.encode()).hexdigest()


def said_by(claim: Claim) -> bytes:
    """What is signed."""
    return claim.model_dump_json().encode()


def joined(said: bytes, signature: bytes) -> str:
    """The claim as it travels: two parts of URL-safe base64."""
    return f"{_encoded(said)}.{_encoded(signature)}"


def parted(text: str) -> tuple[bytes, bytes]:
    """What was signed, and the signature.

    Raises:
        ClaimError: it has not that form.
    """
    said, dot, signature = text.partition(".")
    if not dot or len(text) > MAX_CHARS or not text.isascii():
        raise ClaimError("its claim is malformed")
    try:
        parts = _decoded(said), _decoded(signature)
    except ValueError:
        raise ClaimError("its claim is malformed") from None
    if len(parts[1]) != SIGNATURE_BYTES:
        raise ClaimError("its claim is malformed")
    return parts


def read(said: bytes) -> Claim:
    """The claim in what was signed; nothing of it is to be believed before the signature is checked.

    Raises:
        ClaimError: it holds something else.
    """
    try:
        return Claim.model_validate_json(said)
    except (ValidationError, ValueError, RecursionError):
        raise ClaimError("its claim is malformed") from None


def check(claim: Claim, asked: Asked, digest: str, now: datetime) -> None:
    """Whether a claim with a good signature is for this very message, and still holds.

    Raises:
        ClaimError: naming the first thing that does not agree.
    """
    if claim.subject != asked.subject:
        raise ClaimError(f"its claim is for {claim.subject}")
    if claim.verb != asked.verb:
        raise ClaimError(f"its claim is for {claim.verb}")
    if claim.sub != asked.actor:
        raise ClaimError(f"its claim is {claim.sub}'s")
    if claim.digest != digest or claim.key != asked.key:
        raise ClaimError("it was changed after it was signed")
    if now.timestamp() >= claim.exp:
        raise ClaimError("its claim has expired")


def public_key_of(text: str) -> bytes:
    """The 32 bytes of a public key.

    Raises:
        ValueError: it is no base64 of 32 bytes.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("is no base64") from None
    if len(raw) != PUBLIC_KEY_BYTES:
        raise ValueError(f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes, not {len(raw)}")
    return raw


def kid_of(public_key: bytes) -> str:
    """The id of a key: the beginning of its own digest, so that two hosts never share one by chance."""
    # It begins with a letter, so that YAML never takes one for a number.
    return f"k{hashlib.sha256(public_key).hexdigest()[:15]}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encoded(raw) != text:  # one claim has one spelling
        raise ValueError("not canonical")
    return raw

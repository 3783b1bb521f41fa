"""Checking signatures: the one module of the workflows that knows cryptography.

It is pure: verifying an Ed25519 signature draws no random number, reads no clock and no file, so that a
replay comes to the same result. It takes about a tenth of a millisecond and adds no event to a history.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.access.claims import (
    Asked,
    Claim,
    ClaimError,
    Presented,
    Trust,
    UnknownKeyError,
    check,
    parted,
    public_key_of,
    read,
)
from domain.access.roles import forbidden, may, verbs_of
from domain.errors import ForbiddenError


def verified(trust: Trust, asked: Asked, shown: Presented, now: datetime) -> Claim:
    """The claim of a command, once everything about it holds.

    Raises:
        UnknownKeyError: it names a key that is not among those trusted.
        ClaimError: there is none, or it does not hold; says why.
    """
    if not shown.claim:
        raise ClaimError("it did not come through the API")
    said, signature = parted(shown.claim)
    claim = read(said)
    key = trust.actor_keys.get(claim.kid)
    if key is None:
        raise UnknownKeyError("its claim is signed with a key that is not known here")
    try:
        Ed25519PublicKey.from_public_bytes(public_key_of(key)).verify(signature, said)
    except (InvalidSignature, ValueError):
        raise ClaimError("its claim is forged") from None
    check(claim, asked, shown.digest, now)
    return claim


def admit(
    trust: Trust,
    asked: Asked,
    shown: Presented,
    fields: Mapping[str, Any],
    now: datetime,
    *,
    is_fresh: bool = True,
) -> str:
    """Whether a command may be done: empty where it is signed, else why it counts as unsigned.

    Args:
        fields: of the command, as they were sent: what it needs may depend on them.
        is_fresh: whether the trusted keys were read a moment ago.

    Raises:
        ForbiddenError: a role is missing, or it is unsigned and the policy refuses that.
        UnknownKeyError: look the keys up anew and ask again; only where they are not fresh.
    """
    if not trust.actor_keys:
        return ""
    try:
        claim = verified(trust, asked, shown, now)
    except ClaimError as error:
        if isinstance(error, UnknownKeyError) and not is_fresh:
            raise
        if trust.unsigned == "refuse":
            why = f"{asked.verb} was not signed: {error}; the policy has access.unsigned: refuse"
            raise ForbiddenError(f"{why}. Send it through the API or the CLI") from None
        return str(error)
    granted = claim.granted()
    for verb in verbs_of(asked.verb, fields, asked.actor):
        if not may(granted, verb):
            raise ForbiddenError(forbidden(granted, verb, claim.by))
    return ""

"""Checking the ID token of an identity provider: who signed it, for whom, when, and for which attempt.

Pure: keys and the time come from outside. Source: OpenID Connect Core 1.0, section 3.1.3.7.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry, extract_compact

KINDS: Mapping[str, tuple[str, str]] = {
    **{name: ("RSA", "") for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    **{"ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521")},
    **{"EdDSA": ("OKP", "Ed25519"), "Ed25519": ("OKP", "Ed25519")},
}
"""What may sign, with the kind of key and its curve. `none` and everything with a shared secret is not
here: with those whoever knows our public data could sign."""
LEEWAY = 60
"""Seconds by which the provider's clock may differ."""
LONGEST = 24 * 3600
"""Seconds: no ID token is for longer; a provider that says so is not set up as it should be."""
MIN_RSA_BITS = 2048
NUMBERS = ("kty", "n", "e", "crv", "x", "y")
"""What makes a public key."""
MAX_KEYS = 100
MAX_CHARS = 64 * 1024
MAX_TEXT = 500
_BY_KIND: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {
    "RSA": RSAKey,
    "EC": ECKey,
    "OKP": OKPKey,
}


class IdTokenError(Exception):
    """An ID token that is not to be believed; says why, and nothing that stood in it."""


class UnknownKeyError(IdTokenError):
    """It names a key that is not among these: the provider may have a new one."""


class PublicKey(NamedTuple):
    """One of the provider's keys."""

    kid: str | None
    kind: str
    curve: str
    algorithm: str | None
    """The only one it is for, where the provider says so."""
    key: RSAKey | ECKey | OKPKey


class Expected(NamedTuple):
    """What an ID token has to say."""

    issuer: str
    client_id: str
    nonce: str
    now: float


class _Registry(JWSRegistry):
    """Only what stands in `KINDS`, also under its old name, which the library warns of."""

    max_header_length = 8 * 1024
    """A chain of certificates may stand in it; nothing of it is used."""

    def get_alg(self, name: str) -> Any:
        if name not in KINDS:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name[:20]}' is not allowed")
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


def read_keys(document: bytes) -> list[PublicKey]:
    """The keys of a JWKS document that may sign ID tokens; others in it are passed over.

    Raises:
        IdTokenError: it is no such document.
    """
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IdTokenError("its keys are no JWKS document") from None
    if not isinstance(listed, list):
        raise IdTokenError("its keys are no JWKS document")
    found = (_read_key(one) for one in listed[:MAX_KEYS] if isinstance(one, dict))
    return [key for key in found if key is not None]


def _read_key(raw: dict[str, Any]) -> PublicKey | None:
    make = _BY_KIND.get(str(raw.get("kty")))
    operations = raw.get("key_ops")
    is_for_signing = raw.get("use", "sig") == "sig" and (
        not isinstance(operations, list) or "verify" in operations
    )
    if make is None or not is_for_signing:
        return None
    # The numbers only: whatever else stands there is ours to judge, not the library's.
    numbers: dict[str, Any] = {name: raw[name] for name in NUMBERS if name in raw}
    if make is RSAKey and len(str(raw.get("n", ""))) * 6 < MIN_RSA_BITS:
        return None
    try:
        key = make.import_key(numbers)
        key.get_op_key("verify")
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    kid, algorithm = raw.get("kid"), raw.get("alg")
    return PublicKey(
        kid if isinstance(kid, str) else None,
        str(raw["kty"]),
        str(raw.get("crv", "")),
        algorithm if isinstance(algorithm, str) else None,
        key,
    )


def verify(token: str, keys: Sequence[PublicKey], expected: Expected) -> dict[str, Any]:
    """The claims of an ID token that holds.

    Raises:
        UnknownKeyError: none of the keys is the one that it names.
        IdTokenError: it does not hold.
    """
    if not token.isascii() or len(token) > MAX_CHARS:
        raise IdTokenError("it is no token")
    try:
        header = extract_compact(token.encode(), registry=_REGISTRY).headers()
    except UnsupportedAlgorithmError:
        raise IdTokenError("it is signed in a way that is not allowed") from None
    except (JoseError, ValueError, TypeError, RecursionError):
        raise IdTokenError("it is no token") from None
    key = _key_for(header, keys)
    try:
        claims = jwt.decode(token, key, registry=_REGISTRY).claims
    except UnsupportedAlgorithmError:
        raise IdTokenError("it is signed in a way that is not allowed") from None
    except (JoseError, ValueError, TypeError, RecursionError):
        raise IdTokenError("its signature is wrong") from None
    _check(claims, expected)
    return claims


def _key_for(header: Mapping[str, Any], keys: Sequence[PublicKey]) -> RSAKey | ECKey | OKPKey:
    """The key that the header names, which must be of the algorithm's kind."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if "crit" in header or "b64" in header:
        raise IdTokenError("it needs an extension that is not known here")
    if not isinstance(algorithm, str) or algorithm not in KINDS:
        raise IdTokenError("it is signed in a way that is not allowed")
    fitting = [
        one
        for one in keys
        if one.kind == KINDS[algorithm][0]
        and KINDS[algorithm][1] in ("", one.curve)
        and one.algorithm in (None, algorithm)
    ]
    if kid is not None:
        fitting = [one for one in fitting if one.kid == kid]
        if not fitting:
            raise UnknownKeyError("it is signed with a key that the provider does not publish")
    elif len(fitting) != 1:
        raise UnknownKeyError("it does not say with which of the provider's keys it is signed")
    return fitting[0].key


def _check(claims: Mapping[str, Any], expected: Expected) -> None:
    """Raises IdTokenError naming the first thing that is wrong."""
    if claims.get("iss") != expected.issuer:
        raise IdTokenError("it is of another issuer")
    audience = claims.get("aud")
    every = [audience] if isinstance(audience, str) else audience
    if not isinstance(every, list) or expected.client_id not in every:
        raise IdTokenError("it is for somebody else (aud)")
    party = claims.get("azp")
    if (party is None and len(every) > 1) or party not in (None, expected.client_id):
        raise IdTokenError("it was issued to somebody else (azp)")
    issued, ends, begins = (_time(claims, name) for name in ("iat", "exp", "nbf"))
    if issued is None or ends is None:
        raise IdTokenError("it does not say when it was issued and when it ends")
    if ends <= expected.now - LEEWAY:
        raise IdTokenError("it has expired")
    if issued > expected.now + LEEWAY or (begins or 0.0) > expected.now + LEEWAY:
        raise IdTokenError("it is from the future: check both clocks")
    if expected.now - issued > LONGEST:
        raise IdTokenError("it was issued too long ago")
    if claims.get("nonce") != expected.nonce:
        raise IdTokenError("it is the answer to another attempt to sign in (nonce)")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_TEXT:
        raise IdTokenError("it does not say of whom it is (sub)")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Seconds since 1970; None where it says none. Raises IdTokenError."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        at = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError, OverflowError):
        at = math.nan
    if not math.isfinite(at):
        raise IdTokenError(f"its {name} is no time")
    return at

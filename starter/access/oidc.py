"""Asking an identity provider who somebody is: authorization code flow with PKCE.

Only signing in asks it. Whoever has signed in, and whoever holds a token, goes on without it.
Source: OpenID Connect Core 1.0 and Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (`iss` in the answer).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.policy.access import SignIn
from starter.access.id_tokens import (
    Expected,
    IdTokenError,
    PublicKey,
    UnknownKeyError,
    read_keys,
    verify,
)
from starter.access.sessions import Attempt
from starter.egress import Egress, EgressError, Fetched
from starter.security import resolve_key

SECONDS = 20.0
"""For all requests of one person who comes back from the provider."""
FRESH = 3600.0
"""Seconds for which the provider's description and keys are used before they are read again."""
KEYS_EVERY = 60.0
"""Seconds between two looks for a key that is not known: made-up names must not become a flood."""
AWAY_FOR = 5.0
"""Seconds for which a provider that did not answer is not asked again: people wait once, not in a row."""
MAX_CODE_CHARS = 4096
_ERROR = re.compile(r"[a-z_]{1,60}")
log = structlog.get_logger(__name__)


class ProviderAwayError(Exception):
    """Nobody can sign in at the moment. The text is for whoever runs Tocsin, not for the page."""


class SignInRefusedError(Exception):
    """This person does not come in this time; the text is for them."""


class Description(BaseModel):
    """What a provider says of itself at `/.well-known/openid-configuration`; the rest is passed over."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = Field(["client_secret_basic"])
    authorization_response_iss_parameter_supported: bool = False


class Answer(NamedTuple):
    """With what somebody came back."""

    code: str
    iss: str = ""
    error: str = ""


class _Known:
    """What has been read of one provider."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.description: Description | None = None
        self.keys: list[PublicKey] = []
        self.read_at = self.keys_at = self.keys_tried = float("-inf")
        self.away_until = float("-inf")
        self.why = ""
        self.lock = asyncio.Lock()


class Provider:
    """Talks to the provider that the policy names.

    Args:
        environ: where its client secret is found.
        clock: seconds since 1970, for ID tokens.
        steady: seconds that never run back, for what is kept.
    """

    def __init__(
        self,
        egress: Egress,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._egress, self._environ = egress, environ
        self._clock, self._steady = clock, steady
        self._known: _Known | None = None

    async def authorization_url(
        self, oidc: SignIn, attempt: Attempt, nonce: str, verifier: str, redirect_uri: str
    ) -> str:
        """Where to send somebody.

        Raises:
            ProviderAwayError: it cannot be told where.
        """
        self._secret(oidc)  # better now than after they have typed their password
        description = await self._describe(self._of(oidc))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": oidc.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(oidc.scopes),
            "state": attempt.state,
            "nonce": nonce,
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        url = description.authorization_endpoint
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(asked)}"

    async def identify(
        self, oidc: SignIn, answer: Answer, nonce: str, verifier: str, redirect_uri: str
    ) -> dict[str, Any]:
        """The claims of who came back.

        Raises:
            SignInRefusedError: the provider did not say who, or said it in a way that does not hold.
            ProviderAwayError: it did not answer, or is not set up as it should be.
        """
        try:
            async with asyncio.timeout(SECONDS):
                return await self._identify(oidc, answer, nonce, verifier, redirect_uri)
        except TimeoutError:
            raise ProviderAwayError(
                f"{oidc.issuer} took over {SECONDS:g} s to say who signs in"
            ) from None

    async def _identify(
        self, oidc: SignIn, answer: Answer, nonce: str, verifier: str, redirect_uri: str
    ) -> dict[str, Any]:
        known = self._of(oidc)
        description = await self._describe(known)
        must_say = description.authorization_response_iss_parameter_supported
        if answer.iss != oidc.issuer and (answer.iss or must_say):
            raise SignInRefusedError("The answer came from another provider than the one asked.")
        if answer.error:
            said = answer.error if _ERROR.fullmatch(answer.error) else "error"
            raise SignInRefusedError(f"The identity provider did not let you in ({said}).")
        if not 0 < len(answer.code) <= MAX_CODE_CHARS:
            raise SignInRefusedError("The identity provider's answer holds no code.")
        tokens = await self._exchange(oidc, description, answer.code, verifier, redirect_uri)
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise ProviderAwayError(f"{oidc.issuer} gave no ID token: is the scope openid allowed?")
        expected = Expected(oidc.issuer, oidc.client_id, nonce, self._clock())
        try:
            claims = await self._verified(known, description, id_token, expected)
        except IdTokenError as error:
            log.warning("sign_in.token_refused", issuer=oidc.issuer, why=str(error))
            raise SignInRefusedError(
                f"What the identity provider said of you does not hold: {error}."
            ) from None
        if oidc.person_claim not in claims and description.userinfo_endpoint:
            claims = await self._more(description.userinfo_endpoint, tokens, claims)
        return claims

    def _of(self, oidc: SignIn) -> _Known:
        """What is known of the provider; nothing of another one is used for it."""
        if self._known is None or self._known.issuer != oidc.issuer:
            self._known = _Known(oidc.issuer)
        return self._known

    def _secret(self, oidc: SignIn) -> str:
        """Empty for a public client. Raises ProviderAwayError."""
        if oidc.client_secret is None:
            return ""
        secret = resolve_key(oidc.client_secret, self._environ)
        if not secret:
            raise ProviderAwayError(f"access.oidc.client_secret {oidc.client_secret} is not set")
        return secret

    async def _describe(self, known: _Known) -> Description:
        """What the provider says of itself. Raises ProviderAwayError."""
        async with known.lock:
            now = self._steady()
            if known.description is not None and now - known.read_at < FRESH:
                return known.description
            if now < known.away_until:
                if known.description is not None:
                    return known.description
                raise ProviderAwayError(known.why)
            url = f"{known.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = _description(await self._get(url), known.issuer)
            except ProviderAwayError as error:
                known.away_until, known.why = self._steady() + AWAY_FOR, str(error)
                if known.description is None:
                    raise
                log.warning("sign_in.description_is_old", issuer=known.issuer, why=str(error))
                return known.description
            known.description, known.read_at = found, self._steady()
            return found

    async def _verified(
        self, known: _Known, description: Description, token: str, expected: Expected
    ) -> dict[str, Any]:
        """Raises IdTokenError, ProviderAwayError."""
        keys = await self._keys(known, description, FRESH)
        try:
            return verify(token, keys, expected)
        except UnknownKeyError:
            # It may have changed its keys since we looked.
            again = await self._keys(known, description, KEYS_EVERY)
            if again is keys:
                raise
            return verify(token, again, expected)

    async def _keys(self, known: _Known, description: Description, fresh: float) -> list[PublicKey]:
        """The provider's keys, no older than that where it answers. Raises ProviderAwayError."""
        async with known.lock:
            now, pause = self._steady(), KEYS_EVERY if known.keys else AWAY_FOR
            if now - known.keys_at < fresh or now - known.keys_tried < pause:
                if not known.keys:
                    raise ProviderAwayError(f"{known.issuer} showed no keys a moment ago")
                return known.keys
            known.keys_tried = now
            try:
                found = read_keys(await self._get(description.jwks_uri))
            except (ProviderAwayError, IdTokenError) as error:
                if not known.keys:
                    raise ProviderAwayError(f"{known.issuer}: {error}") from None
                log.warning("sign_in.keys_are_old", issuer=known.issuer, why=str(error))
                return known.keys
            known.keys, known.keys_at = found, self._steady()
            return found

    async def _exchange(
        self, oidc: SignIn, description: Description, code: str, verifier: str, redirect_uri: str
    ) -> dict[str, Any]:
        """The tokens for a code. Raises SignInRefusedError, ProviderAwayError."""
        secret, headers = self._secret(oidc), {"Accept": "application/json"}
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        if not secret:
            fields["client_id"] = oidc.client_id
        elif "client_secret_basic" in description.token_endpoint_auth_methods_supported:
            pair = f"{quote_plus(oidc.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields |= {"client_id": oidc.client_id, "client_secret": secret}
        try:
            fetched = await self._egress.post_form(description.token_endpoint, fields, headers)
        except EgressError as error:
            raise ProviderAwayError(f"the token endpoint: {error}") from None
        said = _object(fetched)
        if fetched.status == 200:
            return said
        kind = said.get("error")
        if fetched.status == 400 and kind == "invalid_grant":
            raise SignInRefusedError("The code of the identity provider was used or is too old.")
        word = kind if isinstance(kind, str) and _ERROR.fullmatch(kind) else "no reason"
        raise ProviderAwayError(f"the token endpoint answered {fetched.status} ({word})")

    async def _more(
        self, url: str, tokens: Mapping[str, Any], claims: dict[str, Any]
    ) -> dict[str, Any]:
        """The claims with those that the provider only tells when asked. Raises ProviderAwayError."""
        token = tokens.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            return claims
        said = _object(Fetched(200, await self._get(url, {"Authorization": f"Bearer {token}"})))
        if said.get("sub") != claims["sub"]:
            raise ProviderAwayError("the userinfo endpoint spoke of somebody else")
        return {**said, **claims}

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Raises ProviderAwayError."""
        try:
            fetched = await self._egress.get(url, {"Accept": "application/json", **(headers or {})})
        except EgressError as error:
            raise ProviderAwayError(str(error)) from None
        if fetched.status != 200:
            raise ProviderAwayError(f"{urlsplit(url).hostname} answered {fetched.status}")
        return fetched.body


def _description(body: bytes, issuer: str) -> Description:
    """Raises ProviderAwayError."""
    try:
        found = Description.model_validate_json(body)
    except ValidationError:
        raise ProviderAwayError(f"{issuer} does not describe itself as a provider does") from None
    if found.issuer != issuer:
        raise ProviderAwayError(
            f"the provider calls itself {found.issuer[:200]!r}, and access.oidc.issuer is {issuer!r}: "
            "they must be the same to the letter"
        )
    address = urlsplit(found.authorization_endpoint)
    is_plain = issuer.startswith("http:") and address.scheme == "http"
    if not address.hostname or not (address.scheme == "https" or is_plain):
        raise ProviderAwayError(f"{issuer} sends people to an address that is not https")
    return found


def _object(fetched: Fetched) -> dict[str, Any]:
    """The JSON object of an answer; an empty one where it is none."""
    try:
        value = json.loads(fetched.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

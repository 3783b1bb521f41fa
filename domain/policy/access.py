"""What a policy says of who may do what: whose signatures count, who signs in, and with which roles."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from domain.access.claims import public_key_of
from domain.access.roles import AccessRole
from domain.policy.base import Strict
from domain.policy.intake import REFERENCE

MAX_URL_CHARS = 500


class SignIn(Strict):
    """The identity provider at which people sign in, by OpenID Connect."""

    issuer: str
    """As the provider calls itself, to the letter."""
    client_id: str = Field(min_length=1, max_length=500)
    client_secret: str | None = Field(None, pattern=REFERENCE)
    """None is a public client: PKCE alone."""
    scopes: list[str] = ["openid", "email", "profile"]
    person_claim: str = Field("email", min_length=1)
    """Names the person: by the key that they have in the policy, or by one of their mail addresses."""
    groups_claim: str = Field("groups", min_length=1)
    roles: dict[str, list[AccessRole]] = {}
    """By group, as the provider names them."""
    default_roles: list[AccessRole] = []
    """Of every person of the policy who signs in."""

    @field_validator("issuer")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_address = parts.scheme in ("https", "http") and bool(parts.hostname)
            is_address = is_address and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("must be an address such as https://login.example.com")
        if len(value) > MAX_URL_CHARS or not value.isascii() or not value.isprintable():
            raise ValueError(f"must be at most {MAX_URL_CHARS} plain characters")
        return value

    @field_validator("scopes")
    @classmethod
    def _are_words(cls, value: list[str]) -> list[str]:
        for scope in value:
            if not scope or not scope.isascii() or not scope.isprintable() or " " in scope:
                raise ValueError("each must be one word such as email")
        if "openid" not in value:
            raise ValueError("must hold openid: without it nobody is told who signs in")
        return value


class Access(Strict):
    """Roles, signing in, and commands that come past the API."""

    unsigned: Literal["mark", "refuse"] = "mark"
    """A command without a valid claim, such as one typed into the Temporal UI: said so, or refused."""
    keys: dict[str, str] = {}
    """Public keys (Ed25519, base64) of APIs on other hosts, by their id. That of this host counts anyway."""
    people: dict[str, list[AccessRole]] = {}
    """Roles of people who sign in, beside those of their groups."""
    oidc: SignIn | None = None
    """None: nobody can sign in; tokens are all there is."""

    @field_validator("keys")
    @classmethod
    def _are_public_keys(cls, value: dict[str, str]) -> dict[str, str]:
        for kid, key in value.items():
            try:
                public_key_of(key)
            except ValueError as error:
                raise ValueError(f"{kid}: {error}; `tocsin token keys` prints them") from None
        return value

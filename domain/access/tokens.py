"""Tokens as they are kept, and who comes in with one. Of a token itself only a digest is kept."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from domain.access.roles import EVERY, AccessRole
from domain.policy.value import Interval
from domain.timeline import OPERATOR

PREFIX = "tocsin_"
"""Every token begins so: scanners that look for leaked secrets find it."""
DEFAULT_LIFE = timedelta(days=90)
"""Of a token that says nothing of its end. One that only sends alerts has none: it would stop a
monitoring tool in silence, some night."""
USED_EVERY = timedelta(hours=1)
"""How finely it is known when a token was used last."""
SOON = timedelta(days=14)
"""So long before its end a token is called to mind by `tocsin doctor`."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class TokenState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class TokenWanted(BaseModel):
    """What somebody asks for who wants a token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="What it is for: laptop, deploy pipeline")
    roles: Annotated[list[AccessRole], Field(min_length=1, max_length=len(AccessRole))]
    owner: str | None = Field(None, description="Person of the policy who acts with it")
    expires: Interval | None = Field(
        None, description="After how long, such as 90d; left out: 90d, never for ingest alone"
    )
    never_expires: bool = False
    act_as_any: bool = Field(False, description="Whether its writes may name any person as actor")
    integration: str | None = Field(
        None, description="With the role ingest: the one integration whose hook it opens"
    )


class Token(BaseModel):
    """A token as it is kept."""

    id: str
    name: str
    digest: str
    """SHA-256, in hexadecimal. Of 256 random bits nobody finds what they were by trying."""
    roles: list[AccessRole]
    owner: str | None = None
    act_as_any: bool = False
    integration: str | None = None
    created_at: datetime
    created_by: str = OPERATOR
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    used_at: datetime | None = None
    """To the hour."""
    request: str = ""
    """Digest of the key under which it was asked for, so that one request makes one token."""

    def state(self, now: datetime) -> TokenState:
        """Whether it still opens anything; at the very instant of its end it does not."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return TokenState.EXPIRED
        return TokenState.ACTIVE


class TokenFile(BaseModel):
    """All of them."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(1, ge=1, le=1)
    tokens: list[Token] = []


class Principal(BaseModel):
    """Who asks: what their roles are, and for whom they may act."""

    model_config = ConfigDict(frozen=True)

    by: str
    """How they were known, for claims and logs: `token t_1f (laptop)`, `answer link`."""
    roles: frozenset[AccessRole]
    owner: str | None = None
    act_as_any: bool = False
    integration: str | None = None
    """With the role ingest: the only one whose hook is open."""
    token_id: str | None = None
    token_name: str | None = None
    expires_at: datetime | None = None
    called: str = "this token"
    """What they came in with, in sentences for them."""

    def actor_for(self, asked: str | None) -> str:
        """Who acts, where `asked` was named, or nobody.

        Raises:
            PermissionError: they may not act for that person; says what they may.
        """
        own = self.owner or OPERATOR
        if asked is None or asked == own or self.act_as_any:
            return own if asked is None else asked
        if self.owner is not None:
            raise PermissionError(
                f"{self.called} acts for {self.owner} and for nobody else, not for {asked[:100]}"
            )
        raise PermissionError(
            f"{self.called} has no owner and may not act for a person, so not for {asked[:100]}"
        )


SYSTEM = Principal(by="the system's token", roles=EVERY, act_as_any=True)
"""Whoever holds the token that `tocsin up` makes."""


REPORTING = Principal(by="report form", roles=frozenset({AccessRole.RESPONDER}))
"""The form at `/report`, where the policy lets it raise incidents by itself."""


def principal_of(token: Token) -> Principal:
    """Who comes in with a token."""
    return Principal(
        by=f"token {token.id} ({token.name})",
        roles=frozenset(token.roles),
        owner=token.owner,
        act_as_any=token.act_as_any,
        integration=token.integration,
        token_id=token.id,
        token_name=token.name,
        expires_at=token.expires_at,
    )


def answering(person: str, via: str) -> Principal:
    """Who answers a page from outside: the person to whom it went.

    Args:
        via: `link`, `sms`, `keypress` or `chat`.
    """
    return Principal(by=f"answer {via}", roles=frozenset({AccessRole.RESPONDER}), owner=person)


def digest_of(secret: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def end_of(wanted: TokenWanted, now: datetime) -> datetime | None:
    """When a token that is made now ends; None: never."""
    if wanted.never_expires:
        return None
    if wanted.expires is not None:
        return now + wanted.expires
    return None if set(wanted.roles) == {AccessRole.INGEST} else now + DEFAULT_LIFE

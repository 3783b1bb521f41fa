"""How the tokens and keys of a data folder are: for `tocsin doctor`, without any process running."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from domain.access.tokens import SOON, Token, TokenState
from starter.access.actor_keys import read_actor_keys
from starter.access.store import TokenStore, TokensUnreadableError


class Health(NamedTuple):
    """How it is, and what to do where it is not well."""

    state: Literal["ok", "warning", "failed"]
    detail: str


def health_of(data_dir: Path, now: datetime | None = None) -> Health:
    """Whether tokens and keys can be read, and which tokens end soon. Never raises."""
    now = now or datetime.now(UTC)
    store = TokenStore(data_dir, logs=False)
    try:
        tokens = store.all()
    except TokensUnreadableError as error:
        said = (
            "only the system's token gets in; put back a good copy, or remove it and make new ones"
        )
        return Health("failed", f"{error}: {said}")
    try:
        keys = read_actor_keys(data_dir)
    except (OSError, ValueError) as error:
        why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return Health("failed", f"the keys that commands are signed with cannot be read: {why}")
    active = [one for one in tokens if one.state(now) is TokenState.ACTIVE]
    said = f"{len(active)} tokens beside the system's own, {len(keys)} signing keys"
    ending = [one for one in active if one.expires_at is not None and one.expires_at - now <= SOON]
    if ending:
        return Health("warning", f"{said}; ending soon: {', '.join(map(_ending, ending))}")
    return Health("ok", said)


def _ending(token: Token) -> str:
    return f"{token.id} ({token.name}) at {token.expires_at:%Y-%m-%d %H:%M} UTC"

"""Who comes in: from the bearer token of a request to who asks, and what the routes need of them.

Nothing here asks Temporal, the records or the network: an acknowledgement at night needs none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from domain.access.roles import AccessRole, forbidden, may, verbs_of
from domain.access.tokens import SYSTEM, Principal, TokenState, principal_of
from starter.access.store import TokenStore
from starter.security import same


class NotAdmittedError(Exception):
    """No valid token. The text is for its holder: it names nothing that they do not hold."""


class NotAllowedError(Exception):
    """A valid token that may not do that; names what is missing."""


def _now() -> datetime:
    return datetime.now(UTC)


class Door:
    """Knows tokens.

    Args:
        system_token: the one that `tocsin up` makes, which may do everything.
    """

    def __init__(
        self, system_token: str, store: TokenStore, clock: Callable[[], datetime] = _now
    ) -> None:
        self._system_token, self.store, self._clock = system_token, store, clock
        self._noting: set[asyncio.Task[None]] = set()

    def principal(self, given: str) -> Principal:
        """Who holds a token.

        Raises:
            NotAdmittedError: nobody, or not any more.
            TokensUnreadableError: nobody can say.
        """
        if same(given, self._system_token):
            # First, and without a look at any file: it works whatever has become of the others.
            return SYSTEM
        token = self.store.find(given) if given else None
        if token is None:
            raise NotAdmittedError("a valid bearer token is needed")
        state = token.state(self._clock())
        if state is not TokenState.ACTIVE:
            at = token.revoked_at or token.expires_at
            said = "was revoked" if state is TokenState.REVOKED else "expired"
            raise NotAdmittedError(
                f"this token ({token.name}) {said} at {at:%Y-%m-%d %H:%M} UTC: ask an admin for another"
            )
        if self.store.is_use_due(token):
            self._note_use(token.id)
        return principal_of(token)

    def integration_of(self, given: str) -> str | None:
        """The integration that a token of the role ingest opens; empty for any, None for no such token.

        Raises:
            TokensUnreadableError: nobody can say; the sender tries again.
        """
        try:
            principal = self.principal(given)
        except NotAdmittedError:
            return None
        return principal.integration or "" if AccessRole.INGEST in principal.roles else None

    def _note_use(self, token_id: str) -> None:
        """Beside the request: a slow disk keeps nobody waiting."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        task = loop.create_task(asyncio.to_thread(self.store.note_use, token_id))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)


def require(principal: Principal, *verbs: str) -> None:
    """Refuse what the roles do not allow.

    Raises:
        NotAllowedError: naming the role that is missing.
    """
    for verb in verbs:
        if not may(principal.roles, verb):
            raise NotAllowedError(forbidden(principal.roles, verb, principal.called))


def require_command(principal: Principal, name: str, fields: Mapping[str, Any], actor: str) -> None:
    """Refuse a command with these fields. Raises NotAllowedError."""
    require(principal, *verbs_of(name, fields, actor))

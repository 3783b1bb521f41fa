"""Who is acting, and their name under every command that leaves for a workflow.

All commands leave by the link to Temporal, whatever brought them: a route, a press on a page's button, a
text message. So they are signed there, for whoever is acting in this task; what the system says by itself
is no command and leaves as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

from domain.access.claims import FIELD, LIFE, Claim, digest_of, joined, said_by, without_claim
from domain.access.tokens import Principal
from domain.commands import COMMANDS
from domain.maintaining import ADD, REMOVE
from domain.postmortem.commands import POSTMORTEM_COMMANDS
from domain.roster_changes import ROSTER_CHANGES
from domain.timeline import OPERATOR
from starter.access.actor_keys import ActorKey
from starter.temporal_link import TemporalLink
from workflows.contract import ROSTER_ID, desk_id

SIGNED = frozenset(
    {*COMMANDS, *POSTMORTEM_COMMANDS, *ROSTER_CHANGES, "declare", "decide", ADD, REMOVE}
)
"""Every command; all else that workflows hear is word between parts of the system."""
log = structlog.get_logger(__name__)

_acting: ContextVar[Principal | None] = ContextVar("acting", default=None)


def set_acting(principal: Principal) -> None:
    """From now on, in this task, it is they who act."""
    _acting.set(principal)


@contextmanager
def acting(principal: Principal) -> Iterator[None]:
    """Within it, it is they who act."""
    before = _acting.set(principal)
    try:
        yield
    finally:
        _acting.reset(before)


class ClaimSigner:
    """Puts claims on bodies.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, key: ActorKey, clock: Callable[[], float] = time.time) -> None:
        self._key, self._clock = key, clock

    def signed(self, subject: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """The body with a claim, where it is a command and somebody is acting.

        Never raises: a command that cannot be signed leaves unsigned, and its workflow says so.
        """
        body = without_claim(body)
        if name not in SIGNED:
            return body
        principal = _acting.get()
        if principal is None:
            log.warning("a command leaves unsigned: nobody is acting", command=name, to=subject)
            return body
        try:
            if not self._key.kid:
                self._key.load()
            return {**body, FIELD: self._claim(principal, subject, name, body)}
        except (OSError, ValueError, TypeError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"
            log.exception("a command leaves unsigned", command=name, to=subject, why=why)
            return body

    def _claim(self, principal: Principal, subject: str, name: str, body: dict[str, Any]) -> str:
        now = int(self._clock())
        claim = Claim(
            sub=str(body.get("actor") or OPERATOR).strip(),
            by=principal.by,
            roles=sorted(role.value for role in principal.roles),
            subject=subject,
            verb=name,
            key=str(body.get("key") or ""),
            digest=digest_of(body),
            iat=now,
            exp=now + int(LIFE.total_seconds()),
            kid=self._key.kid,
        )
        said = said_by(claim)
        return joined(said, self._key.sign(said))


class SigningLink(TemporalLink):
    """The link to Temporal, over which commands leave signed."""

    def __init__(self, client: Any, signer: ClaimSigner) -> None:
        super().__init__(client)
        self._signer = signer

    async def update(self, workflow_id: str, name: str, body: dict[str, Any], key: str) -> Any:
        signed = self._signer.signed(workflow_id, name, body)
        return await super().update(workflow_id, name, signed, key)

    async def update_desk(self, service: str, name: str, body: dict[str, Any], key: str) -> Any:
        signed = self._signer.signed(desk_id(service), name, body)
        return await super().update_desk(service, name, signed, key)

    async def update_roster(self, name: str, body: dict[str, Any], key: str) -> Any:
        return await super().update_roster(name, self._signer.signed(ROSTER_ID, name, body), key)

    async def signal(self, workflow_id: str, name: str, body: dict[str, Any]) -> None:
        await super().signal(workflow_id, name, self._signer.signed(workflow_id, name, body))

    async def signal_desk(self, service: str, name: str, body: dict[str, Any]) -> None:
        await super().signal_desk(service, name, self._signer.signed(desk_id(service), name, body))

    async def signal_roster(self, name: str, body: dict[str, Any]) -> None:
        await super().signal_roster(name, self._signer.signed(ROSTER_ID, name, body))

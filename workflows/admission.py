"""Who may give a command, for the workflows whose state pins a policy: incident and postmortem."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from domain.access.claims import Asked, Trust, UnknownKeyError, presented
    from domain.timeline import OPERATOR
    from workflows.claims import admit

LOOK_AGAIN = timedelta(seconds=5)
"""Commands that name unknown keys have the keys looked up at most so often: they may be forged."""


class Admission(ABC):
    """Base of workflows that check claims on commands."""

    _looked_up_at: datetime | None = None
    _looking_up: asyncio.Lock | None = None

    @abstractmethod
    def trust(self) -> Trust:
        """What is pinned of whose signatures count."""

    @abstractmethod
    async def refresh_trust(self) -> None:
        """Read it anew. Raises FailureError where that cannot be done in time."""

    def admit(self, name: str, body: Any, *, is_fresh: bool = False) -> str:
        """Why a command counts as unsigned; empty where it is signed, or nobody asks.

        Raises:
            ForbiddenError: it may not be done.
            UnknownKeyError: its key is not known, and may be a newer one; not where `is_fresh`.
        """
        trust = self.trust()
        if not trust.actor_keys or not isinstance(body, dict):
            return ""  # what is no object is refused for its shape
        actor, key = body.get("actor"), body.get("key")
        asked = Asked(
            subject=workflow.info().workflow_id,
            verb=name,
            actor=(actor.strip() if isinstance(actor, str) else "") or OPERATOR,
            key=key if isinstance(key, str) else "",
        )
        return admit(trust, asked, presented(body), body, workflow.now(), is_fresh=is_fresh)

    def admit_at_the_door(self, name: str, body: Any) -> None:
        """As `admit`, for a validator, which can look nothing up. Raises ForbiddenError."""
        try:
            self.admit(name, body)
        except UnknownKeyError:
            return  # the handler looks

    async def admitted(self, name: str, body: Any) -> str:
        """As `admit`, with the keys as they are now where one is unknown. Raises ForbiddenError."""
        try:
            return self.admit(name, body)
        except UnknownKeyError:
            self._looking_up = self._looking_up or asyncio.Lock()
            async with self._looking_up:
                await self._look_up(workflow.now())
            return self.admit(name, body, is_fresh=True)

    async def _look_up(self, now: datetime) -> None:
        if self._looked_up_at is not None and now - self._looked_up_at < LOOK_AGAIN:
            return
        try:
            await self.refresh_trust()
        except FailureError as error:
            workflow.logger.warning("the keys of claims could not be read: %s", error)
            return
        self._looked_up_at = workflow.now()

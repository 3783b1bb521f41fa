"""Changes of incidents as they happen: one look at the records a second, shared by everybody who listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from records.database import RecordsUnavailableError
from records.reads import INCIDENTS_LIMIT
from starter.records_access import RecordsAccess, View

EVERY_SECONDS = 1.0
MAX_LISTENERS = 100
MAX_BEHIND = 200
"""Changes that wait for one listener; a slower one is let go and comes back by itself."""

log = structlog.get_logger(__name__)


class TooManyListenersError(Exception):
    """No more than `MAX_LISTENERS` at once."""


class Feed:
    """Tells listeners of incidents that changed."""

    def __init__(self, records: RecordsAccess, every_seconds: float = EVERY_SECONDS) -> None:
        self._records, self._every = records, every_seconds
        self._listeners: set[asyncio.Queue[View | None]] = set()
        self._versions: dict[str, int] | None = None
        self._task: asyncio.Task[None] | None = None

    def listen(self) -> AsyncIterator[View]:
        """Changes from now on.

        Raises:
            TooManyListenersError: at once, before anything is sent.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyListenersError(f"{MAX_LISTENERS} listen already")
        queue: asyncio.Queue[View | None] = asyncio.Queue(MAX_BEHIND)
        self._listeners.add(queue)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        return self._changes(queue)

    def close(self) -> None:
        """Let everybody who listens go, so that an open stream does not hold up the end of the process."""
        for queue in list(self._listeners):
            self._let_go(queue)

    async def _changes(self, queue: asyncio.Queue[View | None]) -> AsyncIterator[View]:
        try:
            while (view := await queue.get()) is not None:
                yield view
        finally:
            self._listeners.discard(queue)

    async def _watch(self) -> None:
        """Look while somebody listens."""
        try:
            while self._listeners:
                try:
                    self._tell(await self._changed())
                except RecordsUnavailableError as error:
                    log.warning("events.records_away", why=str(error))
                await asyncio.sleep(self._every)
        finally:
            self._task, self._versions = None, None

    async def _changed(self) -> list[View]:
        """Incidents whose version grew since the last look, oldest first; none at the first look."""
        views, _ = await self._records.read_if_up(
            self._records.reader.incidents, "all", limit=INCIDENTS_LIMIT
        )
        before = self._versions
        self._versions = {view["id"]: view["version"] for view in views}
        if before is None:
            return []
        return [view for view in reversed(views) if view["version"] > before.get(view["id"], 0)]

    def _tell(self, views: list[View]) -> None:
        for queue in list(self._listeners):
            for view in views:
                try:
                    queue.put_nowait(view)
                except asyncio.QueueFull:
                    self._let_go(queue)
                    break

    def _let_go(self, queue: asyncio.Queue[View | None]) -> None:
        """End one listener's stream; it comes back by itself."""
        self._listeners.discard(queue)
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(None)

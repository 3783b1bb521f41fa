"""The records as the API uses them: from threads of their own, bounded in time, and never in the way.

What was answered is stored before the answer goes out, so that the next read shows it; with the records
away the answer goes out all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import structlog

from domain.recording import RecordBatch
from records.database import RecordsUnavailableError
from records.reads import RecordsReader
from records.writes import RecordsWriter

STORE_WITHIN_SECONDS = 1.0
"""How long an answer waits for its copy in the records."""
REST_SECONDS = 2.0
"""After a failure the records are left alone for a while: a locked database holds a thread for seconds."""
THREADS = 8

P = ParamSpec("P")
T = TypeVar("T")
View = dict[str, Any]
log = structlog.get_logger(__name__)


class RecordsAccess:
    """Reads and keeps views, without blocking the event loop."""

    def __init__(self, reader: RecordsReader, writer: RecordsWriter) -> None:
        self.reader, self._writer = reader, writer
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="records")
        self._rests_until = 0.0

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the reader.

        Raises:
            RecordsUnavailableError: the database does not answer. Retried by whoever asked.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def read_if_up(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, but refused at once while the records rest after a failure."""
        if time.monotonic() < self._rests_until:
            raise RecordsUnavailableError("the records did not answer a moment ago")
        try:
            return await self.read(function, *args, **kwargs)
        except RecordsUnavailableError:
            self._rests_until = time.monotonic() + REST_SECONDS
            raise

    async def store_incident(self, view: View) -> None:
        """Keep an incident as it was answered."""
        version = int(view.get("version") or 0)
        await self._store(lambda: self._writer.store_incident_view(view, version))

    async def store_postmortem(self, incident_id: str, view: View) -> None:
        """Keep a postmortem as it was answered."""
        version = view.get("version")
        if isinstance(version, int):
            batch = RecordBatch(subject="postmortem", id=incident_id, version=version, view=view)
            await self._store(lambda: self._writer.write(batch))

    async def _store(self, write: Callable[[], object]) -> None:
        if time.monotonic() < self._rests_until:
            return
        job = asyncio.get_running_loop().run_in_executor(self._threads, write)
        try:
            # Shielded: the write goes on when its time is up, and is worth having even late.
            await asyncio.wait_for(asyncio.shield(job), STORE_WITHIN_SECONDS)
        except (TimeoutError, RecordsUnavailableError, ValueError) as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            job.add_done_callback(_look_at)
            log.warning("records.not_stored", why=str(error) or "no answer in time")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_at(job: asyncio.Future[object]) -> None:
    """Python complains of an exception that nobody looked at."""
    if not job.cancelled():
        job.exception()

"""Writing to the records: a projection, retried for ever, which no page waits for."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.recording import RecordBatch, Recorded

_THREADS = 8
HOLD_SECONDS = 1.0
"""An answer comes this long after its write: what happens meanwhile goes in one batch with the next."""


class BatchWriter(Protocol):
    """`records.writes.RecordsWriter` is one."""

    def write(self, batch: RecordBatch) -> Recorded: ...


class Recording:
    """Writes batches, in threads of its own: a database that hangs takes no other thread."""

    def __init__(self, writer: BatchWriter, hold_seconds: float = HOLD_SECONDS) -> None:
        self._writer, self._hold_seconds = writer, hold_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="records-write")

    @activity.defn(name="record")
    async def record(self, batch: RecordBatch) -> Recorded:
        """Store a batch, then hold the answer for a moment, so that the next batch holds more.

        Raises:
            RecordsUnavailableError: nothing was stored. Retried for ever.
            ApplicationError: the batch can never be stored. Not retried.
        """
        loop = asyncio.get_running_loop()
        try:
            recorded = await loop.run_in_executor(self._threads, self._writer.write, batch)
        except ValueError as error:
            raise ApplicationError(str(error), type="ValueError", non_retryable=True) from error
        await asyncio.sleep(self._hold_seconds)
        return recorded

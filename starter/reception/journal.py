"""The journal: alerts that Temporal could not take, on disk until it can.

Records of many requests are written and synced together by one thread, so that the event loop never
waits for a disk. Which batches wait, and where they stand, is in memory; what they say is read when it is
delivered. Files and their locks are `journal_files.py`; who decides what goes in is `keeping.py`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from domain.alert import Alert
from starter.reception.groups import Group, group_key, read_group, together
from starter.reception.journal_files import Entry, JournalFiles
from starter.reception.segments import Segment
from starter.temporal_link import GatewayUnavailableError

MEGABYTE = 1024 * 1024
RESERVED = 0.1
"""Share of the room that only alerts of the worst severity may use."""
APPEND_SECONDS = 5.0
"""For one record until it is on disk. A disk that hangs longer is one that takes nothing."""
log = structlog.get_logger(__name__)


class NotKeptError(GatewayUnavailableError):
    """Temporal is away and the journal could not take it either: nothing is kept. Whoever sends retries."""


class Standing(NamedTuple):
    """How the journal stands."""

    waiting: int
    """Deliveries of alerts."""
    oldest_seconds: float
    size: int
    """On disk. Units: bytes."""
    limit: int
    damaged: int
    """Files with what could not be read again."""
    error: str
    """The last one, as long as it lasts; else empty."""

    def sentence(self) -> str:
        """`ok`, or what a person should know."""
        said = []
        if self.waiting:
            mega = self.size / MEGABYTE
            said.append(
                f"{self.waiting} alerts wait for Temporal, the oldest for {self.oldest_seconds:.0f} s; "
                f"{mega:.1f} of {self.limit // MEGABYTE} MB are used"
            )
        if self.error:
            said.append(f"last error: {self.error}")
        if self.damaged:
            said.append(
                f"{self.damaged} *.damaged files in its folder hold what cannot be read again"
            )
        return "; ".join(said) or "ok"


@dataclass
class _Record:
    data: bytes
    entry: Callable[[Segment, int, int], Entry]
    alerts: Sequence[Mapping[str, Any]]
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Journal:
    """What waits, in order for each service.

    Args:
        files: its folder.
        heard: told of each batch that is kept, new or found: the entry and its alerts as plain data.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        files: JournalFiles,
        heard: Callable[[Entry, Sequence[Mapping[str, Any]]], None] = lambda entry, alerts: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._files, self._heard, self._now = files, heard, now
        self._thread: ThreadPoolExecutor | None = None
        self._queue: list[_Record] = []
        self._queued_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._waiting: dict[str, deque[Entry]] = {}
        self._delivered: dict[str, int] = {}
        self._count = 0
        self.error = ""
        self.kept = self.delivered = self.refused = 0
        """Deliveries of alerts since this process began."""

    # What waits.

    @property
    def services(self) -> list[str]:
        """Those for which something waits, the one that waits longest first."""
        return sorted(self._waiting, key=lambda service: self._waiting[service][0].at)

    def holds(self, service: str) -> bool:
        return service in self._waiting

    def is_empty(self) -> bool:
        return not self._waiting

    def is_idle(self) -> bool:
        """Nothing waits, and nothing is being written."""
        return not self._waiting and not self._queue and self._writing is None

    def standing(self) -> Standing:
        heads = [queue[0].at for queue in self._waiting.values()]
        return Standing(
            waiting=self._count,
            oldest_seconds=max(0.0, self._now() - min(heads)) if heads else 0.0,
            size=self._files.size,
            limit=self._files.limit,
            damaged=self._files.damaged,
            error=self.error,
        )

    # In.

    async def keep(
        self, service: str, alerts: Sequence[Alert], sent_as: str | None, *, is_urgent: bool
    ) -> None:
        """Return when a batch is on disk.

        Args:
            sent_as: the key under which it was sent, where nobody knows whether it was taken.
            is_urgent: it may use the room that is kept for such.

        Raises:
            NotKeptError: the journal is full, or the disk does not take it.
        """
        record = self._record(service, alerts, sent_as)
        count = sum(alert.count for alert in alerts)
        limit = self._files.limit * (1.0 if is_urgent else 1.0 - RESERVED)
        if self._files.size + self._queued_bytes + len(record.data) > limit:
            self.refused += count
            said = f"the journal is full: {self._files.limit // MEGABYTE} MB (TOCSIN_JOURNAL_MB)"
            raise NotKeptError(self._trouble(said))
        self._queue.append(record)
        self._queued_bytes += len(record.data)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            # Shielded: what is being written is registered, whether or not anybody waits for it.
            await asyncio.wait_for(asyncio.shield(record.done), APPEND_SECONDS)
        except TimeoutError:
            self.refused += count
            said = f"the journal's disk does not answer within {APPEND_SECONDS:.0f} s"
            raise NotKeptError(self._trouble(said)) from None
        except OSError as error:
            self.refused += count
            said = f"the journal cannot be written: {error.strerror or error}"
            raise NotKeptError(self._trouble(said)) from error
        self.kept += count

    def _record(self, service: str, alerts: Sequence[Alert], sent_as: str | None) -> _Record:
        at = self._now()
        head = {"is": "alerts", "service": service, "sent_as": sent_as, "at": at}
        bodies = ",".join(alert.model_dump_json() for alert in alerts)
        text = f'{json.dumps(head)[:-1]}, "alerts": [{bodies}]}}'
        count = sum(alert.count for alert in alerts)

        def entry(segment: Segment, offset: int, length: int) -> Entry:
            return Entry(segment, offset, length, service, sent_as, at, count)

        plain = [alert.model_dump(mode="json", include=HEARD) for alert in alerts]
        return _Record(text.encode("utf-8", "replace"), entry, plain)

    async def _write(self) -> None:
        """Write what has come in, all of it with one sync, until nothing has."""
        try:
            while self._queue:
                records, self._queue = self._queue, []
                await self._write_together(records)
                self._queued_bytes -= sum(len(record.data) for record in records)
        finally:
            self._writing = None

    async def _write_together(self, records: list[_Record]) -> None:
        try:
            segment, places = await self._in_thread(
                lambda: self._files.append([record.data for record in records])
            )
        except Exception as error:  # noqa: BLE001 - each of them is told
            for record in records:
                if not record.done.done():
                    record.done.set_exception(error)
                    record.done.exception()  # looked at here: whoever waited may be gone
            return
        self.error = ""
        for record, (offset, length) in zip(records, places, strict=True):
            entry = record.entry(segment, offset, length)
            self._waiting.setdefault(entry.service, deque()).append(entry)
            self._count += entry.count
            self._heard(entry, record.alerts)
            if not record.done.done():
                record.done.set_result(None)

    async def adopt(self) -> int:
        """Take over what dead processes have left; how many batches that was."""
        try:
            found = await self._in_thread(self._files.adopt)
        except OSError as error:
            log.warning("journal.not_looked_at", why=self._trouble(f"its folder: {error}"))
            return 0
        for entry, alerts in found.entries:
            self._heard(entry, alerts)
        by_service: dict[str, list[Entry]] = {}
        for entry, _ in found.entries:
            self._count += entry.count
            by_service.setdefault(entry.service, []).append(entry)
        for service, older in by_service.items():
            # What was left behind is older than what has come since.
            self._waiting[service] = deque([*older, *self._waiting.get(service, ())])
        return len(found.entries)

    # Out.

    async def next_group(self, service: str) -> Group:
        """What goes to a desk next: the same batches under the same key, until they are settled."""
        queue = self._waiting[service]
        first = queue[0]
        if first.group:
            wanted, segment = set(first.group), first.segment
            rest = (e for e in queue if e.segment is segment and e.offset in wanted)
            same = list(islice(rest, len(wanted)))
            return Group(service, group_key(first), same)
        if first.sent_as:
            return Group(service, first.key, [first])
        entries = together(queue)
        offsets = tuple(entry.offset for entry in entries)
        try:
            # One that goes alone too: another time it must not go with what has come since.
            note = {"is": "group", "offsets": list(offsets)}
            await self._in_thread(lambda: self._files.note(first.segment, note))
        except OSError as error:
            self._trouble(f"a remark could not be written: {error.strerror or error}")
            entries, offsets = [first], (first.offset,)
        for entry in entries:
            entry.group = offsets
        return Group(service, group_key(first), entries)

    async def read(self, group: Group) -> list[Alert]:
        """The alerts of a group, each with who was paged about it directly.

        What cannot be read any more is set aside and said; it is no reason to keep the others.
        """
        return await asyncio.to_thread(read_group, group)

    async def settle(self, group: Group) -> None:
        """A group is delivered."""
        queue = self._waiting[group.service]
        gone = {id(entry) for entry in group.entries}
        while queue and id(queue[0]) in gone:
            gone.remove(id(queue.popleft()))
        if gone:  # what a dead process had left came in front meanwhile
            queue = deque(entry for entry in queue if id(entry) not in gone)
            self._waiting[group.service] = queue
        if not queue:
            del self._waiting[group.service]
        count = sum(entry.count for entry in group.entries)
        self.delivered, self._count = self.delivered + count, self._count - count
        for entry in group.entries:
            entry.is_settled = True
        segment = group.entries[0].segment
        delivered = self._delivered.get(segment.name, 0) + len(group.entries)
        self._delivered[segment.name] = delivered
        offsets = [entry.offset for entry in group.entries]
        try:
            if await self._in_thread(lambda: self._files.settle(segment, offsets, delivered)):
                del self._delivered[segment.name]
        except OSError as error:
            self._trouble(f"a remark could not be written: {error.strerror or error}")
        if self.is_empty():
            self.error = ""

    async def note_paged(self, said: Iterable[tuple[Entry, dict[str, list[str]]]]) -> None:
        """People were paged directly about alerts; a sentence for each, by alert key."""
        at = self._now()
        by_segment: dict[int, list[tuple[Entry, dict[str, list[str]]]]] = {}
        for entry, sentences in said:
            entry.note_paged(sentences, at)
            by_segment.setdefault(id(entry.segment), []).append((entry, sentences))
        for pairs in by_segment.values():
            segment = pairs[0][0].segment
            note = {"is": "paged", "at": at, "said": [[e.offset, words] for e, words in pairs]}
            try:
                await self._in_thread(lambda s=segment, n=note: self._files.note(s, n))  # type: ignore[misc]
            except OSError as error:
                self._trouble(f"a remark could not be written: {error.strerror or error}")

    async def close(self) -> None:
        """Finish what is being written and let go of the folder."""
        if self._writing is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._writing), 1.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._in_thread(self._files.close), 1.0)
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _trouble(self, said: str) -> str:
        if said != self.error:
            log.error("journal.trouble", why=said)
        self.error = said
        return said


HEARD = {"key", "status", "severity", "summary", "received_at", "link"}
"""What of an alert is told to whoever watches the waiting."""


def open_journal(data_dir: Path, megabytes: int) -> JournalFiles:
    """The journal's folder in a data folder."""
    return JournalFiles(data_dir / "journal", megabytes * MEGABYTE)

"""The journal's folder as one process uses it: the segment that it writes, and those it has adopted.

Everything here blocks, and is called from one thread only (`journal.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from starter.reception.segments import DAMAGED, SUFFIX, Segment, as_line

LARGEST_SEGMENT = 8 * 1024 * 1024
"""A segment is deleted when all of it is delivered: small ones give their room back early."""
BEING_MADE_SECONDS = 60.0
"""A hidden segment that is older has no maker any more."""
log = structlog.get_logger(__name__)


@dataclass
class Entry:
    """One batch that waits, and where it stands."""

    segment: Segment
    offset: int
    length: int
    service: str
    sent_as: str | None
    """Key under which it was sent without an answer: it may have been taken."""
    at: float
    """When it was kept. Units: seconds since the epoch."""
    count: int
    """Deliveries of alerts in it."""
    group: tuple[int, ...] = ()
    """Offsets of those that it was sent together with, where they were."""
    said: dict[str, list[str]] = field(default_factory=dict)
    """By alert key: who was paged directly, each a sentence."""
    paged_at: float = 0.0
    is_settled: bool = False
    rounds: int = 0
    """How often somebody was paged directly about one of its alerts."""

    def note_paged(self, said: dict[str, list[str]], at: float) -> None:
        """Somebody was paged directly about alerts in it.

        Args:
            said: a sentence for each person, by alert key.
        """
        for key, sentences in said.items():
            self.said.setdefault(key, []).extend(sentences)
        self.paged_at, self.rounds = at, self.rounds + 1

    @property
    def key(self) -> str:
        """The batch key: the same at every attempt, also in another process."""
        return self.sent_as or f"journal/{self.segment.name}/{self.offset}"


@dataclass
class Adopted:
    """What a dead process has left: its segments, and what waits in them."""

    entries: list[tuple[Entry, list[dict[str, Any]]]] = field(default_factory=list)
    """In order, each with its alerts."""
    segments: list[Segment] = field(default_factory=list)


class JournalFiles:
    """Writes, adopts and deletes segments.

    Args:
        folder: `<data dir>/journal`, made when the first record is written.
        limit: how much all segments of the folder may hold. Units: bytes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self.limit = folder, limit
        self._segment_bytes = min(LARGEST_SEGMENT, max(limit // 8, 64 * 1024))
        self._active: Segment | None = None
        self._held: dict[str, Segment] = {}
        self.others_bytes = 0
        """In segments of other living processes, as of the last look."""
        self.damaged = 0
        """Files with what could not be delivered."""

    @property
    def size(self) -> int:
        """What the folder's segments hold. Units: bytes."""
        return self.others_bytes + sum(segment.size for segment in list(self._held.values()))

    def append(self, records: Sequence[bytes]) -> tuple[Segment, list[tuple[int, int]]]:
        """Have records on disk: the segment, and where each begins and how long its line is.

        Raises:
            OSError: nothing of it is kept.
        """
        segment = self._writable()
        lines = [as_line(record) for record in records]
        offset = segment.append(b"".join(lines))
        segment.records += len(lines)
        places = []
        for line in lines:
            places.append((offset, len(line)))
            offset += len(line)
        return segment, places

    def _writable(self) -> Segment:
        active = self._active
        if active is None or not active.is_sound or active.size >= self._segment_bytes:
            active = Segment.create(self._folder)
            self._held[active.name] = active
            self._active = active
        return active

    def note(self, segment: Segment, note: dict[str, Any]) -> None:
        """Have a remark about a segment's records on disk in it. Raises OSError."""
        if not segment.is_sound:
            raise OSError(f"segment {segment.name} takes nothing more")
        segment.append(as_line(json.dumps(note).encode()))

    def settle(self, segment: Segment, offsets: Sequence[int], delivered: int) -> bool:
        """Remember that records are delivered; whether the segment is deleted, for nothing is left in it.

        Args:
            delivered: how many of its records are delivered, with these.

        Raises:
            OSError: after a restart they would be delivered again, under the same keys.
        """
        if delivered < segment.records:
            self.note(segment, {"is": "done", "offsets": list(offsets)})
            return False
        if segment is self._active:
            self._active = None
        segment.delete()
        del self._held[segment.name]
        return True

    def adopt(self) -> Adopted:
        """Take over what dead processes have left, oldest first.

        Raises:
            OSError: the folder cannot be read.
        """
        found = Adopted()
        others = damaged = 0
        for path in sorted(self._folder.iterdir()) if self._folder.exists() else ():
            damaged += path.name.endswith(DAMAGED)
            if not path.name.endswith(SUFFIX) or path.name.removesuffix(SUFFIX) in self._held:
                continue
            segment = Segment.adopt(path)
            if segment is None:
                others += _size_of(path)
            elif path.name.startswith(
                "."
            ):  # nothing is in it: its maker died, or has not locked it yet
                segment.delete() if _age_of(path) > BEING_MADE_SECONDS else segment.close()
            else:
                self._read(segment, found)
        self.others_bytes = others
        self.damaged = max(damaged, self._count_damaged()) if found.segments else damaged
        return found

    def _count_damaged(self) -> int:
        return sum(path.name.endswith(DAMAGED) for path in self._folder.iterdir())

    def _read(self, segment: Segment, found: Adopted) -> None:
        waiting: dict[int, tuple[Entry, list[dict[str, Any]]]] = {}
        try:
            for line in segment.scan():
                _take(segment, line.offset, line.length, line.record, waiting)
        except OSError:
            segment.close()
            raise
        segment.records = len(waiting)
        if not waiting:
            segment.delete()
            return
        self._held[segment.name] = segment
        found.segments.append(segment)
        found.entries += waiting.values()

    def close(self) -> None:
        """Let go of all segments; the next process adopts them."""
        for segment in self._held.values():
            segment.close()
        self._held.clear()
        self._active = None


def _take(
    segment: Segment,
    offset: int,
    length: int,
    record: dict[str, Any],
    waiting: dict[int, tuple[Entry, list[dict[str, Any]]]],
) -> None:
    """Apply one record of a segment that is read again."""
    match record:
        case {"is": "alerts", "service": str(service), "alerts": list(alerts)}:
            entry = Entry(
                segment, offset, length, service, record.get("sent_as"), float(record["at"]),
                sum(int(alert.get("count", 1)) for alert in alerts),
            )  # fmt: skip
            waiting[offset] = (entry, alerts)
        case {"is": "done", "offsets": list(offsets)}:
            for one in offsets:
                waiting.pop(one, None)
        case {"is": "group", "offsets": list(offsets)}:
            for one in offsets:
                if one in waiting:
                    waiting[one][0].group = tuple(offsets)
        case {"is": "paged", "said": list(said), "at": float(at)}:
            for one, sentences in said:
                if one in waiting:
                    waiting[one][0].note_paged(sentences, at)
        case _:
            log.error("journal.unknown_record", segment=segment.name, offset=offset)


def _age_of(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

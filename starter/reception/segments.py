"""Segment files of the journal: append-only, one JSON record per line, each line with length and checksum.

A segment belongs to the process that holds the kernel's lock on it. The lock ends with its holder, however
that ended, so that a segment which can be locked is an orphan. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import structlog

SUFFIX = ".journal"
DAMAGED = ".damaged"
_HEAD = 18
"""`00000042 9ae0daaf `: length and CRC-32 of what follows, in hexadecimal."""
_sync = getattr(os, "fdatasync", os.fsync)
log = structlog.get_logger(__name__)


class Line(NamedTuple):
    """One record as it was found."""

    offset: int
    length: int
    """Of the whole line. Units: bytes."""
    record: dict[str, Any]


def as_line(record: bytes) -> bytes:
    """A JSON text, which holds no line break, as it stands in a segment."""
    return b"%08x %08x %b\n" % (len(record), zlib.crc32(record), record)


def _read_line(line: bytes) -> dict[str, Any] | None:
    """Its record; None for one that is torn or damaged."""
    body = line[_HEAD:-1]
    try:
        is_whole = int(line[:8], 16) == len(body) and int(line[9:17], 16) == zlib.crc32(body)
        record = json.loads(body) if is_whole and line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


class Segment:
    """One file, held by this process."""

    def __init__(self, path: Path, handle: int, size: int) -> None:
        self.path, self._handle, self.size = path, handle, size
        self.records = 0
        """Batches of alerts in it, delivered or not."""
        self.is_sound = True
        """False when nothing more may be written to it: a write could not be taken back."""

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(SUFFIX)

    @classmethod
    def create(cls, folder: Path) -> Segment:
        """A new, empty one, which others see only when it is locked.

        Raises:
            OSError: it cannot be made.
        """
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
        name = f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:6]}{SUFFIX}"
        hidden = folder / f".{name}"
        handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(folder / name)
            sync_folder(folder)
        except BaseException:
            os.close(handle)
            hidden.unlink(missing_ok=True)
            raise
        return cls(folder / name, handle, 0)

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """One that a dead process has left behind; None where its process lives, or it is gone.

        Raises:
            OSError: it cannot be opened.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(handle)
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        if status.st_nlink == 0:  # delivered and deleted by another process a moment ago
            os.close(handle)
            return None
        return cls(path, handle, status.st_size)

    def append(self, data: bytes) -> int:
        """Write lines and have them on disk; where they begin.

        Raises:
            OSError: nothing of it is kept.
        """
        start = self.size
        try:
            view, at = memoryview(data), start
            while view:
                written = os.pwrite(self._handle, view, at)
                view, at = view[written:], at + written
            _sync(self._handle)
        except OSError:
            self._take_back(start)
            raise
        self.size = at
        return start

    def _take_back(self, size: int) -> None:
        """A line that was written in part must not stand before the next one."""
        try:
            os.ftruncate(self._handle, size)
            _sync(self._handle)
        except OSError as error:
            # After a failed sync nobody knows what the disk holds: the next record begins another file.
            self.is_sound = False
            log.warning("journal.segment_given_up", segment=self.name, why=str(error))

    def read(self, offset: int, length: int) -> dict[str, Any] | None:
        """A record that was written. One that the disk has lost since is set aside, and None.

        Raises:
            OSError: it cannot be read, or not set aside.
        """
        line = os.pread(self._handle, length, offset)
        record = _read_line(line)
        if record is None:
            log.error("journal.damaged_line", segment=self.name, offset=offset, bytes=len(line))
            set_aside(self.path, offset, line)
        return record

    def scan(self) -> Iterator[Line]:
        """Every record, in order. A torn last line is cut off; damaged ones are kept beside the segment.

        Raises:
            OSError: it cannot be read.
        """
        offset = 0
        with os.fdopen(os.dup(self._handle), "rb") as file:
            file.seek(0)
            for line in file:
                record = _read_line(line)
                if record is not None:
                    yield Line(offset, len(line), record)
                elif not line.endswith(b"\n"):
                    log.warning("journal.torn_tail", segment=self.name, bytes=len(line))
                    self._take_back(offset)
                    self.size = offset
                    return
                else:
                    self._set_aside(offset, line)
                offset += len(line)

    def _set_aside(self, offset: int, line: bytes) -> None:
        log.error("journal.damaged_line", segment=self.name, offset=offset, bytes=len(line))
        try:
            set_aside(self.path, offset, line)
        except OSError as error:  # the others in here must not wait for it
            log.error("journal.damaged_line_not_kept", segment=self.name, why=str(error))  # noqa: TRY400

    def close(self) -> None:
        """Let go of it: another process may adopt what is left."""
        os.close(self._handle)

    def delete(self) -> None:
        """Remove it: everything in it has been delivered.

        Raises:
            OSError: it is still there and still ours, or the folder could not be synced.
        """
        self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)
        self.close()


def set_aside(segment: Path, offset: int, line: bytes) -> None:
    """Keep bytes that cannot be delivered where a person finds them.

    Raises:
        OSError: they could not be written.
    """
    file = segment.with_name(f"{segment.name.removesuffix(SUFFIX)}-{offset}{DAMAGED}")
    with file.open("ab") as out:
        out.write(line if line.endswith(b"\n") else line + b"\n")


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or deleted in it last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

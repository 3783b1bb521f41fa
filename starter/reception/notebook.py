"""What the door has to know again after a restart and in every process: names with small values, in a file.

For what makes an answer better, not for what must not be lost: nothing is fsynced, a full disk is a line
in the log, and the oldest names fall out. Processes of one data folder share the file: each appends
whole lines, and reads what the others have appended before it answers.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

KEPT = 50_000
"""Names that a process holds."""
MAX_FILE_BYTES = 8 * 1024 * 1024
"""Of one generation; there are two, so that the younger half is never lost in a cut."""

Value = dict[str, Any]
log = structlog.get_logger(__name__)


class Notebook:
    """Small JSON objects by name.

    Args:
        file: made with its folder when the first name is put.
        kept: names that are held; the one that was asked for longest ago falls out first.
    """

    def __init__(self, file: Path, *, kept: int = KEPT, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._file, self._older = file, file.with_name(file.name + ".1")
        self._kept, self._max_bytes = kept, max_bytes
        self._held: dict[str, Value] = {}
        self._inode, self._older_inode, self._read_to = 0, 0, 0
        self._is_noted = True
        """Whether the last line could be written; a disk that is full is said once."""
        self._catch_up()

    def get(self, name: str) -> Value | None:
        """The value that was put last under a name, by whichever process."""
        self._catch_up()
        value = self._held.pop(name, None)
        if value is not None:
            self._held[name] = value
        return value

    def latest(self, prefix: str) -> Iterator[tuple[str, Value]]:
        """Names that begin so, the one that was used last first."""
        self._catch_up()
        for name in reversed(list(self._held)):
            if name.startswith(prefix):
                yield name, self._held[name]

    def put(self, values: Mapping[str, Value]) -> None:
        """Keep these. Never raises for the disk's sake: then this process alone knows them."""
        news = {name: value for name, value in values.items() if self._held.get(name) != value}
        for name, value in values.items():
            self._hold(name, value)
        if not news:
            return
        lines = "".join(json.dumps([name, value]) + "\n" for name, value in news.items())
        try:
            self._append(lines.encode())
            self._is_noted = True
        except OSError as error:
            if self._is_noted:
                log.warning("notebook.not_written", file=str(self._file), why=str(error))
            self._is_noted = False

    def _hold(self, name: str, value: Value) -> None:
        self._held.pop(name, None)
        self._held[name] = value
        while len(self._held) > self._kept:
            del self._held[next(iter(self._held))]

    def _append(self, data: bytes) -> None:
        try:
            handle = self._open()
        except FileNotFoundError:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle = self._open()
        try:
            os.write(handle, data)  # in one piece: others append too
            size = os.fstat(handle).st_size
        finally:
            os.close(handle)
        if size > self._max_bytes:
            self._turn_over()

    def _open(self) -> int:
        return os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _turn_over(self) -> None:
        """Begin a new file; of several processes that find it full one does."""
        lock = os.open(
            self._file.with_name(self._file.name + ".lock"),
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
            0o600,
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._file.exists() and self._file.stat().st_size > self._max_bytes:
                self._file.replace(self._older)
        finally:
            os.close(lock)

    def _catch_up(self) -> None:
        """Read what has been appended since the last look."""
        older, now = _status(self._older), _status(self._file)
        if older is not None and older.st_ino != self._older_inode:
            was_ours = older.st_ino == self._inode
            self._read_file(self._older, self._read_to if was_ours else 0)
            self._older_inode = older.st_ino
        if now is None:
            return
        if now.st_ino != self._inode:
            self._inode, self._read_to = now.st_ino, 0
        if now.st_size > self._read_to:
            self._read_to = self._read_file(self._file, self._read_to)

    def _read_file(self, file: Path, start: int) -> int:
        """Take in whole lines from there; where the next look begins."""
        try:
            with file.open("rb") as stream:
                stream.seek(start)
                data = stream.read()
        except OSError:
            return start
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            try:
                name, value = json.loads(line)
            except ValueError:
                continue  # torn by a crash of the machine; the names around it count
            if isinstance(name, str) and isinstance(value, dict):
                self._hold(name, value)
        return start + whole


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None

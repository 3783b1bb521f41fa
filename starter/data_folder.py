"""The data folder of one `tocsin up`: one holder at a time, and where the CLI finds the API."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any


class FolderError(Exception):
    """The folder cannot be used, and why."""


class HeldError(FolderError):
    """Another `up` has the folder."""


class DataFolder:
    """A folder with everything that a running Tocsin keeps.

    Used as a context manager it holds the folder; the lock is the kernel's, so it is gone with its
    holder, however that ended.

    Raises:
        HeldError: naming the process that holds it.
        FolderError: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: int | None = None

    def __enter__(self) -> DataFolder:
        try:
            self._lock = self._held()
        except OSError as error:
            raise FolderError(
                f"{self.path} cannot be used: {error.strerror or error}: "
                "give another folder with --data-dir"
            ) from error
        return self

    def _held(self) -> int:
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise HeldError(
                f"{self.path} is in use by another `tocsin up` (pid {holder}): "
                "stop that one, or give this one a folder of its own with --data-dir"
            ) from error
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        return lock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def endpoint(self) -> Path:
        """Where the CLI finds address and token of a running API."""
        return self.path / "endpoint.json"


def write_json(path: Path, content: dict[str, Any], mode: int = 0o600) -> None:
    """Write a file in one step, readable by its owner only: it may hold a token."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as out:
            json.dump(content, out, indent=1)
            out.write("\n")
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

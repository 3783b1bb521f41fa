"""A folder of this machine, served by whatever web server stands before it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from activities.publishing.target import PublishError, Site, Written, in_order, stale

SECONDS = 15.0
"""For the whole site: a disk that hangs must not hold up the other places."""
_TEMPORARY = ".new"


class FolderTarget:
    """Writes each file beside its place and moves it there, so that nobody reads half of one.

    Args:
        folder: made when it is first written to.
    """

    def __init__(self, folder: Path, seconds: float = SECONDS) -> None:
        self.folder, self._seconds = folder, seconds
        self.name = f"folder:{folder}"
        # Of its own: a thread that a hung disk keeps is nobody else's.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="publish")

    async def write(self, site: Site) -> Written:
        """Write what has changed. See `Target.write`."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._write, site)
        try:
            return await asyncio.wait_for(running, self._seconds)
        except TimeoutError:
            raise PublishError(
                f"{self.folder} was not written within {self._seconds:g} s: is its disk all right?"
            ) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise PublishError(
                f"{self.folder} cannot be written: {why}; it has to be a folder that Tocsin may write to"
            ) from None

    def _write(self, site: Site) -> Written:
        changed = size = 0
        for path in in_order(site):
            target, body = self.folder / path, site[path].body
            if _read(target) != body:
                _replace(target, body)
                changed, size = changed + 1, size + len(body)
        gone = stale(self._found(), site)
        for path in gone:
            (self.folder / path).unlink(missing_ok=True)
        return Written(len(site), changed, len(gone), size)

    def _found(self) -> Iterator[str]:
        for pattern in ("*.html", "incidents/*.html", "history/*.html"):
            for file in self.folder.glob(pattern):
                yield file.relative_to(self.folder).as_posix()


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _replace(file: Path, body: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Two workers may write at once; a name of its own for each keeps their halves apart.
    temporary = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}{_TEMPORARY}")
    try:
        temporary.write_bytes(body)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

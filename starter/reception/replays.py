"""What has been delivered: a request that comes again with the same delivery id has no second effect.

An id is remembered only when its alerts are durable: one that failed must be taken when it comes again.
One that comes while the first is still under way waits for what becomes of it. The memory outlives the
process: it is a file in the data folder, one line an id.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from starter.signatures import digest

KEPT_SECONDS = 24 * 3600
"""Senders repeat for hours; a signed request is refused for its age long before."""
MAX_IDS = 100_000
"""Whatever came longest ago is forgotten first. In the file: 44 bytes each."""
FILE = "deliveries-seen"

log = structlog.get_logger(__name__)


class Replays:
    """The delivery ids of the last day.

    Args:
        file: where they are kept over a restart; None: nowhere.
    """

    def __init__(self, file: Path | None = None, *, max_ids: int = MAX_IDS) -> None:
        self._file, self._max = file, max_ids
        self._done: OrderedDict[str, int] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._handle: int | None = None
        self._lines = 0
        self._is_loaded = file is None

    @asynccontextmanager
    async def once(self, scope: str, delivery_id: str, now: float) -> AsyncIterator[bool]:
        """Whether this is the first time; leaving without an error remembers it.

        Args:
            scope: whose id it is: one sender's ids say nothing of another's.
            now: seconds since 1970.
        """
        name = digest(f"{scope}\0{delivery_id}".encode(errors="surrogatepass"))
        while name in self._under_way:
            # Shielded: whoever gives up waiting must not take the first one's future with it.
            await asyncio.shield(self._under_way[name])
        if not self.first_time(name, now):
            yield False
            return
        done = self._under_way[name] = asyncio.get_running_loop().create_future()
        try:
            yield True
            self._remember(name, int(now))
        finally:
            del self._under_way[name]
            done.set_result(None)

    def first_time(self, name: str, now: float) -> bool:
        """Whether nothing of that name has been delivered within the last day."""
        if not self._is_loaded:
            self._load(now)
        at = self._done.get(name)
        return at is None or now - at > KEPT_SECONDS

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _remember(self, name: str, now: int) -> None:
        self._done.pop(name, None)
        self._done[name] = now
        while len(self._done) > self._max or (
            self._done and now - next(iter(self._done.values())) > KEPT_SECONDS
        ):
            self._done.popitem(last=False)
        if self._file is None:
            return
        try:
            if self._lines > 2 * self._max:
                self._rewrite(self._file)
            if self._handle is None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            # One write, not flushed to the disk: it outlives this process, and a machine that lost its
            # power has lost a memory of repeats, not an alert.
            os.write(self._handle, f"{now} {name}\n".encode())
            self._lines += 1
        except OSError as error:
            # The alerts are durable: a full disk must not turn that into a failure.
            log.warning("deliveries.memory_not_kept", why=error.strerror)

    def _load(self, now: float) -> None:
        self._is_loaded = True
        if self._file is None:
            return
        try:
            lines = self._file.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("deliveries.memory_not_read", why=error.strerror)
            return
        for line in lines[-self._max :]:
            at, _, name = line.partition(" ")
            # A line that a crash has cut is none.
            if at.isdigit() and len(name) == 32 and now - int(at) <= KEPT_SECONDS:
                self._done[name] = int(at)
        self._lines = len(lines)

    def _rewrite(self, file: Path) -> None:
        """Leave only what still counts in the file."""
        self.close()
        new = file.with_name(f".{file.name}.new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.writelines(f"{at} {name}\n" for name, at in self._done.items())
        new.replace(file)
        self._lines = len(self._done)

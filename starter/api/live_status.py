"""The public status page as this process serves it: made when something changed, and kept in between.

Readers come in thousands at the worst moment, so they never wait for the records: those are looked at
once in `LOOK_SECONDS`, by whoever comes first, and while they are away the page stays as it was last.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

import structlog

from domain.maintenance import Window
from domain.policy.model import Policy
from domain.status_page.maintenance import Windows
from records.database import RecordsUnavailableError
from records.status_page import StatusPageReader
from starter.api.feed import TooManyListenersError
from starter.records_access import RecordsAccess
from starter.standing import Standing
from templates.renderer import Renderer
from templates.status_addresses import INDEX, SERVED, Addresses
from templates.status_site import File, Make, site_map

LOOK_SECONDS = 0.5
MAX_LOOK_SECONDS = 1.2
BUSY = 0.12
"""Share of the time that making the page may take while incidents change all the time, as in a storm."""
TICK_SECONDS = 10
"""How late planned work may begin and end on the page."""
WINDOWS_SECONDS = 60.0
"""How late a window made elsewhere may be on the page: each desk has to be asked."""
WINDOWS_WAIT_SECONDS = 1.0
MAX_LISTENERS = 500
"""Readers who are told at once; the others look every half minute."""

log = structlog.get_logger(__name__)
Current = Callable[[], tuple[str, Policy]]


class Shown(NamedTuple):
    """One file as it is served now."""

    file: File
    etag: str


class _Site(NamedTuple):
    """One state of the site, of which files are made as they are asked for."""

    mark: str
    makes: Mapping[str, Make]
    made: dict[str, Shown]

    def show(self, path: str) -> Shown | None:
        if path not in self.made and path in self.makes:
            file = self.makes[path]()
            digest = hashlib.sha256(file.body).hexdigest()[:24]
            self.made[path] = Shown(file, f'"{digest}"')
        return self.made.get(path)


class LiveStatus:
    """The site of this process.

    Args:
        current: version and policy in force.
        public_url: address of this API for people.
    """

    def __init__(
        self,
        records: RecordsAccess,
        standing: Standing,
        current: Current,
        renderer: Renderer,
        public_url: str,
    ) -> None:
        self._records, self._standing, self._current = records, standing, current
        self._renderer, self._public_url = renderer, public_url.rstrip("/")
        self._lock = asyncio.Lock()
        self._site: _Site | None = None
        self._looked = float("-inf")
        self._rest = 0.0
        self._windows: dict[str, list[Window]] = {}
        self._asked = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._watching: asyncio.Task[None] | None = None

    @cached_property
    def _reader(self) -> StatusPageReader:
        # Made at its first use: the document of the routes is written without any records.
        return StatusPageReader(self._records.reader)

    async def show(self, path: str) -> Shown | None:
        """A file of the site, hardly older than `LOOK_SECONDS`; None where there is none of that path.

        Raises:
            RecordsUnavailableError: they do not answer, and this process has never seen them.
        """
        site = await self._now()
        return await asyncio.to_thread(site.show, path)

    async def windows(self) -> Windows:
        """Maintenance made at run time, by service, as the desks last told."""
        if self._asking is None and time.monotonic() - self._asked > WINDOWS_SECONDS:
            self._asked = time.monotonic()
            self._asking = asyncio.create_task(self._ask())
            await asyncio.wait([self._asking], timeout=WINDOWS_WAIT_SECONDS)
        return self._windows

    def windows_changed(self) -> None:
        """A window was made or ended here: the desks are asked before the page is shown again."""
        self._asked = self._looked = float("-inf")

    def listen(self) -> AsyncIterator[str]:
        """The tag of the first page whenever that changes.

        Raises:
            TooManyListenersError: at once, before anything is sent.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyListenersError(f"{MAX_LISTENERS} read along already")
        return self._changes()

    def close(self) -> None:
        """Let everybody who listens go, so that an open stream does not hold up the end of the process."""
        for queue in list(self._listeners):
            _put(queue, None)

    async def _now(self) -> _Site:
        if self._site is not None and self._is_fresh():
            return self._site
        async with self._lock:
            if self._site is not None and self._is_fresh():
                return self._site  # somebody else has looked while this one waited
            began = time.monotonic()
            try:
                await self._look()
            except RecordsUnavailableError as error:
                if self._site is None:
                    raise
                log.warning("status_page.old", why=str(error))
            except Exception:  # whatever is wrong in here, readers keep the page that they had
                if self._site is None:
                    raise
                log.exception("status_page.not_made")
            self._looked = time.monotonic()
            self._rest = min((self._looked - began) / BUSY, MAX_LOOK_SECONDS)
            assert self._site is not None
            return self._site

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._looked < max(LOOK_SECONDS, self._rest)

    async def _look(self) -> None:
        version, policy = self._current()
        windows, at = await self.windows(), datetime.now(UTC)
        records = await self._records.read_if_up(self._reader.mark, at)
        tick = int(at.timestamp()) // TICK_SECONDS
        mark = f"{version} {records} {tick} {hash(str(windows))}"
        if self._site is not None and self._site.mark == mark:
            return
        page = await self._records.read_if_up(self._reader.page, policy, windows, at)
        addresses = Addresses(is_served=True, base=page.url or f"{self._public_url}{SERVED}")
        makes = await asyncio.to_thread(site_map, page, self._renderer, addresses)
        self._site = _Site(mark, makes, {})

    async def _ask(self) -> None:
        _, policy = self._current()
        try:
            found, silent = await self._standing.windows(
                policy, list(policy.services), datetime.now(UTC)
            )
        except Exception:  # whatever is wrong with Temporal, the page is shown
            log.exception("status_page.windows_unknown")
            return
        finally:
            self._asking = None
        fresh: dict[str, list[Window]] = {name: self._windows.get(name, []) for name in silent}
        for service, window in found:
            if window.source == "api" and service not in silent:
                fresh.setdefault(service, []).append(window)
        self._windows = fresh

    async def _watch(self) -> None:
        """Look while somebody listens."""
        seen = None
        try:
            while self._listeners:
                try:
                    shown = await self.show(INDEX)
                except RecordsUnavailableError as error:
                    log.warning("status_page.records_away", why=str(error))
                else:
                    tag = shown.etag if shown else None
                    if seen is not None and tag is not None and tag != seen:
                        for queue in list(self._listeners):
                            _put(queue, tag)
                    seen = tag
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._watching = None

    async def _changes(self) -> AsyncIterator[str]:
        # A place is taken with the first word asked for: who never reads holds none.
        queue: asyncio.Queue[str | None] = asyncio.Queue(1)
        self._listeners.add(queue)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            while (tag := await queue.get()) is not None:
                yield tag
        finally:
            self._listeners.discard(queue)


def _put(queue: asyncio.Queue[str | None], tag: str | None) -> None:
    """Only the last change counts: the reader fetches the page as it then is."""
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(tag)

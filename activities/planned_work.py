"""Maintenance windows made at run time, as the desks of the services tell them: for the published page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Protocol

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.maintenance import Window
from domain.status_page.maintenance import Windows
from workflows.contract import desk_id

FRESH_SECONDS = 45.0
"""How long an answer counts: every desk has to be asked."""
WAIT_SECONDS = 1.0
"""An update that has just been published waits no longer for them; what was known last stands."""
_QUERY = timedelta(seconds=2)
_AT_ONCE = 20

log = structlog.get_logger(__name__)


class MadeWindows(Protocol):
    """Where the windows made at run time are found."""

    async def made(self, services: Iterable[str]) -> Windows:
        """By service. Never fails: what cannot be asked now stands as it was known last."""
        ...


class DeskWindows:
    """Asks the desks, at most once in `FRESH_SECONDS`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, list[Window]] = {}
        self._asked = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def made(self, services: Iterable[str]) -> Windows:
        """See `MadeWindows.made`."""
        if self._asking is None and time.monotonic() - self._asked > FRESH_SECONDS:
            self._asked = time.monotonic()
            self._asking = asyncio.create_task(self._ask(list(services)))
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=WAIT_SECONDS)
        return dict(self._known)

    async def _ask(self, services: list[str]) -> None:
        try:
            answers = await asyncio.gather(*(self._one(service) for service in services))
            for service, windows in zip(services, answers, strict=True):
                if windows is not None:
                    self._known[service] = windows
        finally:
            self._asking = None

    async def _one(self, service: str) -> list[Window] | None:
        """The desk's own windows; None where it does not answer."""
        handle = self._client.get_workflow_handle(desk_id(service))
        try:
            async with self._gate:
                view: dict[str, Any] = await handle.query("status", rpc_timeout=_QUERY)
            found = [Window.model_validate(one) for one in view.get("maintenance") or []]
            return [window for window in found if window.source == "api"]
        except RPCError as error:
            return [] if error.status is RPCStatusCode.NOT_FOUND else None
        except Exception as error:  # noqa: BLE001  whatever is wrong with one desk, the page is written
            log.warning("planned work unknown", service=service, error=type(error).__name__)
            return None

"""The page receiver: it stands for the mail provider, and notes when each message came."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from typing import Any

from bench.http import serve

TIMEOUT_SECONDS = 30.0


class Receiver:
    """Keeps the arrival times of messages, by the incident or the bare workflow they belong to."""

    def __init__(self) -> None:
        self.arrived: defaultdict[str, list[float]] = defaultdict(list)
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await serve(self.take)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def take(self, body: bytes) -> None:
        """A message has come."""
        at = time.perf_counter()
        key = key_of(json.loads(body))
        self.arrived[key].append(at)
        waiting = self._waiting.pop(key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(at)

    @staticmethod
    def now() -> float:
        """The clock by which arrivals are noted."""
        return time.perf_counter()

    async def first(self, key: str, timeout: float = TIMEOUT_SECONDS) -> float:
        """When the first message of that key came; waits for it.

        Raises:
            TimeoutError: none came.
        """
        if self.arrived.get(key):
            return self.arrived[key][0]
        future = self._waiting.setdefault(key, asyncio.get_running_loop().create_future())
        return await asyncio.wait_for(future, timeout)


def key_of(message: Any) -> str:
    """To whom a message belongs: SendGrid's shape, Alertmanager's, or that of the bare workflow."""
    if "personalizations" in message:
        return str(message["personalizations"][0]["custom_args"]["incident"])
    if "groupLabels" in message:
        return f"peer/{message['groupLabels'].get('service')}"
    return str(message["key"])

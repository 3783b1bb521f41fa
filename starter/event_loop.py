"""Event loops: uvloop for the API where there is one, and room for calls that block."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 1_000
"""Names of hosts are looked up in them, and a look-up cannot be cut: more than a worker has slots."""
T = TypeVar("T")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """In a storm the loop is a third of a process's work, and uvloop halves it."""
    try:
        import uvloop
    except ImportError:  # on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def with_room(work: Awaitable[T]) -> T:
    """Do it with room for name servers that hang: asyncio's own few threads would stop every channel.

    A thread is made when it is needed, so that the rest costs nothing. One that hangs at the end is
    not waited for.
    """
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="shared"))
    try:
        return await work
    finally:
        loop.set_default_executor(ThreadPoolExecutor(1))

"""Children that outlive whoever started them."""

from __future__ import annotations

import asyncio
from typing import Any


def leave(child: asyncio.Task[Any]) -> None:
    """Start a child and let it go: how it ends is not for its parent.

    Python complains in the worker's log, with a traceback, of an outcome that nobody has looked at.
    """
    child.add_done_callback(lambda task: task.cancelled() or task.exception())

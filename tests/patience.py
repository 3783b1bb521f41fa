"""What a machine needs that may stand still for seconds: long limits where no test is about them.

Tocsin leaves a disk, the records or a process of its own alone when they do not answer within a second or
two. In tests nothing of that hangs, but the machine may: whoever tests a limit sets it in the test.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

SECONDS = 30.0
TEMPLATES = {
    "templates.killable.START_SECONDS": SECONDS,
    "templates.renderer.SECONDS": SECONDS,
    "templates.renderer.PAGE_SECONDS": SECONDS,
    "templates.checking.SECONDS": SECONDS,
}
ACTIVITIES = {
    "activities.bridges.SECONDS": SECONDS,
    "activities.channels.email.SMTP_TIMEOUT_SECONDS": SECONDS,
    "activities.channels.email.SENDGRID_SHARE_SECONDS": SECONDS,
    "activities.delivery.NOTE_SECONDS": SECONDS,
    "activities.policy.OUTBOX_SECONDS": SECONDS,
}
STARTER = {
    "starter.api.callbacks.SLACK_ANSWER_SECONDS": SECONDS,
    "starter.api.live_status.WINDOWS_WAIT_SECONDS": SECONDS,
    "starter.api.slack_commands.ANSWER_SECONDS": SECONDS,
    "starter.reception.journal.APPEND_SECONDS": SECONDS,
    "starter.records_access.STORE_WITHIN_SECONDS": SECONDS,
    "starter.reports.desk.START_WITHIN": timedelta(seconds=SECONDS),
    "starter.subscriptions.START_WITHIN": timedelta(seconds=SECONDS),
}


@contextmanager
def patient(*limits: dict[str, float] | dict[str, timedelta | float]) -> Iterator[None]:
    """Those limits are long. For fixtures of a module: a test's own `monkeypatch` goes before it."""
    with ExitStack() as stack:
        for some in limits:
            for name, value in some.items():
                stack.enter_context(mock.patch(name, value))
        yield


async def until(look: Callable[[], Any], within: float = SECONDS) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(within):
        while not look():  # noqa: ASYNC110 - what it looks at has no event
            await asyncio.sleep(0.005)


def a_port() -> int:
    """A free port for a process that is told which; nobody who takes any port that is free is given it."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)  # below those that Linux gives away
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def a_closed_port() -> Iterator[int]:
    """A port on which nobody listens, and which nobody else can take meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])

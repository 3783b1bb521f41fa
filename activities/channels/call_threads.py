"""Blocking calls of one vendor's own client, each in a thread of the channel's own.

A call that still waits for a thread when its time is over has certainly not gone out: that is told
from one whose answer is lost, and it never runs afterwards.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from activities.channels.base import AnswerLostError
from domain.errors import DeliveryError, DeliveryReason

MOST_AT_ONCE = 500
"""More than pages can be under way at once: a vendor that hangs must not make the next page queue here."""
LONGEST_SECONDS = 9.5
"""Ends before the postman's own deadline, so that what is known of the call is told."""
T = TypeVar("T")


class CallThreads:
    """The threads of one channel.

    Args:
        vendor: for the sentences.
    """

    def __init__(self, vendor: str, most_at_once: int = MOST_AT_ONCE) -> None:
        self._vendor = vendor
        self._threads = ThreadPoolExecutor(most_at_once, thread_name_prefix=vendor.lower())

    async def run(self, call: Callable[[], T], seconds: float) -> T:
        """Call, with one limit on the whole.

        Raises:
            DeliveryError: the call's own; or none was made, for no thread was free in time.
            AnswerLostError: it was made, and may have gone out.
        """
        seconds = min(seconds, LONGEST_SECONDS)
        turn = threading.Lock()  # whoever has it decides: the call is made, or never will be
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                return await loop.run_in_executor(self._threads, _in_turn(turn, call))
        except TimeoutError as error:
            if turn.acquire(blocking=False):
                detail = f"not sent within {seconds:g} s: every call to {self._vendor} hangs"
                raise DeliveryError(DeliveryReason.TIMED_OUT, detail, retryable=True) from error
            detail = f"no answer from {self._vendor} within {seconds:g} s"
            raise AnswerLostError(DeliveryReason.TIMED_OUT, detail) from error

    def close(self) -> None:
        """Let the threads end; one that waits for the vendor ends with the call."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _in_turn(turn: threading.Lock, call: Callable[[], T]) -> Callable[[], T]:
    def made() -> T:
        if not turn.acquire(blocking=False):
            raise TimeoutError  # nobody waits for it any more
        return call()

    return made

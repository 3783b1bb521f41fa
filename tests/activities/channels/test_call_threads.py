"""Calls of vendors' own clients: what has gone out is told from what only waited."""

from __future__ import annotations

import asyncio
import threading

import pytest

from activities.channels.base import AnswerLostError
from activities.channels.call_threads import LONGEST_SECONDS, MOST_AT_ONCE, CallThreads
from activities.delivery import DEADLINE_SECONDS
from domain.errors import DeliveryError, DeliveryReason
from tests.patience import until
from worker import PAGE_SLOTS


async def test_a_call_that_found_no_thread_has_not_gone_out_and_never_will() -> None:
    """With every call hanging the next one is told as not sent, and is not made behind our back."""
    threads, over, made = CallThreads("Vendor", most_at_once=2), threading.Event(), []

    def hang(name: str) -> None:
        made.append(name)
        over.wait(60)

    first = [asyncio.create_task(threads.run(lambda n=n: hang(n), 2)) for n in ("a", "b")]
    await until(lambda: len(made) == 2)
    with pytest.raises(DeliveryError, match="not sent within") as caught:
        await threads.run(lambda: hang("c"), 0.1)
    assert not isinstance(caught.value, AnswerLostError)
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.TIMED_OUT, True)
    lost = await asyncio.gather(*first, return_exceptions=True)
    assert [type(error) for error in lost] == [AnswerLostError, AnswerLostError]
    over.set()
    await threads.run(lambda: made.append("d"), 9)
    assert sorted(made) == ["a", "b", "d"]
    threads.close()


async def test_what_a_call_answers_and_raises_is_handed_on() -> None:
    """The receipt and the vendor's refusal come through as they are."""
    threads = CallThreads("Vendor")

    def refuse() -> None:
        raise DeliveryError(DeliveryReason.REJECTED, "no such number", retryable=False)

    assert await threads.run(lambda: 17, 9) == 17
    with pytest.raises(DeliveryError, match="no such number"):
        await threads.run(refuse, 9)
    threads.close()


def test_the_next_page_finds_a_thread_and_the_outcome_is_told_in_time() -> None:
    """There are more threads than pages under way, and a call ends before its attempt does."""
    assert MOST_AT_ONCE > PAGE_SLOTS
    assert LONGEST_SECONDS < DEADLINE_SECONDS

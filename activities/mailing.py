"""One text for many addresses: as few calls as possible, and still an outcome for each address.

A vendor takes or refuses a call as a whole. When it names whom it refuses the call for, the others go without
them; when it does not, the call is halved until it is clear. Refused means that nothing has left, so nobody
gets a mail twice by this. A call without an answer leaves all of it uncertain, and is never repeated here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from activities.channels.base import AnswerLostError, Receipt
from activities.channels.mail_headers import BulkMail
from activities.channels.sendgrid_client import RefusedPartError
from domain.errors import DeliveryError, DeliveryReason

A_CALL = 100
"""Addresses in one call. It could be ten times as many; this many are uncertain when an answer is lost."""
CALLS_AT_ONCE = 4
SINGLE_AT_ONCE = 20
Sent = Receipt | DeliveryError


class Mailer(Protocol):
    """What sends; `activities.channels.email.EmailChannel` does."""

    @property
    def takes_many(self) -> bool: ...
    @property
    def has_second_way(self) -> bool: ...
    def check(self, message: BulkMail) -> None: ...
    async def send(self, message: BulkMail) -> Receipt: ...
    async def send_many(self, messages: Sequence[BulkMail]) -> Receipt: ...


async def send_to_many(mailer: Mailer, messages: Sequence[BulkMail]) -> dict[str, Sent]:
    """Send all of them; failure is an answer, not an exception.

    Args:
        messages: of one text, no address twice.

    Returns:
        What became of each, by its key.
    """
    outcomes: dict[str, Sent] = {}
    fit = []
    for message in messages:
        try:
            mailer.check(message)
            fit.append(message)
        except DeliveryError as error:
            outcomes[message.key] = error
    if not mailer.takes_many:
        return outcomes | await _one_by_one(mailer, fit)
    turn = asyncio.Semaphore(CALLS_AT_ONCE)
    calls = [fit[start : start + A_CALL] for start in range(0, len(fit), A_CALL)]
    for done in await asyncio.gather(*(_call(mailer, one, turn) for one in calls)):
        outcomes |= done
    if not mailer.has_second_way:
        return outcomes
    again = [one for one in fit if _may_go_otherwise(outcomes[one.key])]
    return outcomes | await _one_by_one(mailer, again)


async def _call(
    mailer: Mailer, messages: Sequence[BulkMail], turn: asyncio.Semaphore
) -> dict[str, Sent]:
    if not messages:
        return {}
    try:
        async with turn:
            receipt = await mailer.send_many(messages)
    except RefusedPartError as error:
        refused = {place for place in error.positions if place < len(messages)}
        if refused:
            rest = [one for place, one in enumerate(messages) if place not in refused]
            bad: dict[str, Sent] = {messages[place].key: error for place in refused}
            return bad | await _call(mailer, rest, turn)
        return await _halved(mailer, messages, turn, error)
    except DeliveryError as error:
        if error.reason is DeliveryReason.REJECTED:
            return await _halved(mailer, messages, turn, error)
        return {one.key: error for one in messages}
    return {one.key: receipt for one in messages}


async def _halved(
    mailer: Mailer, messages: Sequence[BulkMail], turn: asyncio.Semaphore, error: DeliveryError
) -> dict[str, Sent]:
    if len(messages) == 1:
        return {messages[0].key: error}
    middle = len(messages) // 2
    first = await _call(mailer, messages[:middle], turn)
    return first | await _call(mailer, messages[middle:], turn)


def _may_go_otherwise(outcome: Sent) -> bool:
    if not isinstance(outcome, DeliveryError) or isinstance(outcome, AnswerLostError):
        return False
    return outcome.reason is not DeliveryReason.REJECTED


async def _one_by_one(mailer: Mailer, messages: Sequence[BulkMail]) -> dict[str, Sent]:
    turn = asyncio.Semaphore(SINGLE_AT_ONCE)

    async def send(message: BulkMail) -> Sent:
        try:
            async with turn:
                return await mailer.send(message)
        except DeliveryError as error:
            return error

    sent = await asyncio.gather(*(send(one) for one in messages))
    return {one.key: outcome for one, outcome in zip(messages, sent, strict=True)}

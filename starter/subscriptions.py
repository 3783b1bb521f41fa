"""Wishes to subscribe on their way: kept in the records, asked by a workflow, and limited on the way in.

Whoever asks learns nothing: the answer is the same for an address that is known, unknown, or never written
to again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

import structlog
from temporalio.client import RPCError
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.policy.model import Policy
from domain.status_page.ids import public_id
from domain.subscribers import Subscriber, SubscriberKind
from records.database import RecordsUnavailableError
from records.subscribers import Outcome, SubscriberBook
from starter.answering.limits import Allowance
from starter.gateway import Gateway
from starter.signatures import digest
from starter.temporal_link import GatewayUnavailableError
from workflows.contract import SUBSCRIPTION, TASK_QUEUE, TASK_TIMEOUT, SubscriptionInput

log = structlog.get_logger(__name__)
START_WITHIN = timedelta(seconds=4)
DAY = 24 * 3600
NAMES = {
    SubscriberKind.EMAIL: "Mail address",
    SubscriberKind.SMS: "Mobile number, such as +4915550001",
    SubscriberKind.WEBHOOK: "https address of a webhook",
}

WRONG = {
    SubscriberKind.EMAIL: "This is no mail address.",
    SubscriberKind.SMS: "This is no number in international form, such as +4915550001.",
    SubscriberKind.WEBHOOK: "This is no https address.",
}


class SubscribeLimits:
    """How much may come in. In memory, of each process."""

    def __init__(self) -> None:
        self.from_one = Allowance(5, 600)
        self.from_all = Allowance(120, 600)
        self.to_one = Allowance(3, DAY)
        """By the digest of the address: nobody is written to because somebody keeps typing theirs."""
        self.texts = Allowance(20, 3600)
        """Text messages are paid for, and numbers that cost much are what abusers type."""
        self.looks = Allowance(120, 600)
        """Opening and pressing one link."""


class SubscriptionDesk:
    """Takes wishes, and carries out what subscribers choose.

    Every method raises `RecordsUnavailableError` when the records do not answer.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._records = gateway.records
        self.limits = SubscribeLimits()

    @cached_property
    def book(self) -> SubscriberBook:
        return SubscriberBook(self._records.reader.engine)

    async def ask(
        self, kind: SubscriberKind, address: str, components: Sequence[str] | None
    ) -> None:
        """Have an address asked whether it wants to hear of us.

        Raises:
            GatewayUnavailableError: nobody is asked now; the wish is to be sent again.
            TooManySubscribersError: there is no room for another one.
        """
        name = digest(f"{kind}:{address}".lower().encode())
        if not self.limits.to_one.take(name):
            return  # the same answer as ever
        id_, now = secrets.token_urlsafe(9), datetime.now(UTC)
        try:
            found = await self._records.read_if_up(
                self.book.ask, id_, kind, address, components, now
            )
            await self._start(found)
        except BaseException:
            self.limits.to_one.give_back(name)
            raise

    async def confirm(self, id_: str) -> Subscriber | None:
        """Somebody opened the link that was sent; None where there is nothing to confirm any more."""
        return await self._records.read_if_up(self.book.confirm, id_, datetime.now(UTC))

    async def find(self, id_: str) -> Subscriber | None:
        return await self._records.read_if_up(self.book.find, id_)

    async def choose(self, id_: str, components: Sequence[str] | None) -> None:
        await self._records.read_if_up(self.book.choose, id_, components)

    async def forget(self, id_: str) -> bool:
        """They have left: nothing of them is kept."""
        return await self._records.read_if_up(self.book.forget, id_)

    async def forget_address(self, kind: SubscriberKind, address: str) -> None:
        """Somebody left by a way that names their address only."""
        id_ = await self._records.read_if_up(self.book.id_of, kind, address)
        if id_ is not None:
            await self.forget(id_)

    async def stop_texts(self, number: str) -> None:
        """Somebody wrote STOP. With the records away they stay, and the vendor keeps our texts from them."""
        try:
            await self.forget_address(SubscriberKind.SMS, number)
        except RecordsUnavailableError as error:
            log.warning("a subscriber who wrote STOP could not be deleted", why=str(error))

    async def suppress(self, kind: SubscriberKind, address: str, reason: str) -> None:
        """Never write to an address again, whatever becomes of it here."""
        await self._records.read_if_up(self.book.suppress, kind, address, reason)

    async def hear(self, key: str, id_: str, outcome: Outcome) -> None:
        """The vendor says what became of an update for one of them."""
        await self._records.read_if_up(self.book.hear, key, id_, outcome, datetime.now(UTC))

    async def all(self, limit: int) -> tuple[list[Subscriber], dict[str, int]]:
        """The newest, and how many there are by state."""
        return await self._records.read_if_up(self.book.all, limit)

    async def _start(self, found: Subscriber) -> None:
        try:
            async with asyncio.timeout(START_WITHIN.total_seconds() + 0.5):
                await self._gateway.link.client.start_workflow(
                    SUBSCRIPTION,
                    SubscriptionInput(subscriber=found.id),
                    id=f"subscription/{found.id}/{secrets.token_hex(4)}",
                    task_queue=TASK_QUEUE,
                    task_timeout=TASK_TIMEOUT,
                    static_summary="Ask whether somebody wants to subscribe",
                    rpc_timeout=START_WITHIN,
                )
        except WorkflowAlreadyStartedError:
            return
        except (RPCError, TimeoutError, RuntimeError) as error:
            raise GatewayUnavailableError(f"nobody was asked: {error}") from error


def components_offered(policy: Policy) -> dict[str, str]:
    """What can be chosen: the components of the status page, by public id, with their names."""
    return {
        public_id("component", key): service.name or key
        for key, service in policy.services.items()
        if service.public
    }

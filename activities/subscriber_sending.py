"""How a subscriber gets a message: mail for many in one call, text messages, signed posts; or a file.

What became of each is an outcome of the ledger (`records/subscribers.py`). Nothing here repeats anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, cast

import structlog

from activities.channels.base import AnswerLostError, Channel, Outgoing, Receipt
from activities.channels.mail_headers import BulkMail
from activities.channels.outbox import Outbox
from activities.channels.refusals import from_egress, from_status
from activities.channels.shortening import fitted
from activities.channels.sms import MAX_CHARS
from activities.egress import Egress, EgressError, Fetched
from activities.mailing import Mailer, send_to_many
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import DeliveryState
from domain.subscribers import Subscriber, SubscriberKind, Told
from domain.webhook_signing import message_id, signed_headers
from records.subscribers import Outcome

AT_ONCE = 50
SECONDS = 10.0
"""For one message that is no mail."""
log = structlog.get_logger(__name__)


class Links(Protocol):
    """The ways in for one subscriber, by their id."""

    def confirm(self, id_: str, at: datetime) -> str:
        """Good for 48 hours from `at`."""
        ...

    def manage(self, id_: str) -> str: ...
    def leave(self, id_: str) -> str:
        """Takes RFC 8058's one-click request."""
        ...

    def secret(self, id_: str) -> str:
        """What a webhook verifies our posts with: `whsec_…`."""
        ...


class Parcel(NamedTuple):
    """A message for one subscriber."""

    subscriber: Subscriber
    message: Outgoing


class SubscriberSending:
    """Sends.

    Args:
        mode: `outbox` writes files only; `live` sends.
        channels: by name; its own, so that nobody who is paged waits behind subscribers.
        egress: for webhooks, whose addresses anybody may have typed.
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        mode: Literal["outbox", "live"],
        channels: Mapping[str, Channel],
        outbox: Outbox,
        egress: Egress,
        links: Links,
        clock: Callable[[], datetime],
    ) -> None:
        self._mode, self._channels, self._outbox = mode, channels, outbox
        self._egress, self._links, self._clock = egress, links, clock
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="subscribers")

    @property
    def is_live(self) -> bool:
        """Whether anything leaves."""
        return self._mode == "live"

    async def send(self, parcels: Sequence[Parcel]) -> dict[str, Outcome]:
        """Send them; what became of each, by the subscriber's id. Failure is an answer, not an exception."""
        if self._mode == "outbox":
            return await self._as_files(parcels)
        mails = [one for one in parcels if one.subscriber.kind is SubscriberKind.EMAIL]
        others = [one for one in parcels if one.subscriber.kind is not SubscriberKind.EMAIL]
        turn = asyncio.Semaphore(AT_ONCE)
        by_mail, rest = await asyncio.gather(
            self._by_mail(mails),
            asyncio.gather(*(self._in_turn(one, turn) for one in others)),
        )
        return by_mail | dict(rest)

    async def ask(self, parcel: Parcel) -> Fetched:
        """Post to a webhook and read what it answers. Raises EgressError."""
        return await self._posted(parcel, reads_answer=True)

    async def _by_mail(self, parcels: Sequence[Parcel]) -> dict[str, Outcome]:
        if not parcels:
            return {}
        channel = self._channels.get("email")
        if channel is None or not channel.is_configured:
            missing = Outcome(Told.FAILED, DeliveryReason.NOT_CONFIGURED.value)
            return {one.subscriber.id: missing for one in parcels}
        mails = [cast("BulkMail", one.message) for one in parcels]
        try:
            sent = await send_to_many(cast("Mailer", channel), mails)
        except Exception:
            # Whatever a vendor's client raises: nobody knows who has it, so nobody gets it again.
            log.exception("subscriber mail failed", count=len(mails))
            return {one.subscriber.id: Outcome(Told.UNCERTAIN, "fault") for one in parcels}
        return {one.subscriber.id: outcome_of(sent[one.message.key]) for one in parcels}

    async def _in_turn(self, parcel: Parcel, turn: asyncio.Semaphore) -> tuple[str, Outcome]:
        async with turn:
            try:
                async with asyncio.timeout(SECONDS):
                    outcome = outcome_of(await self._single(parcel))
            except TimeoutError:
                outcome = Outcome(Told.UNCERTAIN, DeliveryReason.TIMED_OUT.value)
            except DeliveryError as error:
                outcome = outcome_of(error)
            except Exception:
                # As with mail: a fault of no known kind may have come after it left.
                log.exception("subscriber message failed", kind=parcel.subscriber.kind)
                outcome = Outcome(Told.UNCERTAIN, "fault")
        return parcel.subscriber.id, outcome

    async def _single(self, parcel: Parcel) -> Receipt:
        if parcel.subscriber.kind is SubscriberKind.WEBHOOK:
            return await self._post(parcel)
        channel = self._channels.get(parcel.subscriber.kind.value)
        if channel is None or not channel.is_configured:
            detail = f"{parcel.subscriber.kind} is not set up"
            raise DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
        return await channel.send(parcel.message)

    async def _post(self, parcel: Parcel) -> Receipt:
        try:
            answer = await self._posted(parcel, reads_answer=False)
        except EgressError as error:
            raise from_egress(error) from None
        if not 200 <= answer.status < 300:
            raise from_status("the webhook", answer.status, answer.headers.get("retry-after"))
        return Receipt()

    async def _posted(self, parcel: Parcel, *, reads_answer: bool) -> Fetched:
        body, at = parcel.message.text.encode(), int(self._clock().timestamp())
        secret = self._links.secret(parcel.subscriber.id)
        headers = signed_headers(secret, message_id(parcel.message.key), at, body)
        headers["Content-Type"] = "application/json"
        return await self._egress.post(
            parcel.subscriber.address, body, headers, reads_answer=reads_answer
        )

    async def _as_files(self, parcels: Sequence[Parcel]) -> dict[str, Outcome]:
        """The files are the messages. Live there are none: fifty thousand would say what the ledger says."""
        written = await asyncio.gather(*(self._write(one.message) for one in parcels))
        sent, failed = (
            Outcome(Told.SENT),
            Outcome(Told.WAITING, DeliveryReason.UNREACHABLE.value),
        )
        return {
            one.subscriber.id: sent if is_written else failed
            for one, is_written in zip(parcels, written, strict=True)
        }

    async def _write(self, message: Outgoing) -> bool:
        message = message.filled() if isinstance(message, BulkMail) else message
        loop, at = asyncio.get_running_loop(), self._clock()
        try:
            await loop.run_in_executor(
                self._threads, self._outbox.write, message, DeliveryState.SENT, at
            )
        except OSError as error:
            log.exception("outbox failed", key=message.key, error=repr(error))
            return False
        return True

    async def aclose(self) -> None:
        """Close what its channels keep open."""
        for channel in self._channels.values():
            await channel.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)


def outcome_of(sent: Receipt | DeliveryError) -> Outcome:
    """As the ledger notes it: what is worth another attempt waits for it."""
    if isinstance(sent, Receipt):
        return Outcome(Told.SENT)
    reason = sent.reason.value
    if isinstance(sent, AnswerLostError):
        return Outcome(Told.UNCERTAIN, reason)
    return Outcome(Told.WAITING if sent.retryable else Told.FAILED, reason)


def as_text_message(subject: str, text: str, last: str) -> tuple[str, str]:
    """Subject and text of a text message that leaves as it is here: its last line is never cut.

    The channel spells out what costs a dearer alphabet, and cuts what is too long by then.
    """
    head, body = (part.replace("…", "...").replace("→", "->") for part in (subject, text))
    return head, fitted(head, body, last, MAX_CHARS, "...")


def as_json(value: Mapping[str, Any]) -> str:
    """A webhook's body."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""The one place through which every message leaves: noted, sent, noted again.

A page that may have gone out goes again: a duplicate beats a miss. A public update that may have
gone out does not: a miss beats a duplicate in public. There it is read back first; where nobody can read
it back it is held, until a person has looked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar

import structlog

from activities.channels import ALIASES
from activities.channels.base import AnswerLostError, Capabilities, Channel, Outgoing, ReadsBack
from activities.channels.outbox import FILE_ONLY, Outbox
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Delivery, DeliveryState
from domain.policy.person import Contact

DEADLINE_SECONDS = 10.0
"""For one message with everything before it. The attempt has 12 s, so that its outcome is reported."""
NOTE_SECONDS = 1.0
"""For one file: a disk that hangs must not hold up a page."""
FILE_SECONDS = 8.0
"""For a file that is the message itself: it is patient, for there is no other way out."""
READING_SHARE = 0.6
"""Of the deadline, for reading back; the rest is for sending where nothing was found."""
_THREADS = 8

Mode = Literal["outbox", "live"]
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Usable(NamedTuple):
    """The contacts that can be used now, and a sentence for each that cannot."""

    contacts: list[tuple[int, Contact]]
    """With their number in the person's list."""
    skipped: list[str]


class Postman:
    """Delivers one message at a time, any number of them at once.

    Args:
        mode: `outbox` writes files only; `live` sends as well.
        channels: by name.
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        mode: Mode,
        channels: Mapping[str, Channel],
        outbox: Outbox,
        clock: Callable[[], datetime],
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.mode = mode
        self.outbox = outbox
        self._channels, self._clock = channels, clock
        self._deadline_seconds = deadline_seconds
        # Its own threads: whatever else blocks must not keep a page from being noted and sent.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="outbox")

    def usable_contacts(self, who: str, contacts: list[Contact], *, pages: bool = True) -> Usable:
        """Which contacts can be used now. Where nothing is really sent, every channel can.

        Args:
            who: for the sentences.
            pages: only channels that are fit to wake somebody. Otherwise, to inform, those that cost
                nothing come first: nobody is rung up for what a mail can say.
        """
        usable: list[tuple[int, Contact]] = []
        skipped: list[str] = []
        for index, contact in enumerate(contacts):
            why = self._barred(contact)
            if not why and self.mode == "live":
                why = self._unusable(contact.channel, pages)
            if why:
                skipped.append(f"contact {index + 1} of {who} is skipped: {why}")
            else:
                usable.append((index, contact))
        if not pages:
            usable.sort(key=lambda entry: self._is_paid(entry[1].channel))
        return Usable(usable, skipped)

    def capabilities(self) -> dict[str, Capabilities]:
        """What each channel that can be used here is able to do, by the names that contacts use."""
        found = {
            name: channel.capabilities
            for name, channel in self._channels.items()
            if self.mode == "outbox" or channel.is_configured
        }
        return found | {name: found[of] for name, of in ALIASES.items() if of in found}

    def form_of(self, name: str) -> str:
        """Which form of an update's text a channel carries: `full`, `chat` or `short`."""
        channel = self._of_name(name)
        return channel.capabilities.form if channel is not None else "full"

    async def aclose(self) -> None:
        """Close the channels, at the end of a worker."""
        for channel in self._channels.values():
            await channel.aclose()

    async def deliver(self, message: Outgoing) -> Delivery:
        """Deliver it unless it has been. Failure is an answer, not an exception."""
        notes: list[str] = []
        begun: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._deadline_seconds):
                settled = await self._look_back(message, notes)
                if settled is not None:
                    return settled
                begun = asyncio.create_task(self._note_begun(message, notes))
                if not message.may_repeat:
                    await begun
                    if notes:  # nobody could tell afterwards whether the public has it
                        return self._outcome(
                            message, DeliveryState.FAILED, "; ".join(notes),
                            DeliveryReason.UNREACHABLE, True,
                        )  # fmt: skip
                receipt = await self._channel(message).send(message)
        except DeliveryError as error:
            return await self._failed(message, error, notes, begun)
        except TimeoutError:
            detail = f"no answer within {self._deadline_seconds:g} s"
            lost = AnswerLostError(DeliveryReason.TIMED_OUT, detail)
            return await self._failed(message, lost, notes, begun)
        except Exception as error:
            # Whatever a vendor's client raises: the message must not be lost with it.
            log.exception("channel failed", channel=message.channel, key=message.key)
            detail = f"{type(error).__name__} in channel {message.channel}"
            return await self._failed(message, self._unknown(message, detail), notes, begun)
        await begun
        notes += [_without_address(receipt.detail, message)] if receipt.detail else []
        await self._note_outcome(message, DeliveryState.SENT, notes)
        sent = self._outcome(message, DeliveryState.SENT, "; ".join(notes))
        return sent.model_copy(update={"awaits_receipt": receipt.awaits_receipt})

    async def _look_back(self, message: Outgoing, notes: list[str]) -> Delivery | None:
        """An outcome where an earlier attempt, or the file itself, settles it."""
        try:
            noted = await self._in_thread(lambda: self.outbox.state_of(message))
        except (OSError, TimeoutError) as error:
            noted = None
            notes.append(self._unnoted(message, error))
        if noted is DeliveryState.SENT:
            return self._outcome(message, DeliveryState.SENT, "sent by an earlier attempt")
        if not message.may_repeat:
            if noted is DeliveryState.HELD:
                return self._outcome(message, DeliveryState.HELD, "held by an earlier attempt")
            if noted in (DeliveryState.SENDING, DeliveryState.UNCERTAIN):
                return await self._read_back(message)
        if self.mode == "outbox" or message.channel in FILE_ONLY:
            return await self._as_file(message)
        return None

    async def _note_begun(self, message: Outgoing, notes: list[str]) -> None:
        """Note that it is being sent. A page does not wait for the disk; what is public does."""
        try:
            await self._note(message, DeliveryState.SENDING, "")
        except (OSError, TimeoutError) as error:
            notes.append(self._unnoted(message, error))

    def _channel(self, message: Outgoing) -> Channel:
        channel = self._of_name(message.channel)
        if channel is None or not channel.is_configured:
            detail = f"channel {message.channel} is not configured"
            raise DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
        return channel

    @staticmethod
    def _unknown(message: Outgoing, detail: str) -> DeliveryError:
        """A fault of no known kind: sent again, but not where the public may have it already."""
        if message.may_repeat:
            return DeliveryError(DeliveryReason.SERVER_ERROR, detail, retryable=True)
        return AnswerLostError(DeliveryReason.SERVER_ERROR, detail)

    async def _as_file(self, message: Outgoing) -> Delivery:
        """The file is the message."""
        try:
            await self._note(message, DeliveryState.SENT, "", FILE_SECONDS)
        except (OSError, TimeoutError) as error:
            detail = self._unnoted(message, error)
            return self._outcome(
                message, DeliveryState.FAILED, detail, DeliveryReason.UNREACHABLE, True
            )
        return self._outcome(message, DeliveryState.SENT)

    async def _read_back(self, message: Outgoing) -> Delivery | None:
        """An earlier attempt ended without an answer: look whether the public has it.

        Returns:
            None where it is certain that it has not: then it is sent.
        """
        began = "an earlier attempt ended without an answer"
        channel = self._of_name(message.channel)
        if not isinstance(channel, ReadsBack):
            return await self._hold(
                message, f"{began}, and {message.channel} cannot be asked what it has"
            )
        try:
            async with asyncio.timeout(self._deadline_seconds * READING_SHARE):
                found = await channel.find(message)
        except DeliveryError as error:
            if error.reason is DeliveryReason.RATE_LIMITED:  # it will tell, only not now
                return self._outcome(
                    message, DeliveryState.UNCERTAIN, error.detail, error.reason, True,
                    error.retry_after_seconds,
                )  # fmt: skip
            return await self._hold(message, f"{began}; reading back: {error.detail}", error.reason)
        except TimeoutError:
            return await self._hold(message, f"{began}, and reading back took too long")
        except Exception as error:
            log.exception("reading back failed", channel=message.channel, key=message.key)
            return await self._hold(message, f"{began}; reading back: {type(error).__name__}")
        if found is None:
            return None
        notes = ["read back: it is out", *([found.detail] if found.detail else [])]
        await self._note_outcome(message, DeliveryState.SENT, notes)
        return self._outcome(message, DeliveryState.SENT, "; ".join(notes))

    async def _hold(
        self, message: Outgoing, detail: str, reason: DeliveryReason = DeliveryReason.TIMED_OUT
    ) -> Delivery:
        """Nobody knows whether the public has it: a person looks, and nothing is sent until then."""
        notes = [_without_address(detail, message)]
        await self._note_outcome(message, DeliveryState.HELD, notes)
        return self._outcome(message, DeliveryState.HELD, "; ".join(notes), reason)

    async def _failed(
        self,
        message: Outgoing,
        error: DeliveryError,
        notes: list[str],
        begun: asyncio.Task[None] | None,
    ) -> Delivery:
        if begun is not None:
            await begun  # the outcome is noted last
        is_lost = isinstance(error, AnswerLostError)
        if is_lost and not message.may_repeat and not self._reads_back(message):
            return await self._hold(message, "; ".join([error.detail, *notes]), error.reason)
        state = DeliveryState.UNCERTAIN if is_lost else DeliveryState.FAILED
        notes = [_without_address(error.detail, message), *notes]
        await self._note_outcome(message, state, notes)
        return self._outcome(
            message,
            state,
            "; ".join(notes),
            error.reason,
            retryable=error.retryable,
            retry_after_seconds=error.retry_after_seconds,
        )

    async def _note_outcome(
        self, message: Outgoing, state: DeliveryState, notes: list[str]
    ) -> None:
        """Note what became of it; that this fails changes nothing about what became of it."""
        try:
            await self._note(message, state, "; ".join(notes))
        except (OSError, TimeoutError) as error:
            notes.append(self._unnoted(message, error))

    async def _note(
        self, message: Outgoing, state: DeliveryState, detail: str, seconds: float | None = None
    ) -> None:
        at = self._clock()
        await self._in_thread(lambda: self.outbox.write(message, state, at, detail), seconds)

    async def _in_thread(self, work: Callable[[], T], seconds: float | None = None) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        return await asyncio.wait_for(running, seconds or NOTE_SECONDS)

    def _unnoted(self, message: Outgoing, error: Exception) -> str:
        log.error("outbox failed", key=message.key, error=repr(error))
        return f"the outbox could not be used: {type(error).__name__}"

    def _of_name(self, name: str) -> Channel | None:
        return self._channels.get(ALIASES.get(name, name))

    def _reads_back(self, message: Outgoing) -> bool:
        return isinstance(self._of_name(message.channel), ReadsBack)

    def _is_paid(self, name: str) -> bool:
        channel = self._of_name(name)
        return channel is not None and channel.capabilities.is_paid

    @staticmethod
    def _barred(contact: Contact) -> str:
        """Why the contact may never be used, whatever the severity."""
        if not contact.verified:
            return f"the person has not confirmed this {contact.channel} contact (verified: false)"
        if not contact.enabled:
            return f"this {contact.channel} contact is switched off (enabled: false)"
        return ""

    def _unusable(self, name: str, pages: bool) -> str:
        channel = self._of_name(name)
        if channel is None:
            return f"this Tocsin has no channel {name}"
        if not channel.is_configured:
            return f"channel {name} is not configured"
        if pages and not channel.capabilities.pages:
            return f"channel {name} is not fit for pages"
        return ""

    def _outcome(
        self,
        message: Outgoing,
        state: DeliveryState,
        detail: str = "",
        reason: DeliveryReason | None = None,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
    ) -> Delivery:
        return Delivery(
            key=message.key,
            recipient=message.recipient,
            channel=message.channel,
            state=state,
            reason=reason.value if reason else None,
            detail=detail[:500],
            retryable=retryable,
            retry_after_seconds=retry_after_seconds,
            at=self._clock(),
        )


def _without_address(detail: str, message: Outgoing) -> str:
    """A vendor's sentence without the address it repeats: details are kept in histories and shown."""
    address = message.to.strip()
    return detail.replace(address, "the address") if len(address) > 3 else detail

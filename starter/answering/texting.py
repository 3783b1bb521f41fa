"""Answers by text message: who wrote, what they ask, which incidents they were paged for, what they hear."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from domain.access.tokens import answering
from domain.policy.model import Policy
from records.database import RecordsUnavailableError
from starter.access.signing import acting
from starter.answering.acting import Answering, Outcome, Result
from starter.answering.limits import Allowance
from starter.answering.wishes import HELP_TEXT, Asked, Wish, read_wish
from starter.gateway import Gateway, is_incident_id
from starter.security import PageRef
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError, RefusedError

VIA = "sms"
LATELY = timedelta(hours=24)
"""How long back a reply may mean a page; open incidents count whatever their age."""
NUMBERED_CHANNELS = ("sms", "voice")
HELPS_AN_HOUR = 5
"""Replies to junk, for each number: two machines must not write to each other for ever."""
LISTED = 5
OPEN = ("raised", "fixing")
_NOT_DIGITS = re.compile(r"[^0-9+]")
log = structlog.get_logger(__name__)


class Paged(NamedTuple):
    """One incident that a person was paged for, with their last page of it."""

    id: str
    number: int
    status: str
    severity: str
    summary: str
    manager: str | None
    page: PageRef
    channel: str
    has_failed: bool
    """Whether this page is known not to have reached them."""
    bundle: str | None
    """The message that named several incidents, where it was one."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def sender_of(policy: Policy, number: str) -> str | None:
    """Whose number it is; None where it is nobody's, or not exactly one person's.

    A contact that is switched off still says who writes; one that was never verified does not.
    """
    wanted = _plain(number)
    found = {
        person
        for person, about in policy.people.items()
        for contact in about.contacts
        if contact.channel in NUMBERED_CHANNELS
        and contact.verified
        and wanted
        and _plain(contact.to) == wanted
    }
    return found.pop() if len(found) == 1 else None


def _plain(number: str) -> str:
    return _NOT_DIGITS.sub("", number)


class Texting:
    """The conversation with people who reply by text message.

    Args:
        policy: the policy in force now.
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        answering: Answering,
        gateway: Gateway,
        policy: Callable[[], Policy],
        clock: Callable[[], datetime],
    ) -> None:
        self._answering, self._gateway = answering, gateway
        self._policy, self._clock = policy, clock
        self._helps = Allowance(HELPS_AN_HOUR, 3600.0)

    async def reply(self, person: str, number: str, text: str, message_id: str) -> str:
        """What the person gets back; empty for nothing. Never raises."""
        asked = read_wish(text)
        match asked.wish:
            case Wish.STOP | Wish.START:
                return await self._switch(person, asked.wish is Wish.START)
            case Wish.HELP:
                return HELP_TEXT
            case Wish.JUNK:
                return HELP_TEXT if self._helps.take(_plain(number)) else ""
        try:
            paged = await self._paged(person)
        except RecordsUnavailableError:
            return await self._without_records(person, asked, message_id)
        return await self._about_incidents(person, asked, paged, message_id)

    async def _about_incidents(
        self, person: str, asked: Asked, paged: list[Paged], message_id: str
    ) -> str:
        if asked.wish is Wish.STATUS:
            return _status(paged)
        if asked.wish is Wish.ACK_ALL:
            return await self._all(paged)
        meant = _meant(asked.which, paged)
        if len(meant) > 1:
            ids = ", ".join(one.id for one in meant)
            said = f"{asked.which} is not clear" if asked.which else "That page named several"
            is_ack = asked.wish is Wish.ACK
            do = "ACK with the whole id, or ACK ALL" if is_ack else "ESCALATE with the whole id"
            return f"{said}: you were paged for {ids}. Reply {do}."
        if meant:
            return await self._act(asked.wish, meant[0])
        if asked.wish is Wish.ACK and is_incident_id(asked.which):
            return await self._unpaged(person, asked.which, message_id)
        return _none_meant(asked.which, paged)

    async def _act(self, wish: Wish, one: Paged) -> str:
        if wish is Wish.ESCALATE:
            result = await self._answering.escalate(one.page, VIA)
            return _said(one.id, result, f"{one.id} is escalated to {result.detail}.")
        result = await self._answering.acknowledge(one.page, VIA)
        return _said(one.id, result, f"Acknowledged {one.id} {one.severity}: {one.summary}")

    async def _all(self, paged: list[Paged]) -> str:
        wanted = [one for one in paged if one.is_open]
        if not wanted:
            return "You were paged for no incident that is still open."
        # All at once: the vendor waits for 15 s, and each may take two.
        said = await asyncio.gather(*(self._act(Wish.ACK, one) for one in wanted))
        return "\n".join(said)

    async def _unpaged(self, person: str, incident_id: str, message_id: str) -> str:
        key = f"answer/sms/{message_id}"
        result = await self._answering.acknowledge_unpaged(incident_id, person, VIA, key)
        return _said(incident_id, result, f"Acknowledged {incident_id}.")

    async def _without_records(self, person: str, asked: Asked, message_id: str) -> str:
        """The records say who was paged for what; a whole id needs none."""
        if asked.wish is Wish.ACK and is_incident_id(asked.which):
            return await self._unpaged(person, asked.which, message_id)
        return (
            "Not done: the records that say what you were paged for do not answer. Reply with the whole "
            "id, such as ACK checkout-17."
        )

    async def _switch(self, person: str, enabled: bool) -> str:
        word = "START" if enabled else "STOP"
        try:
            with acting(answering(person, "sms")):
                await self._gateway.set_contact(person, "sms", enabled)
        except (GatewayUnavailableError, NotAnsweredError, RefusedError) as error:
            log.warning("a contact could not be switched", person=person, word=word, why=str(error))
            return f"Not done: Tocsin could not keep it. Send {word} again in a minute."
        log.info("contact switched by text message", person=person, channel="sms", enabled=enabled)
        if enabled:
            return "You are paged by text message again."
        contacts = self._policy().people[person].contacts
        others = [c.channel for c in contacts if c.channel != "sms" and c.enabled and c.verified]
        if not others:
            return (
                "No more text messages. You have no other contact: NOBODY CAN PAGE YOU. "
                "Send START to undo it."
            )
        return f"No more text messages; you are paged by {', '.join(others)}. START undoes it."

    async def _paged(self, person: str) -> list[Paged]:
        records = self._gateway.records
        since = self._clock() - LATELY
        rows = await records.read_if_up(records.reader.pages_to, person, since)
        found: dict[str, Paged] = {}
        for row in rows:
            one = _as_paged(person, row)
            first = found.setdefault(one.id, one)
            # Their last page counts, but one that failed says nothing of what they have read.
            if first.has_failed and not one.has_failed:
                found[one.id] = one
        return list(found.values())


def _as_paged(person: str, row: dict[str, Any]) -> Paged:
    return Paged(
        id=row["incident_id"],
        number=row["number"],
        status=row["status"],
        severity=row["severity"],
        summary=row["summary"],
        manager=row["incident_manager"],
        page=PageRef(row["incident_id"], person, row["key"]),
        channel=row["channel"],
        has_failed=row["state"] == "failed",
        bundle=row["bundle"],
    )


def _meant(which: str, paged: list[Paged]) -> list[Paged]:
    """The incidents that a reply may mean: without a name that of the last page."""
    if not which:
        # Whoever replies to a text message means the last one there, and none that never arrived.
        arrived = [one for one in paged if not one.has_failed] or paged
        texts = [one for one in arrived if one.channel == "sms"] or arrived
        bundle = texts[0].bundle if texts else None
        # One message may have named several incidents.
        return [one for one in texts if one.bundle == bundle] if bundle else texts[:1]
    if not which.isdigit():
        return [one for one in paged if one.id == which]
    fits = [one for one in paged if one.number == int(which)]
    # An open one is meant rather than one of yesterday that happens to have the same number.
    return [one for one in fits if one.is_open] or fits


def _none_meant(which: str, paged: list[Paged]) -> str:
    if not paged:
        return "You were not paged in the last 24 hours: there is nothing to answer."
    ids = ", ".join(one.id for one in paged[:LISTED])
    return f"You were not paged for {which}. You were paged for {ids}."


def _status(paged: list[Paged]) -> str:
    lines = [
        f"{one.id} {one.severity} {one.status}, "
        f"{f'{one.manager} has it' if one.manager else 'nobody has it'}: {one.summary[:60]}"
        for one in paged
        if one.is_open
    ]
    more = f"\n… and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    return "\n".join(lines[:LISTED]) + more or "You were paged for no incident that is still open."


def _said(incident_id: str, result: Result, done: str) -> str:
    """What came of it, in one line."""
    standing = result.standing
    at = f" at {standing.at[11:16]} UTC" if standing.at else ""
    match result.outcome:
        case Outcome.DONE:
            return done
        case Outcome.ACCEPTED:
            return f"{incident_id}: kept, and done as soon as a worker is up."
        case Outcome.YOURS:
            return f"{incident_id}: already acknowledged by you{at}."
        case Outcome.TAKEN:
            return f"{incident_id}: already acknowledged by {standing.by}{at}. Nothing changed."
        case Outcome.ENDED:
            return f"{incident_id}: nobody is asked any more ({standing.why})."
        case Outcome.UNAVAILABLE:
            return f"{incident_id}: NOT done, Tocsin could not keep it. Send it again."
        case _:
            return f"{incident_id}: not done: {result.detail or standing.why}"

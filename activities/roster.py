"""The roster's hands: its copy in the data folder, the judgement of a change, and the calendar feeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import httpx2
import structlog
from temporalio import activity

from activities.looking_up import why
from activities.policy import trust_of
from domain.errors import IncidentError
from domain.policy.model import Policy
from domain.roster import RosterCopy
from domain.roster_changes import parse_change
from domain.roster_judging import Judged, judge, refused
from records.calendar_feeds import MAX_BYTES, names_for, read_calendar, span_of_feed
from records.policy_store import PolicyStore
from workflows import contract

FEED_SECONDS = 10.0
"""For one feed, from connecting to the last byte; a slow drip is no calendar."""
MAX_REDIRECTS = 3
TOGETHER = 8
log = structlog.get_logger(__name__)


class FeedError(Exception):
    """A feed cannot be read, in words for people."""


class RosterActivities:
    """What the workflow `Roster` cannot do itself.

    Args:
        environment: where `env:NAME` of a calendar's address is looked up.
        clock: the time now, in UTC.
        transport: how feeds are fetched; left out: over the network.
        actor_keys: the public keys of this host's own API, by id.
    """

    def __init__(
        self,
        policies: PolicyStore,
        environment: Mapping[str, str],
        clock: Callable[[], datetime],
        transport: httpx2.AsyncBaseTransport | None = None,
        actor_keys: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._policies, self._environment, self._clock = policies, environment, clock
        self._transport = transport
        self._actor_keys = actor_keys

    @activity.defn(name="judge_roster")
    async def judge_roster(self, request: contract.JudgeChange) -> Judged:
        """Whether a change can be done, by the policy in force; a refusal is an answer.

        Raises:
            PolicyError: there is no policy at all. Retried.
        """
        return await asyncio.to_thread(self._judge, request)

    def _judge(self, request: contract.JudgeChange) -> Judged:
        policy = self._policies.base()
        try:
            change, actor, _ = parse_change(request.name, request.body)
            judged = judge(change, actor, policy, request.entries, request.at, request.contacts)
        except IncidentError as error:
            return refused(error)
        return judged.model_copy(update={"trust": trust_of(policy.access, self._actor_keys)})

    @activity.defn(name="read_roster")
    async def read_roster(self) -> RosterCopy:
        """The copy in the data folder; a damaged one counts as none, and is kept aside when replaced.

        Raises:
            OSError: it cannot be read. Retried.
        """
        try:
            return await asyncio.to_thread(self._policies.files.roster)
        except ValueError as error:
            log.warning("the roster's copy is damaged: it starts empty", reason=why(error))
            return RosterCopy()

    @activity.defn(name="write_roster")
    async def write_roster(self, copy: RosterCopy) -> int:
        """Replace the copy; answer the version that is there then.

        Raises:
            OSError: it cannot be written. Retried.
        """
        return await asyncio.to_thread(self._policies.files.write_roster, copy)

    @activity.defn(name="refresh_calendars")
    async def refresh_calendars(self) -> list[contract.FeedState]:
        """Read every feed of the policy; one that fails leaves its last good copy in force.

        Raises:
            PolicyError, OSError: no policy, or no room for the copies. Retried.
        """
        policy = self._policies.version(self._policies.current()[0])
        slots = asyncio.Semaphore(TOGETHER)
        named = {
            name: schedule.calendar.url
            for name, schedule in policy.schedules.items()
            if schedule.calendar is not None and schedule.calendar.url is not None
        }
        texts = await self._fetch_all(set(named.values()), slots)
        faults: dict[str, str] = {}
        for name, reference in named.items():
            found = texts[reference]
            try:
                if isinstance(found, FeedError):
                    raise found
                await asyncio.to_thread(self._try, policy, name, found)
            except (FeedError, ValueError) as error:
                faults[name] = str(error)
                log.warning("calendar feed", schedule=name, reason=str(error))
            else:
                await asyncio.to_thread(self._policies.files.keep_text, reference, found)
        files = self._policies.files
        await asyncio.to_thread(files.derive, policy, self._clock(), faults)
        copies = await asyncio.to_thread(files.feeds) if named else {}
        return [
            contract.FeedState(
                schedule=name,
                fault=faults.get(name),
                shifts=len(copies[name].shifts) if name in copies else 0,
                strangers=copies[name].strangers if name in copies else [],
            )
            for name in named
        ]

    def _try(self, policy: Policy, name: str, data: bytes) -> None:
        """Refuse what is no calendar before it replaces a good copy. Raises ValueError."""
        schedule = policy.schedules[name]
        mapping = schedule.calendar.people if schedule.calendar else {}
        names, zone = names_for(policy, mapping), ZoneInfo(schedule.timezone)
        read_calendar(data, names, zone, *span_of_feed(self._clock()))

    async def _fetch_all(
        self, references: set[str], slots: asyncio.Semaphore
    ) -> dict[str, bytes | FeedError]:
        async def one(reference: str) -> bytes | FeedError:
            async with slots:
                try:
                    async with asyncio.timeout(FEED_SECONDS):
                        return await self._fetch(self._address(reference))
                except TimeoutError:
                    return FeedError(f"no whole answer within {FEED_SECONDS:.0f} s")
                except FeedError as error:
                    return error

        listed = sorted(references)
        found = await asyncio.gather(*(one(reference) for reference in listed))
        return dict(zip(listed, found, strict=True))

    def _address(self, reference: str) -> str:
        """The address that a policy refers to. Raises FeedError."""
        kind, _, name = reference.partition(":")
        address = reference
        if kind == "env":
            address = self._environment.get(name, "").strip()
        elif kind == "file":
            try:
                address = Path(name).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise FeedError(f"the file with its address cannot be read: {why(error)}") from None
        if not address:
            raise FeedError(f"its address {reference} is not set")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FeedError("its address is none: it begins with http:// or https://")
        return address

    async def _fetch(self, address: str) -> bytes:
        """One feed, bounded in time and size, and never from another host. Raises FeedError."""
        timeout = httpx2.Timeout(FEED_SECONDS)
        async with httpx2.AsyncClient(
            timeout=timeout, follow_redirects=False, transport=self._transport
        ) as client:
            for _ in range(MAX_REDIRECTS + 1):
                try:
                    async with client.stream("GET", address) as response:
                        if response.is_redirect:
                            address = _same_host(address, response.headers.get("location", ""))
                            continue
                        if response.status_code != 200:
                            raise FeedError(f"it answered {response.status_code}")
                        return await _bounded(response)
                except httpx2.TimeoutException:
                    raise FeedError(f"no answer within {FEED_SECONDS:.0f} s") from None
                except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                    # The address may be secret: what the library says of it stays here.
                    raise FeedError(f"it cannot be reached ({type(error).__name__})") from None
        raise FeedError(f"it redirects more than {MAX_REDIRECTS} times")


def _same_host(address: str, location: str) -> str:
    target = urljoin(address, location)
    here, there = urlsplit(address), urlsplit(target)
    if there.hostname != here.hostname or there.scheme not in ("http", "https"):
        raise FeedError("it redirects to another host, which is not followed")
    if here.scheme == "https" and there.scheme == "http":
        raise FeedError("it redirects from https to http, which is not followed")
    return target


async def _bounded(response: httpx2.Response) -> bytes:
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > MAX_BYTES:
            raise FeedError(f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
    return bytes(data)

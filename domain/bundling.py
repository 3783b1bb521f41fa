"""Not too much for one person: what of their later pages goes out now, as one message, and what waits.

The first page of an incident to a person never comes here. Nothing is dropped: what is over a contact's
limit waits and goes with the next message that may leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel

from domain.durations import Duration
from domain.messages import SendPage
from domain.policy.throttle import OTHERS, Throttle, default_throttles
from domain.priority import rank_key
from domain.wall_clock import Instant

LATE_WINDOW = timedelta(seconds=5)
"""Late pages wait no longer for each other: after an outage all incidents wake within seconds."""
GATHER = timedelta(seconds=2)
"""Later pages of one incident alone wait this long, in case others come; then they go as its policy says."""
MAX_BUNDLE = 200
"""Incidents in one message; each leaves a file of its own, and the attempt has ten seconds."""


class PagingLimits(BaseModel):
    """What the policy says of one person's messages, as the incident that pages has it pinned."""

    window: Duration = timedelta(seconds=30)
    throttles: dict[str, list[Throttle]] = {}

    def of_channel(self, channel: str) -> list[Throttle]:
        """The throttles of a channel, or those of all channels that have none of their own."""
        known = self.throttles or default_throttles()
        return known.get(channel, known.get(OTHERS, []))


class HandedPage(BaseModel):
    """A later page, as an incident hands it over."""

    page: SendPage
    priority: str
    raised_at: Instant
    summary: str = ""
    service_name: str = ""
    url: str = ""
    late: bool = False
    at_once: bool = False
    """Another contact of the person has failed: it does not wait for others."""
    handed_at: Instant | None = None
    """By the incident's clock: a page may be taken back and handed over again under the same key."""
    limits: PagingLimits = PagingLimits()


class Waiting(HandedPage):
    """A later page that has not left."""

    enqueued_at: Instant
    attempts: int = 0
    not_before: Instant | None = None
    """After a failed attempt: when it is tried again."""
    bundle: str | None = None
    """The message under way that holds it."""
    promised: Instant | None = None
    """When its incident was told that it goes out."""
    is_withdrawn: bool = False
    """Acknowledged while it was leaving: it is not tried again."""

    @property
    def id(self) -> str:
        return self.page.incident_id

    @property
    def severity(self) -> str:
        return self.page.severity

    @property
    def lane(self) -> str:
        """The contact it goes to: `sms-0`."""
        return f"{self.page.channel}-{self.page.contact}"

    def ready_at(self, window: timedelta) -> datetime:
        """When it has waited long enough for others to join it."""
        if self.not_before is not None:
            return self.not_before
        if self.at_once:
            return self.enqueued_at
        return self.enqueued_at + (min(window, LATE_WINDOW) if self.late else window)


class Bundle(BaseModel):
    """Pages that leave as one message; a single one leaves as it is."""

    lane: str
    pages: list[Waiting]
    """First in rank first."""


class Hold(BaseModel):
    """A page that waits: until when, and whether for the contact's limit."""

    until: datetime
    is_throttled: bool = False


class Plan(BaseModel):
    """What is to be done now, and when to look again."""

    send: list[Bundle] = []
    holds: dict[str, Hold] = {}
    """By the page's key."""
    look_at: datetime | None = None


def plan(
    waiting: Iterable[Waiting],
    sent: Mapping[str, Sequence[datetime]],
    limits: PagingLimits,
    now: datetime,
    *,
    is_alone: bool = False,
    is_throttled: bool = True,
) -> Plan:
    """Decide what of the waiting pages goes out at `now`.

    Args:
        sent: when messages left, oldest first, by lane.
        is_alone: one incident only pages this person: there is little to wait for.
        is_throttled: False where it has been so for as long as throttles look back. Its escalation
            policy sets the pace then, as somebody wrote it; throttles are against many.
    """
    if is_alone:
        limits = limits.model_copy(update={"window": min(limits.window, GATHER)})
    if not is_throttled:
        sent = {}
    lanes: dict[str, list[Waiting]] = {}
    for page in waiting:
        if page.bundle is None:
            lanes.setdefault(page.lane, []).append(page)
    decided = Plan()
    for lane, pages in lanes.items():
        pages.sort(key=rank_key)
        ready = min(page.ready_at(limits.window) for page in pages)
        free = free_at(sent.get(lane, ()), limits.of_channel(pages[0].page.channel), now)
        if any(page.page.is_first for page in pages):
            free = now  # late, but still the first of its incident to this person
        goes_at = max(ready, free)
        if goes_at <= now:
            decided.send.append(Bundle(lane=lane, pages=pages[:MAX_BUNDLE]))
            pages = pages[MAX_BUNDLE:]
        if pages:
            # One that is too many for this message is looked at again once this one counts.
            goes_at = max(goes_at, now + timedelta(seconds=1))
            hold = Hold(until=goes_at, is_throttled=free > max(ready, now))
            decided.holds |= {page.page.key: hold for page in pages}
            decided.look_at = min(decided.look_at or goes_at, goes_at)
    return decided


def free_at(sent: Sequence[datetime], throttles: Iterable[Throttle], now: datetime) -> datetime:
    """The first instant from `now` on at which one more message is within every limit."""
    free = now
    for throttle in throttles:
        if len(sent) >= throttle.count:
            free = max(free, sent[-throttle.count] + throttle.per)
    return free


def longest(throttles: Iterable[Throttle]) -> tuple[int, timedelta]:
    """How many sends, and how far back, the throttles ever look."""
    every = list(throttles)
    count = max((throttle.count for throttle in every), default=0)
    return count, max((throttle.per for throttle in every), default=timedelta(0))

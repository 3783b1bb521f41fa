"""The pages that wait for one person, as the entity of that person holds them.

It takes pages from incidents, says of each until when it waits and what became of it, and forgets those
that are withdrawn. Signals come at least once and in any order: a key that was settled or withdrawn is
remembered, and is not sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel

from domain.aggregate import next_page_try
from domain.bundling import (
    GATHER,
    Bundle,
    HandedPage,
    PagingLimits,
    Plan,
    Waiting,
    free_at,
    longest,
    plan,
)
from domain.messages import Delivery, DeliveryState
from domain.policy.throttle import default_throttles
from domain.wall_clock import Instant

MAX_RETRY_AFTER = timedelta(seconds=60)
FULL_TEXTS = 20
"""Pages that are kept with their whole text: with more waiting they leave as one message anyway."""
SETTLED_KEPT = 500
REFUSALS_KEPT = 20
NOTICE_LANE = "notice"
NOTICE_ATTEMPTS = 3
LEFT = (DeliveryState.SENT, DeliveryState.DELIVERED)


class PageOutcome(BaseModel):
    """What an incident hears of a page that it handed over."""

    key: str
    delivery: Delivery | None = None
    attempt: int = 1
    holds_until: datetime | None = None
    """More is said by then; None: this is the end of it."""
    is_throttled: bool = False
    """It waits because the contact has had as many messages as the policy allows."""
    together_with: list[str] = []
    """The other incidents that the message names."""


class Word(BaseModel):
    """An outcome on its way to its incident."""

    incident: str
    outcome: PageOutcome


class RankNotice(BaseModel):
    """Another incident goes first for a person than the one they know of."""

    key: str
    incident: str
    """Whose change of severity or priority it was."""
    first: str
    first_severity: str
    waits: list[str]
    """Ids of what can wait."""
    before: str = ""
    """The incident that went first before: pages that never pass through the entity have said so."""
    at: Instant
    attempts: int = 0


class SendBundle(BaseModel):
    """One attempt at one message with the pages of several incidents. Input of `send_bundle`."""

    bundle: str
    person: str
    channel: str
    contact: int
    pages: list[HandedPage]
    """First in rank first."""
    attempt: int = 1
    at: Instant | None = None
    """Temporal's time now."""


class BundleSent(BaseModel):
    """What became of it: one delivery for each page, under the page's key."""

    deliveries: list[Delivery] = []


class PersonState(BaseModel):
    """Everything that the entity of a person knows."""

    person: str
    limits: PagingLimits = PagingLimits()
    waiting: dict[str, Waiting] = {}
    sent: dict[str, list[datetime]] = {}
    """When messages left, oldest first, by lane."""
    handed: dict[str, datetime] = {}
    """When each incident last handed a page over."""
    settled: dict[str, PageOutcome | None] = {}
    """What was said last; None was withdrawn."""
    withdrawn: dict[str, datetime] = {}
    """When its incident took a page back, by the incident's clock."""
    words: list[Word] = []
    """What incidents have not been told yet."""
    notice: RankNotice | None = None
    told_first: str = ""
    """The incident that the person was last told goes first."""
    bundles: int = 0
    last_at: datetime | None = None
    """When anything last happened."""

    # Taking.

    def take(self, handed: HandedPage, now: datetime) -> None:
        """A page is handed over. One that is here, or was, is not taken twice."""
        key = handed.page.key
        self.limits, self.last_at = handed.limits, now
        since = now - self._looked_back()
        self.handed = {one: at for one, at in self.handed.items() if at > since}
        self.handed[handed.page.incident_id] = now
        if key in self.waiting:
            held = self.waiting[key]
            held.is_withdrawn = held.is_withdrawn and not self._is_new_wish(handed)
            return
        if self._is_new_wish(handed):
            del self.settled[key], self.withdrawn[key]
        if key in self.settled:
            said = self.settled[key]
            if said is not None:
                self.words.append(Word(incident=handed.page.incident_id, outcome=said))
            return
        if len(self.waiting) >= FULL_TEXTS:
            short = handed.page.text.model_copy(
                update={"text": handed.page.text.subject, "html": None}
            )
            page = handed.page.model_copy(update={"text": short})
            handed = handed.model_copy(update={"page": page})
        kept = dict(handed) | {"limits": PagingLimits()}  # the state holds them, once
        self.waiting[key] = Waiting(**kept, enqueued_at=now)

    def withdraw(
        self, incident: str, keys: Sequence[str], now: datetime, said_at: datetime | None = None
    ) -> None:
        """Forget what has not left, of some pages or of all of an incident.

        Args:
            said_at: when the incident took them back, by its clock: one that it has handed over
                again since then stays.
        """
        self.last_at = now
        mine = [key for key, page in self.waiting.items() if page.id == incident]
        for key in keys or mine:
            held = self.waiting.get(key)
            if held is not None and held.handed_at and said_at and said_at < held.handed_at:
                continue
            if held is not None and held.bundle is not None:
                # It is leaving this moment. It is not tried again, and its outcome is told.
                held.not_before = None
                held.is_withdrawn = True
                self._note_withdrawal(key, said_at)
                continue
            self.waiting.pop(key, None)
            if self.settled.get(key) is None:  # what has left keeps its outcome
                self._settle(key, None)
                self._note_withdrawal(key, said_at)

    def offer(self, notice: RankNotice) -> None:
        """The order of this person's incidents has changed; the newest word replaces one that waits."""
        self.last_at = notice.at
        waiting = self.notice
        known = (waiting.before if waiting else notice.before) or self.told_first
        as_known = notice.model_copy(update={"before": known})
        self.notice = None if notice.first == known else as_known

    # Deciding.

    def plan(self, now: datetime) -> Plan:
        """What goes out now. Who waits is told until when."""
        decided = plan(
            self.waiting.values(),
            self.sent,
            self.limits,
            now,
            is_alone=self._is_alone(now, max(self.limits.window, GATHER)),
            is_throttled=not self._is_alone(now, self._looked_back()),
        )
        for key, hold in decided.holds.items():
            held = self.waiting[key]
            if held.promised is not None and held.promised >= hold.until:
                continue
            held.promised = hold.until
            self._tell(
                held,
                PageOutcome(
                    key=key,
                    attempt=held.attempts,
                    holds_until=hold.until,
                    is_throttled=hold.is_throttled,
                ),
            )
        notice_at = self._notice_at(now)
        if notice_at is not None and notice_at > now:
            decided.look_at = min(decided.look_at or notice_at, notice_at)
        return decided

    def begin(self, bundle: Bundle, now: datetime) -> SendBundle:
        """One message is under way."""
        self.bundles += 1
        self.last_at = now
        name = f"{self.person}/{now:%Y%m%dT%H%M%S}-{self.bundles}"
        for page in bundle.pages:
            page.bundle = name
            page.attempts += 1
        self._count(bundle.lane, now)
        ids = [page.id for page in bundle.pages]
        if self.notice is not None and self.notice.first in ids:
            self.notice = None  # this message says it
        self.told_first = ids[0]
        first = bundle.pages[0].page
        return SendBundle(
            bundle=name,
            person=self.person,
            channel=first.channel,
            contact=first.contact,
            pages=[HandedPage.model_validate(page, from_attributes=True) for page in bundle.pages],
            attempt=max(page.attempts for page in bundle.pages),
            at=now,
        )

    def end(self, request: SendBundle, result: BundleSent, began: datetime, now: datetime) -> None:
        """One attempt has ended: who is settled, and who is tried again."""
        self.last_at = now
        said = {delivery.key: delivery for delivery in result.deliveries}
        if not any(d.state in (*LEFT, DeliveryState.UNCERTAIN) for d in said.values()):
            self._uncount(f"{request.channel}-{request.contact}", began)
        ids = list(dict.fromkeys(page.page.incident_id for page in request.pages))
        for handed in request.pages:
            held = self.waiting.get(handed.page.key)
            delivery = said.get(handed.page.key)
            if held is None or delivery is None:
                continue
            others = [one for one in ids if one != held.id]
            outcome = PageOutcome(
                key=delivery.key,
                delivery=delivery,
                attempt=held.attempts,
                together_with=others[:10],
            )
            if delivery.state in LEFT or not delivery.retryable or held.is_withdrawn:
                del self.waiting[delivery.key]
                self._settle(delivery.key, outcome)
            else:
                wait = next_page_try(held.attempts - 1)
                if delivery.retry_after_seconds is not None:
                    asked = timedelta(seconds=delivery.retry_after_seconds)
                    wait = max(wait, min(asked, MAX_RETRY_AFTER))
                held.bundle, held.not_before = None, now + wait
                held.promised = outcome.holds_until = held.not_before
            self._tell(held, outcome)

    def stop(self, request: SendBundle) -> None:
        """A fault of ours kept a message from being attempted: its pages wait again."""
        for handed in request.pages:
            held = self.waiting.get(handed.page.key)
            if held is not None:
                held.bundle = None

    # Word of the order.

    def _notice_at(self, now: datetime) -> datetime | None:
        if self.notice is None:
            return None
        recent = self.sent.get(NOTICE_LANE, [])
        free = free_at(recent, self.limits.of_channel("sms"), now)
        after_last = recent[-1] + self.limits.window if recent else now
        return max(self.notice.at + self.limits.window, free, after_last)

    def take_notice(self, now: datetime) -> RankNotice | None:
        """The word that is due now, if any; it counts as told."""
        at = self._notice_at(now)
        notice = self.notice
        if at is None or at > now or notice is None:
            return None
        self.notice, self.told_first, self.last_at = None, notice.first, now
        self._count(NOTICE_LANE, now)
        return notice

    def notice_ended(self, notice: RankNotice, deliveries: list[Delivery], now: datetime) -> None:
        """The word was attempted; one that failed is tried again a few times, unless a newer one waits."""
        failed = [d for d in deliveries if d.state not in LEFT and d.retryable]
        notice.attempts += 1
        if failed and notice.attempts < NOTICE_ATTEMPTS and self.notice is None:
            self.notice = notice.model_copy(update={"at": now})
            return
        for delivery in deliveries:
            outcome = PageOutcome(key=notice.key, delivery=delivery, attempt=notice.attempts)
            self.words.append(Word(incident=notice.incident, outcome=outcome))

    def _is_alone(self, now: datetime, for_: timedelta) -> bool:
        """Whether one incident only has paged this person for so long."""
        lately = {one for one, at in self.handed.items() if at > now - for_}
        return len(lately | {page.id for page in self.waiting.values()}) <= 1

    def _looked_back(self) -> timedelta:
        """The longest time that any rule looks back."""
        known = self.limits.throttles or default_throttles()
        return max(self.limits.window, GATHER, *(longest(some)[1] for some in known.values()))

    # Telling and forgetting.

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.words or self.notice)

    def _tell(self, held: Waiting, outcome: PageOutcome) -> None:
        self.words.append(Word(incident=held.id, outcome=outcome))

    def _note_withdrawal(self, key: str, said_at: datetime | None) -> None:
        if said_at is not None:
            self.withdrawn[key] = said_at

    def _is_new_wish(self, handed: HandedPage) -> bool:
        """Whether the incident took the page back and has wanted it again since.

        A contact that was due waits its turn again when an earlier one leaves late.
        """
        taken_back = self.withdrawn.get(handed.page.key)
        return taken_back is not None and (handed.handed_at or taken_back) > taken_back

    def _settle(self, key: str, outcome: PageOutcome | None) -> None:
        self.settled[key] = outcome
        self.withdrawn.pop(key, None)
        while len(self.settled) > SETTLED_KEPT:
            oldest = next(iter(self.settled))
            del self.settled[oldest]
            self.withdrawn.pop(oldest, None)

    def _count(self, lane: str, now: datetime) -> None:
        limits = self.limits.of_channel(lane.rpartition("-")[0] or "sms")
        count, per = longest(limits)
        kept = [at for at in self.sent.get(lane, []) if at > now - per]
        self.sent[lane] = [*kept, now][-max(count, 1) :]

    def _uncount(self, lane: str, at: datetime) -> None:
        if at in self.sent.get(lane, []):
            self.sent[lane].remove(at)

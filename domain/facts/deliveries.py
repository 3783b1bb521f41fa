"""Facts about each page: it left, failed, arrived, stayed unconfirmed; and which contact comes next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domain.aggregate import Fact
from domain.durations import format_duration
from domain.escalation import CATCH_ALL, PageRun
from domain.facts.paging import drop_pages, run_of
from domain.incident import Incident
from domain.messages import Delivery, PageText, Purpose
from domain.paged import CONFIRM_WITHIN, AwaitedReceipt, PagedPerson


class PageFact(Fact):
    """Base: what became of one page to one person over one contact."""

    run: str
    person: str
    channel: str
    contact: int = 0
    """Position in the person's plan."""
    round: int = 1
    step: str = ""
    purpose: Purpose = Purpose.PAGE

    def paged(self, incident: Incident) -> PagedPerson | None:
        """The person's plan, unless they have been paged anew since."""
        return run_of(incident, self.run).paged_now(self.person, self.round, self.step)


class PageSent(PageFact):
    """A page left for one person over one contact."""

    attempt: int = 1
    late: bool = False
    together_with: list[str] = []
    """The other incidents that the same message names."""
    deliveries: list[Delivery]

    def sentence(self) -> str:
        tries = f" at attempt {self.attempt}" if self.attempt > 1 else ""
        others = ", ".join(self.together_with)
        bundled = f", in one message with {others}" if others else ""
        late = ", late" if self.late else ""
        return f"Paged {self.person} by {self.channel}{tries}{late}{bundled}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = run_of(incident, self.run)
        run.sent_round = max(run.sent_round, self.round)
        run.first_sent.setdefault(self.person, at)
        run.failing_since, run.is_failing = None, False
        if self.person not in incident.reached:
            incident.reached.append(self.person)
        if self.person not in run.reached:
            run.reached.append(self.person)
        for other in run.people():
            other.sent = other.sent or other.person == self.person
        person = self.paged(incident)
        if person is not None:
            person.arrive(self.contact, at)
        self._drop_needless(incident, person)
        self._await_receipts(incident, at)

    def _drop_needless(self, incident: Incident, person: PagedPerson | None) -> None:
        """One page is enough: only what is planned beside this one, and not yet failed, still goes."""
        beside = range(person.start_of_group(self.contact), person.end_of_group(self.contact) + 1) \
            if person is not None else range(0)  # fmt: skip
        drop_pages(
            incident,
            self.run,
            self.person,
            keep=lambda effect: (
                effect.attempt == 0
                and (effect.input.get("round"), effect.input.get("step")) == (self.round, self.step)
                and effect.input.get("contact") in beside
            ),
        )

    def _await_receipts(self, incident: Incident, at: datetime) -> None:
        for delivery in self.deliveries:
            if delivery.awaits_receipt:
                receipt = AwaitedReceipt(
                    run=self.run, person=self.person, channel=self.channel, contact=self.contact,
                    round=self.round, step=self.step, sent_at=at, confirm_by=at + CONFIRM_WITHIN,
                    bundle=delivery.bundle,
                )  # fmt: skip
                incident.awaits(delivery.key, receipt)


class PageFailed(PageFact):
    """A page did not leave, or its vendor says that it has not arrived."""

    attempt: int = 1
    reason: str
    detail: str = ""
    will_retry: bool
    next_contact: int | None = None
    """Position of the person's contact that is tried now, beside any retry of this one."""
    channels: list[str] = []
    text: PageText | None = None
    late: bool = False
    tells_operator: bool = False
    """Whether the vendor does not know us any more, which only the operator can mend."""
    deliveries: list[Delivery]

    def sentence(self) -> str:
        then = "trying again" if self.will_retry else "not trying this contact again"
        return f"Page to {self.person} by {self.channel} failed ({self.reason}), {then}"

    def data(self) -> dict[str, Any]:
        return {k: v for k, v in super().data().items() if k not in ("text", "channels")}

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = run_of(incident, self.run)
        for delivery in self.deliveries:
            incident.awaited.pop(delivery.key, None)
            incident.early_receipts.pop(delivery.key, None)
        if self.tells_operator:
            incident.refused_channels.append(self.channel)
        person = self.paged(incident)
        if person is None:
            return
        person.fail(self.contact, is_final=not self.will_retry, attempt=self.attempt)
        if not person.sent:
            _not_reached(incident, self.person)
        if self.next_contact is not None:
            person.start(self.next_contact, at)
        if person in run.current:
            _note_failure(run, at)
            self._make_way(run, at)

    def _make_way(self, run: PageRun, at: datetime) -> None:
        """Where nobody of the step can be reached, the next one is due now."""
        waiting = [person for person in run.current if not person.is_quiet]
        is_dead_end = bool(waiting) and all(person.is_unreachable for person in waiting)
        if not is_dead_end or not run.is_active or run.due_at is None:
            return
        if run.step == 0 or run.is_paging_catch_all:
            # What comes next is a new round. If this one reached nobody, more rounds will not either:
            # the catch-all's turn is now, unless it is the catch-all that cannot be reached. While
            # anything is retried the round keeps its time: an outage of a vendor uses no round up.
            is_given_up = all(person.is_given_up for person in waiting)
            if not is_given_up or run.sent_round == self.round or self.step == CATCH_ALL:
                return
            run.round, run.is_paging_catch_all = self.round, True
        run.due_at = min(run.due_at, at)


class PageDelivered(PageFact):
    """The vendor says that a page has arrived."""

    took_seconds: float = 0.0
    """Since it left."""
    deliveries: list[Delivery]

    def sentence(self) -> str:
        return f"Page to {self.person} by {self.channel} arrived"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        for delivery in self.deliveries:
            incident.awaited.pop(delivery.key, None)
            incident.early_receipts.pop(delivery.key, None)


class PageUnconfirmed(PageFact):
    """The vendor took a page, promised a receipt, and has sent none."""

    key: str
    next_contact: int | None = None
    """Position of the person's contact that is tried now."""

    def sentence(self) -> str:
        then = (
            "the next contact is tried" if self.next_contact is not None else "no contact is left"
        )
        waited = format_duration(CONFIRM_WITHIN)
        return f"Page to {self.person} by {self.channel} not confirmed within {waited}: {then}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        receipt = incident.awaited.get(self.key)
        if receipt is not None:
            receipt.confirm_by = None
        person = self.paged(incident)
        if person is None or set(person.arrived) <= {self.contact}:
            _not_reached(incident, self.person)
        if person is not None and self.next_contact is not None:
            person.start(self.next_contact, at)


class ContactDue(PageFact):
    """Somebody who was paged has not answered: their next planned contact goes out."""

    waited_seconds: float
    overtaken: list[str] = []
    """Channels whose time passed while Tocsin could not run."""

    def sentence(self) -> str:
        waited = format_duration(timedelta(seconds=round(self.waited_seconds)))
        passed = f"; overtaken: {', '.join(self.overtaken)}" if self.overtaken else ""
        return f"No answer of {self.person} after {waited}: {self.channel} is next{passed}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        person = self.paged(incident)
        if person is not None:
            person.start(self.contact, at)


class PagingFailed(Fact):
    """Whatever is tried, no page leaves."""

    run: str
    since: datetime
    people: list[str]

    def sentence(self) -> str:
        who = ", ".join(self.people)
        return (
            f"PAGING FAILED: no page to {who} has left since {self.since:%H:%M:%S} UTC; "
            "it is tried again and again, and the operator is told"
        )

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run_of(incident, self.run).is_failing = True


def _not_reached(incident: Incident, person: str) -> None:
    """What left has not arrived: the next contact is a first page again, and waits for no others."""
    incident.reached = [other for other in incident.reached if other != person]
    for run in incident.pages:
        run.reached = [other for other in run.reached if other != person]


def _note_failure(run: PageRun, at: datetime) -> None:
    if run.failing_since is None and not any(person.sent for person in run.current):
        run.failing_since = at

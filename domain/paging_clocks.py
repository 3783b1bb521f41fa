"""Clocks beside the climb: the next contact of a person, receipts, vendors that fail, signs of life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from domain.aggregate import Clock, Deadline, Fact
from domain.escalation import PageRun
from domain.facts import ContactDue, PagingFailed, SignOfLifeAsked, Unacknowledged
from domain.incident import Incident
from domain.page_outcomes import unconfirmed
from domain.paged import AwaitedReceipt, PagedPerson

STEP_FIRST = timedelta(seconds=10)
"""While a step is being resolved, plans of the steps before wait so long: it may page the same people."""
PAGING_FAILED_AFTER = timedelta(seconds=60)
"""Every page has failed for so long: the operator hears of it."""
TOO_OLD = timedelta(days=30)
"""Nobody is asked about an incident that is older. Source: Grafana OnCall's acknowledge reminder."""


class ContactClock(Clock[Incident]):
    """Brings each person's next planned contact, for as long as they have not answered."""

    def deadline(self, subject: Incident) -> Deadline | None:
        waiting = [(at, person) for _, person, at in _waiting(subject)]
        if not waiting:
            return None
        at, person = min(waiting, key=lambda entry: (entry[0], entry[1].person))
        return Deadline(at=at, summary=f"Next contact of {person.person}")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        facts: list[Fact] = []
        for run, person, at in _waiting(subject):
            passed = person.overtaken(now) if at <= now else []
            if passed:
                position = passed[-1]
                # Where nothing has left for them yet, they wait since their step was paged.
                since = run.first_sent.get(person.person) or run.last_paged_at or now
                facts.append(
                    ContactDue(
                        run=run.id, person=person.person, channel=person.channels[position],
                        contact=position, round=person.round, step=person.step,
                        waited_seconds=(now - since).total_seconds(),
                        overtaken=[person.channels[other] for other in passed[:-1]],
                    )
                )  # fmt: skip
        return facts


class ReceiptClock(Clock[Incident]):
    """A page whose vendor promised a receipt and sends none is unconfirmed: the next contact is tried."""

    def deadline(self, subject: Incident) -> Deadline | None:
        waiting = [(at, receipt.person) for _, receipt, at in _unconfirmed(subject)]
        if not waiting:
            return None
        at, person = min(waiting)
        return Deadline(at=at, summary=f"Receipt of the page to {person} due")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        return [
            unconfirmed(subject, key, receipt)
            for key, receipt, at in _unconfirmed(subject)
            if at <= now
        ]


class PagingFailureClock(Clock[Incident]):
    """No page leaves, whatever is tried: said aloud once, until one does."""

    def deadline(self, subject: Incident) -> Deadline | None:
        since = [since for _, since in _failing(subject)]
        if not since:
            return None
        return Deadline(at=min(since) + PAGING_FAILED_AFTER, summary="Say that paging fails")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        return [
            PagingFailed(run=run.id, since=since, people=[p.person for p in run.current])
            for run, since in _failing(subject)
            if since + PAGING_FAILED_AFTER <= now
        ]


class SignOfLifeClock(Clock[Incident]):
    """Acknowledged, and then nobody does anything: a question, and then the page climbs again."""

    def deadline(self, subject: Incident) -> Deadline | None:
        limits = subject.policy.limits.sign_of_life
        last = _last_sign(subject)
        if limits.remind_after is None or last is None:
            return None
        if subject.sign_asked_at is None:
            at, summary = last + limits.remind_after, "Ask for a sign of life"
            return None if at - subject.raised_at > TOO_OLD else Deadline(at=at, summary=summary)
        if limits.unacknowledge_after is None:
            return None
        at = subject.sign_asked_at + limits.unacknowledge_after
        return Deadline(at=at, summary="No sign of life: page again")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        taker = subject.acknowledged_by or subject.incident_manager
        silent = now - (_last_sign(subject) or now)
        if subject.sign_asked_at is None:
            person = taker if taker and subject.is_responder(taker) else subject.incident_manager
            return [SignOfLifeAsked(person=person, silent_seconds=silent.total_seconds())]
        return [Unacknowledged(person=taker, reason="no sign of life, and no answer when asked")]


def _waiting(incident: Incident) -> Iterator[tuple[PageRun, PagedPerson, datetime]]:
    """Everybody with a planned contact to come, and when it does."""
    for run in incident.active_pages():
        for person in run.people():
            if person.next_at is None or person.is_quiet or person.tried >= len(person.channels):
                continue
            held = run.asked_at + STEP_FIRST if run.due_at is None and run.asked_at else None
            yield run, person, max(person.next_at, held) if held else person.next_at


def _unconfirmed(incident: Incident) -> list[tuple[str, AwaitedReceipt, datetime]]:
    """The pages of active runs whose receipts may still come in time."""
    active = {run.id: run for run in incident.active_pages()}
    return [
        (key, receipt, receipt.confirm_by)
        for key, receipt in incident.awaited.items()
        if receipt.confirm_by is not None
        and receipt.run in active
        and receipt.person not in active[receipt.run].acknowledged_by
    ]


def _failing(incident: Incident) -> list[tuple[PageRun, datetime]]:
    return [
        (run, run.failing_since)
        for run in incident.active_pages()
        if run.failing_since is not None and not run.is_failing
    ]


def _last_sign(incident: Incident) -> datetime | None:
    """Since when nobody has done anything; None where nobody has taken it."""
    taken = incident.acknowledged_at
    if taken is None or not incident.may_be_taken_back:
        return None
    return max(taken, incident.last_sign_at or taken)

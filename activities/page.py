"""Paging: who is to be paged now and with which words, and one attempt to page one person.

A contact's number in `PlannedContact.contact` and `SendPage.contact` counts the person's **usable**
contacts: verified, enabled, and of a channel that can page in this installation. Both activities count
alike. Where the policy was changed in between, the contact of that channel is taken, so that a page
still goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from temporalio import activity

from activities.announcing import Announcer
from activities.channels.base import Answer, Outgoing
from activities.contact_plans import About, Planned, plan_targets
from activities.delivery import Postman
from activities.looking_up import PolicySource, RecordsLookUp, why
from activities.wording import page_text
from domain.errors import DeliveryReason
from domain.messages import (
    Announce,
    Announced,
    Delivery,
    DeliveryState,
    PageText,
    Purpose,
    ResolvedPage,
    ResolvePage,
    SendPage,
)
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from domain.policy.person import Contact
from domain.priority import OpenIncident, Rank, rank_among
from domain.working_hours import in_working_hours, next_working_start
from records.database import RecordsUnavailableError
from templates.renderer import Renderer, TemplateFaultError

CATCH_ALL = "catch_all"
log = structlog.get_logger(__name__)


class PageResolving:
    """Read only, quick, and never raises: run as local activities of the workflows' own worker.

    Args:
        clock: the time now, in UTC; only for those who do not say it.
    """

    def __init__(
        self,
        policy: PolicySource,
        records: RecordsLookUp,
        renderer: Renderer,
        postman: Postman,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._records, self._renderer = policy, records, renderer
        self._postman, self._clock = postman, clock

    @activity.defn(name="resolve_page")
    async def resolve_page(self, request: ResolvePage) -> ResolvedPage:
        """Who is on call behind a step's targets now, and what their page says."""
        try:
            return await self._resolve(request)
        except Exception as error:
            # A fault here must not park the incident: the next step and the catch-all get their turn.
            log.exception("resolving a page failed", key=request.key)
            return ResolvedPage(faults=[f"nobody could be looked up: {why(error)}"])

    @activity.defn(name="resolve_test_page")
    async def resolve_test_page(self, person: str) -> ResolvedPage:
        """The test page of one person; it is sent by `send_page` with incident id `test`."""
        try:
            _, policy = self._policy.current()
            about = About(severity="", is_major=True, follows_rules=False)
            planned = self._plan(policy, [f"person:{person}"], about, self._clock())
            text = self._test_text(policy, person)
        except Exception as error:
            log.exception("resolving a test page failed", person=person)
            return ResolvedPage(faults=[f"nobody could be looked up: {why(error)}"])
        return ResolvedPage(
            targets=planned.targets,
            skipped=planned.skipped,
            text=text if planned.targets else None,
        )

    async def _resolve(self, request: ResolvePage) -> ResolvedPage:
        at = request.at or self._clock()
        _, policy = self._policy.current()
        faults: list[str] = []
        if request.wait_for_working_hours:
            hold_until = _hold_until(policy, at, faults)
            if hold_until is not None:
                return ResolvedPage(hold_until=hold_until)
        about = About(
            severity=str(request.incident.get("severity") or ""),
            # Where it is not known how bad it is, nobody's quiet hours hold the page.
            is_major=bool(request.incident.get("major", True)),
        )
        targets, quiet, skipped = self._plan(policy, request.targets, about, at)
        if not targets and quiet:
            who = ", ".join(quiet)
            reason = f"{about.severity} waits for the quiet hours of {who} to end"
            return ResolvedPage(
                hold_until=min(quiet.values()), hold_reason=reason, skipped=skipped, faults=faults
            )
        if not targets:
            return ResolvedPage(skipped=skipped, faults=faults)
        rank = await self._rank(request.incident, faults)
        text, broken = page_text(
            self._renderer,
            request.incident,
            policy.organisation.name,
            rank,
            request.reason,
            request.late,
        )
        return ResolvedPage(
            targets=targets,
            text=text,
            rank=rank.model_dump(mode="json") if rank else None,
            skipped=skipped,
            faults=faults + broken,
        )

    def _plan(self, policy: Policy, names: list[str], about: About, at: datetime) -> Planned:
        expanded = [
            t for name in names for t in (policy.catch_all() if name == CATCH_ALL else [name])
        ]
        people, skipped = resolve_targets(policy, expanded, at)
        planned = plan_targets(policy, self._postman, people, about, at)
        return planned._replace(skipped=[*skipped, *planned.skipped])

    async def _rank(self, incident: Mapping[str, Any], faults: list[str]) -> Rank | None:
        try:
            others = await self._records.open_incidents()
            return rank_among(OpenIncident.model_validate(incident), others)
        except (RecordsUnavailableError, ValueError, TypeError) as error:
            # A page without its rank is a page; a page that waits for the records is none.
            faults.append(f"the rank could not be read from the records: {why(error)}")
            return None

    def _test_text(self, policy: Policy, person: str) -> PageText:
        name = policy.people[person].name if person in policy.people else ""
        organisation, at = policy.organisation.name, self._clock()
        context = {"organisation": organisation, "name": name or person, "at": at, "incident": {}}
        try:
            done = self._renderer.render("test_page", context)
        except TemplateFaultError:
            subject = f"TEST page from {organisation} for {person}"
            return PageText(subject=subject, text=f"{subject}\nNothing is wrong.\n")
        return PageText(subject=done.subject, text=done.text, html=done.html)


class PageSending:
    """The attempt itself: on the queue of the pages, with channels of its own.

    Args:
        answer_for: how a page can be answered from outside; None where it cannot.
    """

    def __init__(
        self,
        policy: PolicySource,
        postman: Postman,
        clock: Callable[[], datetime],
        answer_for: Callable[[SendPage, datetime], Answer | None] | None = None,
    ) -> None:
        self._policy, self._postman, self._clock = policy, postman, clock
        self._answer_for = answer_for

    @activity.defn(name="send_page")
    async def send_page(self, request: SendPage) -> Delivery:
        """Page one person over one contact, whose address is looked up now."""
        try:
            contact = self.contact_for(request)
        except Exception as error:
            log.exception("policy unreadable", key=request.key)
            detail = f"the policy cannot be read: {why(error)}"
            return self._unsent(request, DeliveryReason.SERVER_ERROR, detail, retryable=True)
        if contact is None:
            detail = f"{request.person} has no contact of channel {request.channel} any more"
            return self._unsent(request, DeliveryReason.NO_CONTACT, detail, retryable=False)
        answer, fault = self.answer_to(request)
        delivery = await self._postman.deliver(
            Outgoing(
                key=request.key,
                incident=request.incident_id,
                purpose=Purpose.PAGE,
                channel=contact.channel,
                to=contact.to,
                recipient=f"person:{request.person}",
                subject=request.text.subject,
                text=request.text.text,
                html=request.text.html,
                severity=request.severity,
                answer=answer,
            )
        )
        if not fault:
            return delivery
        notes = "; ".join(filter(None, (delivery.detail, fault)))
        return delivery.model_copy(update={"detail": notes})

    def answer_to(self, request: SendPage) -> tuple[Answer | None, str]:
        """How it can be answered, or why it goes out without: a page without a link is a page."""
        if self._answer_for is None:
            return None, ""
        try:
            return self._answer_for(request, request.at or self._clock()), ""
        except Exception as error:
            log.exception("no answer link could be made", key=request.key)
            return None, f"without a link to acknowledge: {why(error)}"

    def organisation(self) -> str:
        """Its name, as in the policy now. Raises what the policy's source does."""
        return self._policy.current()[1].organisation.name

    def contact_for(self, request: SendPage) -> Contact | None:
        """The contact that is meant, as it is in the policy now. Raises what the policy's source does."""
        _, policy = self._policy.current()
        person = policy.people.get(request.person)
        if person is None:
            return None
        usable = self._postman.usable_contacts(request.person, person.contacts)
        contacts = [contact for _, contact in usable.contacts]
        meant = contacts[request.contact : request.contact + 1]
        of_channel = [c for c in [*meant, *contacts] if c.channel == request.channel]
        return of_channel[0] if of_channel else None

    def _unsent(
        self, request: SendPage, reason: DeliveryReason, detail: str, *, retryable: bool
    ) -> Delivery:
        return Delivery(
            key=request.key,
            recipient=f"person:{request.person}",
            channel=request.channel,
            state=DeliveryState.FAILED,
            reason=reason.value,
            detail=detail,
            retryable=retryable,
            at=self._clock(),
        )


class PagedTelling:
    """Word to everybody else who was paged."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    @activity.defn(name="tell_paged")
    async def tell_paged(self, request: Announce) -> Announced:
        """Tell who was paged that somebody took it."""
        return await self._announcer.announce(request)


def _hold_until(policy: Policy, at: datetime, faults: list[str]) -> datetime | None:
    """When working hours begin, if they have not; hours that cannot be computed hold nothing up."""
    hours, zone = policy.organisation.working_hours, policy.organisation.timezone
    try:
        if in_working_hours(hours, zone, at):
            return None
        begins = next_working_start(hours, zone, at)
    except Exception as error:
        log.warning("working hours failed", exc_info=True)
        faults.append(f"working hours could not be computed: {why(error)}; paged at once")
        return None
    return begins if begins > at else None

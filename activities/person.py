"""The way of later pages: to the entity of their person and back, and out as few messages.

The first page of an incident to a person never comes here. What an entity decides stands in
`domain/bundling.py`; here is what it has carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.channels.base import Outgoing, Part
from activities.delivery import Postman
from activities.looking_up import RecordsLookUp, why
from activities.page import PageSending
from activities.wording import bundle_text
from domain.bundling import HandedPage
from domain.errors import DeliveryReason
from domain.messages import Delivery, DeliveryState, Purpose
from domain.person_pages import BundleSent, SendBundle
from domain.priority import OpenIncident, rank_key
from records.database import RecordsUnavailableError
from templates.renderer import Renderer
from workflows import contract

log = structlog.get_logger(__name__)


class HandingOver:
    """What incidents and the entities of people say to each other; both may not be running."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name="hand_to_person")
    async def hand_to_person(self, request: contract.HandToPerson) -> None:
        """Give a page to the entity of its person, which is started when none runs."""
        await self.signal(request.person, "page", request.handed)

    @activity.defn(name="withdraw_pages")
    async def withdraw_pages(self, request: contract.WithdrawPages) -> None:
        """Take pages back; an entity that is gone has none."""
        handle = self._client.get_workflow_handle(contract.person_id(request.person))
        await _unless_gone(handle.signal("withdraw", request.withdrawal))

    @activity.defn(name="tell_outcomes")
    async def tell_outcomes(self, request: contract.TellOutcomes) -> None:
        """Tell incidents what became of their pages; one that is over needs no word.

        Raises:
            RPCError: somebody could not be told. Retried for ever; an incident counts a word once.
        """
        told = [
            _unless_gone(
                self._client.get_workflow_handle(incident).signal("page_outcome", outcomes)
            )
            for incident, outcomes in request.outcomes.items()
        ]
        results = await asyncio.gather(*told, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def signal(self, person: str, name: str, body: object) -> None:
        """Signal the entity of a person, with start."""
        await self._client.start_workflow(
            contract.PERSON,
            contract.PersonInput(person=person),
            id=contract.person_id(person),
            task_queue=contract.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=contract.TASK_TIMEOUT,
            static_summary=f"Later pages of {person}"[:200],
            start_signal=name,
            start_signal_args=[body],
        )


class BundleSending:
    """One message with the pages of several incidents, on the queue of the pages."""

    def __init__(
        self,
        sending: PageSending,
        records: RecordsLookUp,
        renderer: Renderer,
        postman: Postman,
        clock: Callable[[], datetime],
    ) -> None:
        self._sending, self._records, self._renderer = sending, records, renderer
        self._postman, self._clock = postman, clock

    @activity.defn(name="send_bundle")
    async def send_bundle(self, request: SendBundle) -> BundleSent:
        """One attempt. Failure is an answer, with a delivery under each page's key."""
        if len(request.pages) == 1:
            now = {"attempt": request.attempt, "at": request.at}
            page = request.pages[0].page.model_copy(update=now)
            return BundleSent(deliveries=[await self._sending.send_page(page)])
        lead = request.pages[0].page
        try:
            organisation = self._sending.organisation()
            contact = self._sending.contact_for(lead)
        except Exception as error:
            log.exception("policy unreadable", bundle=request.bundle)
            detail = f"the policy cannot be read: {why(error)}"
            return self._unsent(request, DeliveryReason.SERVER_ERROR, detail, retryable=True)
        if contact is None:
            detail = f"{lead.person} has no contact of channel {lead.channel} any more"
            return self._unsent(request, DeliveryReason.NO_CONTACT, detail, retryable=False)
        pages, standing = await self._as_they_stand(request.pages)
        capabilities = self._postman.capabilities().get(contact.channel)
        is_short = capabilities is not None and capabilities.max_chars is not None
        text, faults = bundle_text(self._renderer, organisation, pages, standing, is_short=is_short)
        lead = pages[0].page.model_copy(update={"at": request.at})
        parts = tuple(
            Part(key=one.page.key, incident=one.page.incident_id, severity=one.page.severity)
            for one in pages
        )
        answer, fault = self._sending.answer_to(lead)
        faults = [*faults, fault] if fault else faults
        delivery = await self._postman.deliver(
            Outgoing(
                key=parts[0].key,
                incident=parts[0].incident,
                purpose=Purpose.PAGE,
                channel=contact.channel,
                to=contact.to,
                recipient=f"person:{request.person}",
                subject=text.subject,
                text=text.text,
                html=text.html,
                severity=parts[0].severity,
                answer=answer,
                bundle=request.bundle,
                parts=parts,
            )
        )
        return BundleSent(deliveries=_for_each(request, delivery, faults))

    async def _as_they_stand(
        self, pages: Sequence[HandedPage]
    ) -> tuple[list[HandedPage], list[OpenIncident]]:
        """The pages in rank order by what is open now; as they were handed over without the records."""
        try:
            standing = await self._records.open_incidents()
        except RecordsUnavailableError as error:
            log.warning("a bundle goes without its ranks", reason=str(error))
            standing = []
        now = {one.id: one for one in standing}
        current = []
        for handed in pages:
            known = now.get(handed.page.incident_id)
            if known is not None:
                page = handed.page.model_copy(update={"severity": known.severity})
                handed = handed.model_copy(update={"page": page, "priority": known.priority})
            current.append(handed)
        current.sort(key=lambda one: rank_key(_ranked(one)))
        return current, standing

    def _unsent(
        self, request: SendBundle, reason: DeliveryReason, detail: str, *, retryable: bool
    ) -> BundleSent:
        delivery = Delivery(
            key="",
            recipient=f"person:{request.person}",
            channel=request.channel,
            state=DeliveryState.FAILED,
            reason=reason.value,
            detail=detail,
            retryable=retryable,
            at=self._clock(),
        )
        return BundleSent(deliveries=_for_each(request, delivery, []))


def _for_each(request: SendBundle, delivery: Delivery, faults: list[str]) -> list[Delivery]:
    """The one outcome under the key of every page, with the message's own id."""
    detail = "; ".join(filter(None, [delivery.detail, *faults]))[:500]
    shared = {"bundle": request.bundle, "detail": detail}
    return [
        delivery.model_copy(update={"key": handed.page.key, **shared}) for handed in request.pages
    ]


def _ranked(handed: HandedPage) -> OpenIncident:
    return OpenIncident(
        id=handed.page.incident_id,
        priority=handed.priority,
        severity=handed.page.severity,
        raised_at=handed.raised_at,
        summary=handed.summary,
    )


async def _unless_gone(call: Awaitable[None]) -> None:
    try:
        await call
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise

"""Whether another incident goes first for somebody now, and the word of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from temporalio import activity

from activities.channels.base import Outgoing
from activities.delivery import Postman
from activities.looking_up import PolicySource, RecordsLookUp, why
from activities.person import HandingOver
from domain.errors import DeliveryReason
from domain.messages import Announced, Delivery, DeliveryState, Purpose
from domain.person_pages import RankNotice
from domain.priority import first_changed, rank_key
from records.database import RecordsUnavailableError
from templates.renderer import Rendered, Renderer, TemplateFaultError
from workflows import contract

log = structlog.get_logger(__name__)


class RankReviewing:
    """Looks at each person's own incidents, and hands the word to the entity of the person."""

    def __init__(
        self,
        handing: HandingOver,
        records: RecordsLookUp,
        policy: PolicySource,
        renderer: Renderer,
        postman: Postman,
        clock: Callable[[], datetime],
    ) -> None:
        self._handing, self._records = handing, records
        self._policy, self._renderer = policy, renderer
        self._postman, self._clock = postman, clock

    @activity.defn(name="review_rank")
    async def review_rank(self, request: contract.ReviewRank) -> None:
        """Tell everybody concerned for whom the change puts another incident first.

        Raises:
            RecordsUnavailableError: their other incidents are not known. Retried.
        """
        now, changed = self._clock(), request.incident
        before = changed.model_copy(
            update={"severity": request.severity, "priority": request.priority}
        )
        for person in request.people:
            others = await self._records.incidents_of(person)
            order = first_changed(others, before, changed)
            if order is None:
                continue
            notice = RankNotice(
                key=f"{request.key}/{person}", incident=changed.id, at=now, **order.model_dump()
            )
            await self._handing.signal(person, "rank", notice)

    @activity.defn(name="send_rank_notice")
    async def send_rank_notice(self, request: contract.SendRankNotice) -> Announced:
        """One attempt at the word that another incident goes first now, if that is still news."""
        notice = request.notice
        if await self._is_no_news(request):
            return Announced(deliveries=[])
        try:
            _, policy = self._policy.current()
            contacts = policy.people[request.person].contacts
            usable = self._postman.usable_contacts(request.person, contacts, pages=False)
        except Exception as error:
            log.exception("policy unreadable", key=notice.key)
            return self._unsent(request, DeliveryReason.SERVER_ERROR, why(error), retryable=True)
        if not usable.contacts:
            detail = "; ".join([f"{request.person} has no usable contact", *usable.skipped])
            return self._unsent(request, DeliveryReason.NO_CONTACT, detail, retryable=False)
        contact = usable.contacts[0][1]
        text = self._text(notice, policy.organisation.name)
        delivery = await self._postman.deliver(
            Outgoing(
                key=notice.key,
                incident=notice.incident,
                purpose=Purpose.PAGE_UPDATE,
                channel=contact.channel,
                to=contact.to,
                recipient=f"person:{request.person}",
                subject=text.subject,
                text=text.text,
                html=text.html,
                severity=notice.first_severity,
            )
        )
        return Announced(deliveries=[delivery])

    async def _is_no_news(self, request: contract.SendRankNotice) -> bool:
        """Whether yet another one goes first by now, or the one meant has paged them since.

        First pages never pass through the entity of their person: only the ledger knows of them.
        """
        notice = request.notice
        try:
            mine = await self._records.incidents_of(request.person)
            paged_at = await self._records.last_page(request.person, notice.first)
        except RecordsUnavailableError as error:
            log.warning("a new order is told unseen", key=notice.key, reason=str(error))
            return False
        first = min(mine, key=rank_key).id if mine else notice.first
        # With the old one first the records are behind: had the order changed back, it would be said.
        is_overtaken = first not in (notice.first, notice.before)
        return is_overtaken or (paged_at is not None and paged_at > notice.at)

    def _text(self, notice: RankNotice, organisation: str) -> Rendered:
        context = notice.model_dump(include={"first", "first_severity", "waits"})
        context |= {"organisation": organisation, "incident": {}}
        try:
            return self._renderer.render("rank_notice", context)
        except TemplateFaultError:
            log.exception("built-in text used", key=notice.key)
            subject = f"{notice.first} ({notice.first_severity}) now goes first"
            return Rendered(subject=subject, text=f"{subject}\n")

    def _unsent(
        self,
        request: contract.SendRankNotice,
        reason: DeliveryReason,
        detail: str,
        *,
        retryable: bool,
    ) -> Announced:
        delivery = Delivery(
            key=request.notice.key,
            recipient=f"person:{request.person}",
            channel="none",
            state=DeliveryState.FAILED,
            reason=reason.value,
            detail=detail[:500],
            retryable=retryable,
            at=self._clock(),
        )
        return Announced(deliveries=[delivery])

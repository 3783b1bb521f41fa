"""What SendGrid posts back: that a mail arrived, bounced, or made somebody leave. Signed.

A page's event is a receipt on its incident, as a text message's is. A subscriber's goes to the ledger, and an
address that bounced or complained is not written to again.
"""

from __future__ import annotations

import asyncio

import structlog
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from domain.subscribers import SubscriberKind, Told
from records.subscribers import Outcome
from starter.answering import sendgrid
from starter.answering.sendgrid import Fate, MailEvent
from starter.api.bodies import TooLargeError, no_query, read_body
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of
from starter.gateway import NoSuchIncidentError
from starter.signatures import digest
from starter.subscriber_links import subscriber_of

router = APIRouter(prefix="/answer", tags=["answers"])
BYTES = 1024 * 1024
"""SendGrid posts what it has every half minute, or once it is 768 kB."""
AT_ONCE = 20
EVENTS = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
    }
}
log = structlog.get_logger(__name__)


@router.post(
    "/sendgrid",
    status_code=204,
    summary="What became of mails (SendGrid)",
    operation_id="answer_sendgrid",
    openapi_extra=EVENTS,
    responses={
        403: {"description": "Not signed by SendGrid, or its key is not set here"},
        413: {"description": "More than 1 MiB"},
        503: {"description": "Not kept: post it again"},
    },
    dependencies=[Depends(no_query)],
)
async def from_sendgrid(request: Request) -> Response:
    services = services_of(request)
    desk = services.mail_events
    try:
        body = await read_body(request, BYTES)
    except TooLargeError:
        raise ProblemError(413, "too_large", f"a post holds at most {BYTES} bytes") from None
    stamp = request.headers.get(sendgrid.TIMESTAMP, "")
    given = request.headers.get(sendgrid.SIGNATURE, "")
    now = services.answers.clock().timestamp()
    if not sendgrid.is_signed(desk.key, stamp, body, given, now):
        if services.answers.logged.take("SENDGRID_EVENT_KEY"):
            is_set = desk.key is not None
            log.warning("unsigned requests are refused", vendor="SendGrid", is_set=is_set)
        raise ProblemError(403, "refused", "not signed by SendGrid")
    # Not by the signature: who knows one can make another that holds for the same bytes.
    said = digest(stamp.encode() + b"." + body)
    if desk.posts.has(said):
        services.metrics.answers.labels("mail", "repeated").inc()
        return Response(status_code=204)  # done: SendGrid may not have heard our answer
    try:
        events, others = sendgrid.read_events(body)
    except ValueError:
        raise ProblemError(400, "not_events", "the body holds no events of SendGrid's") from None
    services.metrics.answers.labels("mail", "skipped").inc(others)
    turn = asyncio.Semaphore(AT_ONCE)
    fresh = [one for one in events if not desk.events.has(one.id)]
    results = await asyncio.gather(
        *(_take(services, one, turn) for one in fresh), return_exceptions=True
    )
    failed = [one for one in results if isinstance(one, BaseException)]
    if failed:
        raise failed[0]  # 503 where something is away; SendGrid posts it again
    desk.posts.is_new(said)
    return Response(status_code=204)


async def _take(services: Services, event: MailEvent, turn: asyncio.Semaphore) -> None:
    async with turn:
        id_ = subscriber_of(event.key)
        if id_ is not None:
            await _of_subscriber(services, event, id_)
        elif event.key and event.incident:
            await _of_incident(services, event)
        if event.fate in (Fate.COMPLAINED, Fate.BOUNCED, Fate.LEFT):
            await _suppress(services, event, id_)
    services.mail_events.events.is_new(event.id)
    services.metrics.answers.labels("mail", event.fate.value).inc()


async def _of_incident(services: Services, event: MailEvent) -> None:
    """A receipt, which moves a page on to the person's next contact where it did not arrive."""
    if event.fate in (Fate.COMPLAINED, Fate.LEFT):
        return  # it arrived before: says who wants no more of it, not what became of this one
    state = "delivered" if event.fate is Fate.DELIVERED else "failed"
    if state == "delivered" and not is_page(event):
        return  # hundreds of them would be hundreds of signals that change nothing
    try:
        await services.gateway.receipt(event.incident, event.key, state, event.detail)
    except NoSuchIncidentError:
        services.metrics.answers.labels("mail", "gone").inc()


async def _of_subscriber(services: Services, event: MailEvent, id_: str) -> None:
    arrived = event.fate is Fate.DELIVERED
    if event.fate not in (Fate.DELIVERED, Fate.BOUNCED, Fate.REFUSED):
        return
    outcome = Outcome(Told.DELIVERED) if arrived else Outcome(Told.FAILED, event.fate.value)
    key = event.key.rpartition("/")[0]
    await services.subscriptions.hear(key, id_, outcome)


async def _suppress(services: Services, event: MailEvent, id_: str | None) -> None:
    if event.fate is Fate.LEFT:
        await services.subscriptions.forget_address(SubscriberKind.EMAIL, event.address)
        return
    await services.subscriptions.suppress(SubscriberKind.EMAIL, event.address, event.fate.value)


def is_page(event: MailEvent) -> bool:
    """Whether it is about a page: `checkout-17/p1/…`."""
    place = event.key.removeprefix(f"{event.incident}/").partition("/")[0]
    return place[:1] == "p" and place[1:].isdigit()

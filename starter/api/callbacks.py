"""What vendors post back: key presses, receipts and text messages of Twilio, buttons of Slack. All signed."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from starter.answering import slack, twilio
from starter.answering.acting import ACKNOWLEDGE, Result
from starter.answering.desk import AnswerDesk
from starter.answering.slack import Pressed
from starter.answering.slack_modals import read_submission
from starter.answering.texting import sender_of
from starter.answering.voice import answer_call
from starter.answering.wishes import Wish, read_wish
from starter.api.answers import form_of
from starter.api.bodies import no_query
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of
from starter.api.slack_commands import CARD, card_pressed, submitted
from starter.api.slack_requests import answer, signed_body, unsigned
from starter.security import PageRef, TokenState
from starter.signatures import digest

router = APIRouter(prefix="/answer", tags=["answers"])
SLACK_ANSWER_SECONDS = 2.5
"""Slack shows an error after three."""
MAX_AGAIN = 9
log = structlog.get_logger(__name__)

FORM = {
    "requestBody": {
        "required": True,
        "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "Not signed by the vendor, or its secret is not set here"},
    413: {"description": "More than 64 KiB"},
}
TWIML: dict[int | str, dict[str, Any]] = {
    200: {"description": "TwiML", "content": {twilio.MEDIA_TYPE: {}}},
    **REFUSALS,
}


@router.post(
    "/voice/{token}",
    summary="A key pressed during a call (Twilio)",
    operation_id="answer_voice",
    openapi_extra=FORM,
    responses=TWIML,
)
async def voice(request: Request, token: str) -> Response:
    desk = services_of(request).answers
    fields = await _from_twilio(request, desk)
    if not desk.presses.take(token):
        return _twiml(twilio.hang_up("Too many requests. Goodbye."))
    asked = request.query_params.get("again", "0")
    turn = int(asked) if asked.isdigit() and int(asked) <= MAX_AGAIN else MAX_AGAIN
    action = f"{desk.own_url}/answer/voice/{token}"
    read = desk.signer.read(token, desk.clock())
    return _twiml(await answer_call(desk.answering, read, fields, turn, action))


@router.post(
    "/receipt/{token}",
    status_code=204,
    summary="What became of a message or a call (Twilio)",
    operation_id="answer_receipt",
    openapi_extra=FORM,
    responses={**REFUSALS, 503: {"description": "Not kept: post it again"}},
    dependencies=[Depends(no_query)],
)
async def receipt(request: Request, token: str) -> Response:
    services = services_of(request)
    desk = services.answers
    fields = await _from_twilio(request, desk)
    # A receipt may come hours later: the vendor's signature counts, not how old the page is.
    page = desk.signer.read(token, desk.clock()).page
    if page is None:
        raise ProblemError(403, "refused", "this address is of no page")
    verdict = twilio.verdict_on(fields)
    if verdict is not None:
        known = await services.gateway.receipt(page.incident, page.key, *verdict)
        outcome = verdict.state if known else "gone"
        services.metrics.answers.labels("receipt", outcome).inc()
    return Response(status_code=204)


@router.post(
    "/sms",
    summary="A text message that somebody sent (Twilio)",
    operation_id="answer_sms",
    openapi_extra=FORM,
    responses=TWIML,
    dependencies=[Depends(no_query)],
)
async def sms(request: Request) -> Response:
    services = services_of(request)
    desk = services.answers
    fields = await _from_twilio(request, desk)
    number, message_id = fields.get("From", ""), fields.get("MessageSid", "")[:64]
    person = sender_of(services.policy(), number)
    if read_wish(fields.get("Body", "")).wish is Wish.STOP:
        await services.subscriptions.stop_texts(number)
    if person is None:
        services.metrics.answers.labels("sms", "unknown_sender").inc()
        if desk.logged.take("unknown sender"):
            log.warning("text messages from a number that is not exactly one person's are ignored")
        return _twiml(twilio.EMPTY)
    if not desk.numbers.take(number) or (message_id and not desk.texts_seen.is_new(message_id)):
        services.metrics.answers.labels("sms", "ignored").inc()
        return _twiml(twilio.EMPTY)
    reply = await desk.texting.reply(person, number, fields.get("Body", ""), message_id)
    return _twiml(twilio.message(reply))


@router.post(
    "/slack",
    summary="A button pressed in Slack",
    operation_id="answer_slack",
    openapi_extra=FORM,
    responses={200: {"description": "What replaces the buttons"}, **REFUSALS},
    dependencies=[Depends(no_query)],
)
async def from_slack(request: Request) -> Response:
    services = services_of(request)
    body = await signed_body(request)
    try:
        sent = read_submission(body)
        if sent is not None:
            return await submitted(services, sent, f"chat/{digest(body)}")
        pressed = slack.read_press(body)
    except (ValueError, RecursionError):
        raise ProblemError(400, "not_a_form", "the body holds no payload of Slack's") from None
    if pressed is None or pressed.action.partition("_")[0] == slack.OPEN:
        return Response(status_code=200)  # what Slack tells of modals and menus is none of ours
    if pressed.action.startswith(CARD):
        return await card_pressed(services, pressed, f"chat/{digest(body)}")
    page = _page_of(services, pressed)
    if isinstance(page, str):
        return _to_slack(services, pressed, slack.private(page))
    working = asyncio.create_task(_press(services, page, pressed))
    done, _ = await asyncio.wait({working}, timeout=SLACK_ANSWER_SECONDS)
    if done:
        return _to_slack(services, pressed, working.result())
    # The buttons stay until it is known what came of them.
    waiting = slack.private("Accepted: it is being recorded")
    return _to_slack(services, pressed, waiting, working)


def _page_of(services: Services, pressed: Pressed) -> PageRef | str:
    """The page that a button is for, or why it cannot be pressed."""
    desk = services.answers
    if pressed.action not in slack.ACTIONS:
        return "There is no such action on a page."
    read = desk.signer.read(pressed.token, desk.clock())
    if read.page is None:
        return "This button is of no page. Use `tocsin ack ID`."
    person = services.policy().people.get(read.page.person)
    theirs = (
        [c.to for c in person.contacts if c.channel == "slack" and c.verified] if person else []
    )
    if pressed.user not in theirs:
        return (
            f"Only {read.page.person} can answer this page from Slack. Use "
            f"`tocsin ack {read.page.incident}`."
        )
    if read.state is TokenState.EXPIRED:
        return f"This button has expired. Use `tocsin ack {read.page.incident}`."
    if not desk.presses.take(pressed.token):
        return "Too many requests. Wait a minute."
    return read.page


async def _press(services: Services, page: PageRef, pressed: Pressed) -> dict[str, Any]:
    answering = services.answers.answering
    result: Result
    if pressed.action == ACKNOWLEDGE:
        result = await answering.acknowledge(page, "chat")
    else:
        result = await answering.escalate(page, "chat")
    person = services.policy().people.get(page.person)
    name = person.name if person and person.name else page.person
    text, replaces = slack.outcome_of(pressed.action, result, name)
    others = ", ".join(one.incident for one in await answering.together(page))
    if others and replaces:
        text = f"{page.incident}: {text}. Not answered by this: {others}"
    return slack.replacing(pressed, text) if replaces else slack.private(text)


def _to_slack(
    services: Services,
    pressed: Pressed,
    said: dict[str, Any],
    *later: asyncio.Task[dict[str, Any]],
) -> Response:
    """Answer at once, and post the same to the message's own address: Slack reads only that of a block."""
    return answer(services, pressed.response_url, said, later, is_posted=True)


async def _from_twilio(request: Request, desk: AnswerDesk) -> dict[str, str]:
    """The fields of a request that Twilio signed. Raises ProblemError."""
    form = await form_of(request)
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{desk.own_url}{request.url.path}{query}"
    given = request.headers.get("x-twilio-signature", "")
    if not twilio.is_signed(desk.twilio_token.get_secret_value(), url, form, given):
        raise unsigned(desk, "Twilio", "TWILIO_AUTH_TOKEN", bool(desk.twilio_token))
    return dict(form)


def _twiml(text: str) -> Response:
    return Response(text, media_type=twilio.MEDIA_TYPE)

"""`/tocsin …` typed in Slack."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from starter.answering.slack import Pressed
from starter.answering.slack_modals import Submitted, outcome
from starter.answering.slack_screens import ephemeral
from starter.api.bodies import no_query
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of
from starter.api.slack_requests import answer, open_window, signed_body
from starter.signatures import digest

router = APIRouter(prefix="/answer", tags=["answers"])
ANSWER_SECONDS = 2.5
"""Slack shows an error after three."""
CARD = "room_"
"""Before the command in a button of a room's card (`activities/channels/slack_cards.py`)."""
_MOST_FIELDS = 40


@router.post(
    "/slack/command",
    summary="A command typed in Slack",
    operation_id="answer_slack_command",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
        }
    },
    responses={
        200: {"description": "What only whoever typed it reads"},
        403: {"description": "Not signed by Slack, or its secret is not set here"},
        413: {"description": "More than 64 KiB"},
    },
    dependencies=[Depends(no_query)],
)
async def command(request: Request) -> Response:
    services = services_of(request)
    body = await signed_body(request)
    fields = _fields(body)
    member = fields.get("user_id", "")
    if not services.answers.presses.take(f"slack/{member}"):
        return answer(services, "", ephemeral("Too many requests. Wait a minute."))
    typed = services.answers.commands.answer(
        member, fields.get("channel_id", ""), fields.get("text", ""), f"chat/{digest(body)}"
    )
    return await in_time(services, fields.get("response_url", ""), typed)


async def card_pressed(services: Services, pressed: Pressed, key: str) -> Response:
    """A button of a room's card: the card itself follows the incident, the reply is private."""
    if not services.answers.presses.take(f"slack/{pressed.user}"):
        return answer(services, "", ephemeral("Too many requests. Wait a minute."))

    async def opens(window: dict[str, Any]) -> bool:
        return await open_window(services, pressed.trigger, window)

    command = pressed.action.removeprefix(CARD)
    said = services.answers.commands.press(pressed.user, pressed.token, command, key, opens)
    return await in_time(services, pressed.response_url, said, is_posted=True)


async def submitted(services: Services, sent: Submitted, key: str) -> Response:
    """What somebody wrote into a window; it shows what came of it."""
    if not services.answers.presses.take(f"slack/{sent.user}"):
        return JSONResponse(outcome(sent.command, "Too many requests. Wait a minute."))
    working = services.answers.commands.submit(
        sent.user, sent.incident, sent.command, sent.fields, key
    )
    task = asyncio.create_task(working)
    done, _ = await asyncio.wait({task}, timeout=ANSWER_SECONDS)
    if done:
        return JSONResponse(outcome(sent.command, task.result()))
    waiting = (
        f"Accepted: it is being recorded. The timeline of {sent.incident} says what came of it."
    )

    async def finish() -> None:
        await task

    return JSONResponse(outcome(sent.command, waiting), background=BackgroundTask(finish))


async def in_time(
    services: Services, url: str, working: Any, *, is_posted: bool = False
) -> Response:
    """What was done, or that it is being done and told later."""

    async def shown() -> dict[str, Any] | None:
        said = await working
        return ephemeral(said) if said else None

    task = asyncio.create_task(shown())
    done, _ = await asyncio.wait({task}, timeout=ANSWER_SECONDS)
    if done:
        said = task.result()
        if said is None:
            return Response(status_code=200)
        return answer(services, url, said, is_posted=is_posted)
    waiting = ephemeral("Accepted: it is being recorded.")
    return answer(services, url, waiting, [task], is_posted=is_posted)


def _fields(body: bytes) -> dict[str, str]:
    """The first of each field. Raises ProblemError."""
    try:
        found = parse_qs(body.decode(), max_num_fields=_MOST_FIELDS, keep_blank_values=True)
    except ValueError:
        raise ProblemError(400, "not_a_form", "the body is no form of Slack's") from None
    return {name: values[0] for name, values in found.items()}

"""What every request of Slack's has in common: its signature, its replays, and how it is answered.

Slack shows an error after three seconds. What takes longer is posted to the address that came with the
request, and only where that is Slack's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from starter.answering import slack
from starter.answering.desk import AnswerDesk
from starter.api.answers import raw_body
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of

SLACK_POST_SECONDS = 5.0
SLACK_OPEN_SECONDS = 1.2
"""The press that opens a window holds for three seconds, with our own look at the incident before."""
log = structlog.get_logger(__name__)


async def signed_body(request: Request) -> bytes:
    """The bytes of a request that Slack signed, for the first time within the last minutes.

    Raises:
        ProblemError: 403, 413.
    """
    desk = services_of(request).answers
    body = await raw_body(request)
    given = request.headers.get("x-slack-signature", "")
    stamp = request.headers.get("x-slack-request-timestamp", "")
    secret = desk.slack_secret.get_secret_value()
    if not slack.is_signed(secret, stamp, body, given, desk.clock().timestamp()):
        raise unsigned(desk, "Slack", "SLACK_SIGNING_SECRET", bool(desk.slack_secret))
    if not desk.slack_seen.is_new(given):
        raise ProblemError(403, "replayed", "this request has been answered before")
    return body


def unsigned(desk: AnswerDesk, vendor: str, setting: str, is_set: bool) -> ProblemError:
    """403: what to do is for the operator, who reads the log; the sender learns little."""
    if desk.logged.take(setting):
        log.warning("unsigned requests are refused", vendor=vendor, setting=setting, is_set=is_set)
    return ProblemError(403, "refused", f"not signed by {vendor}")


def answer(
    services: Services,
    url: str,
    said: dict[str, Any],
    later: Sequence[asyncio.Task[dict[str, Any]] | asyncio.Task[dict[str, Any] | None]] = (),
    *,
    is_posted: bool = False,
) -> Response:
    """Answer at once, and post what comes later.

    Args:
        url: where Slack takes it.
        is_posted: post the answer too: of a block Slack changes a message only there.
    """

    async def post() -> None:
        if is_posted:
            await _post(services, url, said)
        for task in later:
            what = await task
            if what is not None:
                await _post(services, url, what)

    return JSONResponse(said, background=BackgroundTask(post))


async def _post(services: Services, url: str, said: dict[str, Any]) -> None:
    """What was decided stands, so a failure is only told."""
    settings = services.settings
    if not _is_slacks(url, settings.slack_base_url):
        return
    proxy = settings.channel_proxy.get_secret_value() if settings.channel_proxy else None
    try:
        async with httpx2.AsyncClient(
            timeout=SLACK_POST_SECONDS, trust_env=False, proxy=proxy
        ) as client:
            response = await client.post(url, json=said)
            response.raise_for_status()
    except httpx2.HTTPError as error:
        log.warning("a message in Slack could not be changed", why=type(error).__name__)


async def open_window(services: Services, trigger: str, window: dict[str, Any]) -> bool:
    """Show somebody a window, within the three seconds for which a press may; whether Slack did."""
    settings = services.settings
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    if not token or not trigger:
        return False
    proxy = settings.channel_proxy.get_secret_value() if settings.channel_proxy else None
    try:
        async with httpx2.AsyncClient(
            timeout=SLACK_OPEN_SECONDS, trust_env=False, proxy=proxy
        ) as client:
            response = await client.post(
                f"{settings.slack_base_url.rstrip('/')}/views.open",
                json={"trigger_id": trigger, "view": window},
                headers={"Authorization": f"Bearer {token}"},
            )
            said = response.json()
    except (httpx2.HTTPError, ValueError) as error:
        log.warning("a window in Slack could not be opened", why=type(error).__name__)
        return False
    if not isinstance(said, dict) or said.get("ok") is not True:
        why = str(said.get("error") if isinstance(said, dict) else "no answer of its own")[:100]
        log.warning("a window in Slack could not be opened", why=why)
        return False
    return True


def _is_slacks(url: str, base_url: str) -> bool:
    """Whether an address is Slack's own, or that of the stand-in that the operator has set."""
    try:
        asked, own = urlsplit(url), urlsplit(base_url)
        if asked.scheme == "https" and asked.hostname == "hooks.slack.com" and asked.port is None:
            return "@" not in asked.netloc
    except ValueError:
        return False
    return (asked.scheme, asked.netloc) == (own.scheme, own.netloc)

"""Slack: a direct message with buttons, or a post to a channel.

The blocks are made by Slack's own SDK, which knows their limits. The call is ours: the SDK's client
follows redirects with the token and takes the environment's proxy, and its asynchronous one needs a
second HTTP library in the path of every page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import SecretStr
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    HeaderBlock,
    MarkdownTextObject,
    SectionBlock,
)

from activities.channels.base import (
    Answer,
    BaseUrl,
    Capabilities,
    HttpSettings,
    Outgoing,
    Receipt,
    Seconds,
)
from activities.channels.shortening import body_of, head_of, shorten
from activities.channels.vendor_client import VendorClient
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.status_page.ids import public_id
from templates.filters import line

MAX_CHARS = 2500
"""A section holds 3,000 characters, and an escaped one counts up to five."""
_HEADER_CHARS = 150
_SECTION_CHARS = 3000
_FALLBACK_CHARS = 500

_REASONS: dict[str, tuple[DeliveryReason, bool]] = {
    **dict.fromkeys(
        (
            "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
            "no_permission", "missing_scope", "access_denied", "ekm_access_denied",
            "not_allowed_token_type", "org_login_required", "enterprise_is_restricted",
            "two_factor_setup_required", "team_access_not_granted",
        ),
        (DeliveryReason.UNAUTHORISED, False),
    ),
    **dict.fromkeys(
        ("ratelimited", "rate_limited", "message_limit_exceeded"),
        (DeliveryReason.RATE_LIMITED, True),
    ),
    **dict.fromkeys(
        ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"),
        (DeliveryReason.SERVER_ERROR, True),
    ),
}  # fmt: skip
"""Slack's names for what went wrong. All others stay wrong: a user who is not there, blocks too long."""
_HINTS = {
    "channel_not_found": "there is no such user or channel where the app is installed",
    "user_not_found": "there is no such user where the app is installed",
    "not_in_channel": "invite the app to the channel",
    "missing_scope": "the app needs the scope chat:write",
}


class SlackSettings(HttpSettings):
    """Settings of the channel."""

    slack_bot_token: SecretStr | None = None
    slack_base_url: BaseUrl = "https://slack.com/api"
    slack_timeout: Seconds = 10.0


def slack_client(settings: SlackSettings) -> VendorClient | None:
    """A client of Slack's API for the bot; None where its token is not set."""
    if settings.slack_bot_token is None:
        return None
    token = settings.slack_bot_token.get_secret_value()
    return VendorClient(
        "Slack",
        settings.slack_base_url,
        settings.slack_timeout,
        headers={"Authorization": f"Bearer {token}"},
        proxy=settings.proxy,
        explain=lambda answer: str(answer.get("error") or ""),
    )


class SlackChannel:
    """Posts as the app."""

    name: ClassVar[str] = "slack"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=True, max_chars=MAX_CHARS)

    def __init__(self, settings: SlackSettings) -> None:
        self._client = slack_client(settings)

    @property
    def is_configured(self) -> bool:
        return self._client is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Post it. The receipt's id is `channel/ts`, by which the message can be changed later."""
        if self._client is None:
            raise DeliveryError(
                DeliveryReason.NOT_CONFIGURED, "SLACK_BOT_TOKEN is not set", retryable=False
            )
        answer = await self._client.post("/chat.postMessage", json=as_post(message))
        if answer.get("ok") is not True:
            raise from_slack(str(answer.get("error") or "no reason"))
        where, when = answer.get("channel"), answer.get("ts")
        if not isinstance(where, str) or not isinstance(when, str):
            raise self._client.without_id()
        return Receipt(vendor_id=f"{where}/{when}")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


def from_slack(error: str) -> DeliveryError:
    """Sort what Slack says in an answer whose HTTP status is 200."""
    reason, may_pass = _REASONS.get(error, (DeliveryReason.REJECTED, False))
    hint = f": {_HINTS[error]}" if error in _HINTS else ""
    return DeliveryError(reason, f"Slack answered {error[:100]}{hint}", retryable=may_pass)


def escaped(text: str, limit: int) -> str:
    """Text in which nothing is a mention, a link or a command to Slack, at most `limit` characters.

    It is shortened first: half an escape would not be one.
    """
    room = limit
    while True:
        found = shorten(text, room).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if len(found) <= limit:
            return found
        room -= max(1, (len(found) - limit) // len("&amp;"))


def as_post(message: Outgoing) -> Mapping[str, Any]:
    """The request: header, facts, buttons.

    Slack has no idempotency key; ours is in the metadata, so that a post can be found by it.
    """
    head, body = head_of(message), shorten(body_of(message), MAX_CHARS)
    blocks: list[Block] = [HeaderBlock(text=shorten(head, _HEADER_CHARS))]
    if body:
        facts = MarkdownTextObject(text=escaped(body, _SECTION_CHARS), verbatim=True)
        blocks.append(SectionBlock(text=facts))
    if message.answer is not None:
        blocks.append(_buttons(message.answer))
    return {
        "channel": message.to.strip(),
        # What a phone shows before the app is open, and screen readers say.
        "text": escaped(head, _FALLBACK_CHARS),
        "blocks": [block.to_dict() for block in blocks],
        "metadata": {
            "event_type": "tocsin_message",
            "event_payload": _names(message),
        },
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _names(message: Outgoing) -> dict[str, str]:
    """In a channel shared with another company its apps read them: outside they name nothing of ours."""
    if message.purpose is not Purpose.EXTERNAL_UPDATE:
        return {"key": message.key, "incident": message.incident}
    return {
        "key": public_id("message", message.key),
        "incident": public_id("incident", message.incident),
    }


def _buttons(answer: Answer) -> ActionsBlock:
    return ActionsBlock(
        elements=[
            ButtonElement(
                text="Acknowledge", action_id="acknowledge", value=answer.token, style="primary"
            ),
            ButtonElement(text="Escalate", action_id="escalate", value=answer.token),
            ButtonElement(text="Open", action_id="open", url=line(answer.url)),
        ]
    )

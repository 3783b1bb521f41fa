"""Slack's side of an answer: its signature, the button that was pressed, and what replaces the buttons.

Source: Slack's "Verifying requests from Slack": `v0=` and the hex HMAC-SHA256 of `v0:timestamp:raw body`.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from starter.answering.acting import ACKNOWLEDGE, ESCALATE, Outcome, Result
from starter.signatures import WINDOW_SECONDS, hmac_hex, is_fresh, same, timestamp_of
from templates.filters import line, short

SECONDS = WINDOW_SECONDS
ACTIONS = (ACKNOWLEDGE, ESCALATE)
OPEN = "open"
"""A button that is only a link: Slack tells of it all the same."""
MAX_BLOCKS = 45
"""Slack takes 50."""
MAX_TEXT_CHARS = 2900
"""Slack takes 3,000 in one section."""


class Pressed(NamedTuple):
    """One button, and by whom it was pressed."""

    user: str
    """Slack's id of the user: `U012AB3CD`."""
    action: str
    token: str
    response_url: str
    said: str
    """The text of the message that holds the button."""
    blocks: list[dict[str, Any]]
    """Its blocks but those that hold buttons."""
    trigger: str = ""
    """Opens a window, for three seconds."""


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    """What Slack sends as `X-Slack-Signature`."""
    return f"v0={hmac_hex(secret, b'v0:' + timestamp.encode() + b':' + body)}"


def is_signed(secret: str, timestamp: str, body: bytes, given: str, now: float) -> bool:
    """Whether Slack sent it, within the last minutes; without a secret it did not.

    Args:
        now: seconds since 1970.
    """
    stamp = timestamp_of(timestamp)
    if not secret or stamp is None:
        return False
    return same(given, signature_of(secret, timestamp, body)) and is_fresh(stamp, now)


def read_press(body: bytes) -> Pressed | None:
    """The button in an interactivity payload; None for what is no press of a button.

    Raises:
        ValueError: it is no such payload.
    """
    fields = parse_qs(body.decode(), max_num_fields=20)
    payload = json.loads(fields.get("payload", [""])[0])
    if not isinstance(payload, dict):
        raise ValueError("the payload is no object")  # noqa: TRY004 - one error for what is no payload
    actions = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(actions, list) or not actions:
        return None
    action = actions[0]
    if not isinstance(action, dict):
        raise ValueError("the action is no object")  # noqa: TRY004 - as above
    return Pressed(
        user=_text_at(payload, "user", "id"),
        action=_text_at(action, "action_id"),
        token=_text_at(action, "value"),
        response_url=_text_at(payload, "response_url"),
        said=_text_at(payload, "message", "text"),
        blocks=_kept_blocks(payload.get("message")),
        trigger=_text_at(payload, "trigger_id"),
    )


def _kept_blocks(message: Any) -> list[dict[str, Any]]:
    blocks = message.get("blocks") if isinstance(message, dict) else None
    found = (
        [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    )
    return [block for block in found if block.get("type") != "actions"][:MAX_BLOCKS]


def _text_at(value: Any, *names: str) -> str:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def private(text: str) -> dict[str, Any]:
    """A reply that only whoever pressed can see; the message stays as it is."""
    return {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": short(mrkdwn(text), MAX_TEXT_CHARS),
    }


def replacing(pressed: Pressed, outcome: str) -> dict[str, Any]:
    """The message again, without its buttons and with what came of them: what is over offers nothing."""
    # Slack has escaped what it shows, and takes it back as it is.
    text, shown = short(pressed.said, MAX_TEXT_CHARS), short(mrkdwn(outcome), MAX_TEXT_CHARS)
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": shown}]}
    return {
        "replace_original": True,
        "text": f"{text}\n{shown}" if text else shown,
        "blocks": [*pressed.blocks, context],
    }


def escaped(text: str) -> str:
    """Text in which nothing is a mention, a link or markup; its lines are kept."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(text: str) -> str:
    """The same as one line."""
    return escaped(line(text))


def outcome_of(action: str, result: Result, name: str) -> tuple[str, bool]:
    """What came of a press, in words, and whether the buttons are to go."""
    standing, incident = result.standing, result.standing.page.incident
    at = f" at {standing.at[11:16]} UTC" if standing.at else ""
    match result.outcome:
        case Outcome.DONE if action == ESCALATE:
            return f"Escalated by {name} to {result.detail}", True
        case Outcome.DONE:
            return f"Acknowledged by {name}", True
        case Outcome.ACCEPTED:
            return f"Accepted from {name}: done as soon as a worker is up", True
        case Outcome.YOURS:
            return f"Already acknowledged by you{at}", True
        case Outcome.TAKEN:
            return f"Acknowledged by {standing.by}{at}", True
        case Outcome.ENDED:
            return f"Nobody is asked any more: {standing.why}", True
        case Outcome.UNAVAILABLE:
            return (
                f"NOT done: Tocsin could not keep it. Press again, or `tocsin ack {incident}`",
                False,
            )
        case _:
            return f"Not done: {result.detail or standing.why}", False

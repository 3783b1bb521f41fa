"""What is posted into a room in Slack: the card with its buttons. Texts of people are escaped whole.

The blocks are made by Slack's own SDK, which knows their limits.
"""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    HeaderBlock,
    MarkdownTextObject,
    SectionBlock,
)

from activities.channels.chat_rooms import Card
from activities.channels.shortening import shorten
from activities.channels.slack import escaped
from templates.filters import line, link

LABELS = {
    "acknowledge": "Acknowledge",
    "join": "Join",
    "publish_update": "Update",
    "escalate": "Escalate",
    "resolve": "Resolve",
    "reopen": "Reopen",
}
ACTION = "room_"
"""Before the command in a button's id; `starter/answering/slack_commands.py` reads it."""
_HEADER_CHARS = 150
_SECTION_CHARS = 2900
_FALLBACK_CHARS = 500
_URL_CHARS = 3000
_MOST_LINKS = 10


def as_message(card: Card) -> dict[str, Any]:
    """The fields of `chat.postMessage` and `chat.update` that both take."""
    blocks: list[Block] = [HeaderBlock(text=shorten(line(card.title), _HEADER_CHARS) or "Incident")]
    if card.text.strip():
        text = MarkdownTextObject(text=escaped(card.text.strip(), _SECTION_CHARS), verbatim=True)
        blocks.append(SectionBlock(text=text))
    blocks += [ActionsBlock(elements=some) for some in (_buttons(card), _links(card)) if some]
    return {
        "text": escaped(line(card.title), _FALLBACK_CHARS) or "Incident",
        "blocks": [block.to_dict() for block in blocks],
        "metadata": {"event_type": "tocsin_card", "event_payload": {"incident": card.incident}},
        "parse": "none",
        "link_names": False,
    }


def _buttons(card: Card) -> list[ButtonElement]:
    return [
        ButtonElement(
            text=LABELS.get(command, command.replace("_", " ").capitalize()),
            action_id=f"{ACTION}{command}",
            value=card.incident,
            style="primary" if command == "acknowledge" else None,
        )
        for command in card.buttons
    ]


def _links(card: Card) -> list[ButtonElement]:
    """Addresses of the policy, each behind its own button: nothing that somebody wrote names one."""
    usable = [(label, link(url)) for label, url in card.links]
    return [
        ButtonElement(text=label, action_id=f"open_{number}", url=url)
        for number, (label, url) in enumerate(usable[:_MOST_LINKS], start=1)
        if url and len(url) <= _URL_CHARS
    ]

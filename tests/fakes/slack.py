"""A Slack that is as strict as the real one about a posted message, on a real socket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

TOKEN = "xoxb-fake-token"
_FIELDS = {
    "channel", "text", "blocks", "metadata", "parse", "link_names", "unfurl_links", "unfurl_media",
}  # fmt: skip
_LOOSE = re.compile(r"<|>|&(?!amp;|lt;|gt;)")
"""In text of people none of these may stand: they begin mentions and links."""


@contextmanager
def slack_fake() -> Iterator[VendorFake]:
    """A running fake; `accepted` holds the posts."""
    with running(VendorFake(check)) as fake:
        yield fake


def check(request: Request) -> Refusal | Taken:
    """As the real one sorts it: it refuses with status 200 and a word."""
    if request.path != "/chat.postMessage":
        return _refusal("unknown_method")
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return _refusal("invalid_auth")
    if not request.headers.get("Content-Type", "").startswith("application/json"):
        return _refusal("invalid_post_type")
    try:
        post = json.loads(request.body)
    except ValueError:
        return _refusal("invalid_json")
    wrong = _wrong(post)
    if wrong:
        return _refusal(wrong)
    taken = {"ok": True, "channel": "D0123ABCD", "ts": "1732457220.000100", "message": {}}
    return Taken(post, json.dumps(taken))


def _wrong(post: dict[str, Any]) -> str:
    if set(post) - _FIELDS:
        return f"invalid_arguments {sorted(set(post) - _FIELDS)}"
    if not re.fullmatch(r"[UWCGD][A-Z0-9]{2,20}", str(post.get("channel"))):
        return "channel_not_found"
    if not post.get("text"):
        return "no_text"
    if len(post["text"]) > 4000:
        return "msg_too_long"
    if _LOOSE.search(post["text"]):
        return "the text holds markup that nobody meant"
    if post.get("link_names") or post.get("parse") != "none":
        return "names would become mentions"
    metadata = post.get("metadata", {})
    if not isinstance(metadata.get("event_type"), str) or "event_payload" not in metadata:
        return "invalid_metadata_format"
    if len(json.dumps(metadata["event_payload"])) > 8000:
        return "metadata_too_large"
    blocks = post.get("blocks")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 50:
        return "invalid_blocks"
    return next((why for why in map(_block, blocks) if why), "")


def _block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "header":
        text = block["text"]
        fits = text["type"] == "plain_text" and 1 <= len(text["text"]) <= 150
        return "" if fits else "invalid_blocks: header"
    if kind == "section":
        text = block["text"]
        if text["type"] != "mrkdwn" or not 1 <= len(text["text"]) <= 3000:
            return "invalid_blocks: section"
        return "the section holds markup that nobody meant" if _LOOSE.search(text["text"]) else ""
    if kind == "actions":
        return _buttons(block["elements"])
    return f"invalid_blocks: {kind}"


def _buttons(elements: list[dict[str, Any]]) -> str:
    if not 1 <= len(elements) <= 25:
        return "invalid_blocks: actions"
    names = [button.get("action_id", "") for button in elements]
    if len(set(names)) != len(names) or any(not 1 <= len(name) <= 255 for name in names):
        return "invalid_blocks: action_id"
    for button in elements:
        if button.get("type") != "button" or button.get("text", {}).get("type") != "plain_text":
            return "invalid_blocks: button"
        if not 1 <= len(button["text"]["text"]) <= 75 or len(button.get("value", "")) > 2000:
            return "invalid_blocks: button too long"
        if button.get("style") not in (None, "primary", "danger"):
            return "invalid_blocks: style"
        if len(button.get("url", "")) > 3000:
            return "invalid_blocks: url"
    return ""


def _refusal(error: str) -> Refusal:
    return Refusal(200, json.dumps({"ok": False, "error": error}), error)

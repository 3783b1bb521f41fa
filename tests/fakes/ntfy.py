"""An ntfy server that is as strict as the real one about a published message, on a real socket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

TOKEN = "tk_fake0123456789"
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
_FIELDS = {"topic", "title", "message", "priority", "tags", "click", "actions"}
_MOST_BYTES = 4096


@contextmanager
def ntfy_fake() -> Iterator[VendorFake]:
    """A running fake whose topics are protected by `TOKEN`; `accepted` holds the messages."""
    with running(VendorFake(check)) as fake:
        yield fake


def check(request: Request) -> Refusal | Taken:
    """As the real one sorts it; a text that it would turn into an attachment is refused here."""
    if request.path != "/":
        return _refusal(404, 40401, f"page not found: {request.path}")
    try:
        push = json.loads(request.body)
    except ValueError:
        return _refusal(400, 40024, "invalid request: request body must be valid JSON")
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return _refusal(401, 40101, "unauthorized")
    return _wrong(push) or Taken(
        push, json.dumps({"id": "xE73Iyuabi", "event": "message", "topic": push["topic"]})
    )


def _wrong(push: dict[str, object]) -> Refusal | None:
    if set(push) - _FIELDS:
        return _refusal(400, 40024, f"fields nobody reads: {sorted(set(push) - _FIELDS)}")
    if not isinstance(push.get("topic"), str) or not _TOPIC.fullmatch(str(push["topic"])):
        return _refusal(400, 40009, "invalid request: topic invalid")
    for name in ("message", "title"):
        value = push.get(name)
        if not isinstance(value, str) or not value.strip():
            return _refusal(400, 40011, f"{name} is missing")
        if len(value.encode()) > _MOST_BYTES:
            return _refusal(413, 41301, f"{name} is too long and would become an attachment")
    if push.get("priority") not in (1, 2, 3, 4, 5):
        return _refusal(400, 40007, "invalid priority parameter")
    tags = push.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        return _refusal(400, 40024, "tags must be words")
    actions = push.get("actions", [])
    if not isinstance(actions, list) or len(actions) > 3:
        return _refusal(400, 40018, "only 3 actions allowed")
    for action in actions:
        if action.get("action") != "view" or not action.get("label") or not action.get("url"):
            return _refusal(400, 40018, "invalid request: actions invalid")
    return None


def _refusal(status: int, code: int, message: str) -> Refusal:
    return Refusal(status, json.dumps({"code": code, "http": status, "error": message}), message)

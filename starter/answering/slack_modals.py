"""Windows in Slack for the commands that need words: what they ask, and what comes back from them.

Whatever a window was opened for, what is sent from it is a command like any other, judged when it comes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from templates.filters import plain, short

CALLBACK = "tocsin/"
"""Before the command, in the id by which Slack calls back."""
_TEXT_CHARS = 3000
"""Slack takes no more in one input."""
_TITLES = {
    "publish_update": "Update", "escalate": "Escalate", "resolve": "Resolve", "reopen": "Reopen",
}  # fmt: skip
"""At most 24 characters."""
_FIELDS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "publish_update": (("text", "What is there to say?", True),),
    "escalate": (
        ("to", "Whom? person:bob, team:platform, schedule:payments", False),
        ("reason", "Why are they called in?", True),
    ),
    "resolve": (("summary", "How was it resolved?", True),),
    "reopen": (("reason", "Why is it open again?", True),),
}
"""By command: field, question, and whether the answer may have several lines."""
_SIDES = (("internal", "Colleagues"), ("external", "The public"))


class Submitted(NamedTuple):
    """What was sent from a window."""

    user: str
    command: str
    incident: str
    fields: dict[str, str]


def window(command: str, incident: str) -> dict[str, Any] | None:
    """What the window asks; None for a command that needs no words."""
    if command not in _TITLES:
        return None
    blocks = [_question(name, label, several) for name, label, several in _FIELDS[command]]
    if command == "publish_update":
        blocks.insert(0, _sides())
    return {
        "type": "modal",
        "callback_id": f"{CALLBACK}{command}",
        "private_metadata": incident[:200],
        "title": _words(_TITLES[command]),
        "submit": _words("Send"),
        "close": _words("Cancel"),
        "blocks": [_said(f"Incident {incident}"), *blocks],
    }


def outcome(command: str, text: str) -> dict[str, Any]:
    """What the window shows in place of its questions, once it is known what came of them."""
    return {
        "response_action": "update",
        "view": {
            "type": "modal",
            "title": _words(_TITLES.get(command, "Tocsin")),
            "close": _words("Close"),
            "blocks": [_said(text)],
        },
    }


def read_submission(body: bytes) -> Submitted | None:
    """What was sent from one of our windows; None for any other payload.

    Raises:
        ValueError: it is no payload of Slack's.
    """
    payload = json.loads(parse_qs(body.decode(), max_num_fields=20).get("payload", [""])[0])
    if not isinstance(payload, dict) or payload.get("type") != "view_submission":
        return None
    view = payload.get("view")
    if not isinstance(view, dict):
        raise ValueError("the view is no object")  # noqa: TRY004 - one error for what is no payload
    command = str(view.get("callback_id") or "").removeprefix(CALLBACK)
    user = payload.get("user")
    return Submitted(
        user=str(user.get("id") or "") if isinstance(user, dict) else "",
        command=command,
        incident=str(view.get("private_metadata") or ""),
        fields=_values(view.get("state")),
    )


def _values(state: Any) -> dict[str, str]:
    """The answers by field: each block and its input have the field's name."""
    values = state.get("values") if isinstance(state, dict) else None
    found: dict[str, str] = {}
    for name, inputs in values.items() if isinstance(values, dict) else ():
        about = inputs.get(name) if isinstance(inputs, dict) else None
        if not isinstance(about, dict):
            continue
        chosen = about.get("selected_option")
        value = chosen.get("value") if isinstance(chosen, dict) else about.get("value")
        if isinstance(value, str):
            found[str(name)] = value
    return found


def _question(name: str, label: str, is_long: bool) -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": name,
        "label": _words(label),
        "element": {
            "type": "plain_text_input",
            "action_id": name,
            "multiline": is_long,
            "max_length": _TEXT_CHARS if is_long else 200,
        },
    }


def _sides() -> dict[str, Any]:
    options = [{"text": _words(label), "value": value} for value, label in _SIDES]
    return {
        "type": "input",
        "block_id": "audience",
        "label": _words("For whom?"),
        # Nothing is chosen beforehand: who speaks to the public has meant to.
        "element": {"type": "radio_buttons", "action_id": "audience", "options": options},
    }


def _said(text: str) -> dict[str, Any]:
    # Plain: in it nothing is a mention or a link.
    shown = plain(text)
    return {"type": "section", "text": _words(shown if len(shown) <= 2900 else short(shown, 2900))}


def _words(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "…", "emoji": False}

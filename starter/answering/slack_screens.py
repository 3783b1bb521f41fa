"""What Tocsin answers in Slack about incidents: short texts, for whoever asked and nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starter.answering.slack import MAX_TEXT_CHARS, escaped
from templates.filters import line, plain, short, when

View = Mapping[str, Any]


def ephemeral(text: str) -> dict[str, Any]:
    """A reply of several lines that only whoever asked can see; nothing in it is a mention or a link."""
    said = plain(text)
    room = MAX_TEXT_CHARS
    while len(shown := escaped(said)) > MAX_TEXT_CHARS:
        room -= max(1, (len(shown) - MAX_TEXT_CHARS) // 5)
        said = said[:room].rstrip() + "…"
    return {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": shown,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def card_of(view: View) -> str:
    """How an incident stands."""
    due = view.get("next_update_due") or {}
    lines = [
        f"{view.get('id')} {view.get('severity')} {view.get('priority')} {view.get('status')}: "
        f"{short(view.get('summary'), 200)}",
        f"Service: {line(view.get('service_name') or view.get('service'))}",
        f"Incident manager: {line(view.get('incident_manager') or 'nobody')}",
        f"Status page says: {view['public_status']}" if view.get("public_status") else "",
        *(f"{side} update due at {when(at)}" for side, at in due.items() if at),
    ]
    waiting = [one["id"] for one in view.get("proposals") or []]
    lines += [f"Waits for a second person: {', '.join(waiting)}"] if waiting else []
    return "\n".join(text for text in lines if text)


def people_of(view: View) -> str:
    """Who works on an incident, and as what."""
    roles = [
        f"{line(one['role']).replace('_', ' ')}: {line(one['person'])} ({one['state']})"
        for one in view.get("roles") or []
    ]
    named = {one["person"] for one in view.get("roles") or [] if one["state"] == "accepted"}
    others = [one["person"] for one in view.get("responders") or [] if one["person"] not in named]
    lines = [*roles, *([f"also there: {', '.join(map(line, others))}"] if others else [])]
    return f"{view.get('id')}\n" + ("\n".join(lines) or "nobody yet")


def listed(views: Sequence[View], *, is_more: bool) -> str:
    """The open incidents, the newest first."""
    lines = [
        f"{view.get('id')} {view.get('severity')} {view.get('status')}, "
        f"{line(view.get('incident_manager') or 'nobody')} has it: {short(view.get('summary'), 80)}"
        for view in views
    ]
    if is_more:
        lines.append("… and more: `tocsin list`")
    return "\n".join(lines) or "No incident is open."

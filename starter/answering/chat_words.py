"""What somebody types after `/tocsin`: a small grammar, and Slack's own spelling undone.

Pure: whether it may be done is judged in `slack_commands.py`, whether it can be by the incident.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from domain.names import nearest
from starter.gateway import is_incident_id

MAX_CHARS = 16_000
COMMAND = "/tocsin"
_MENTION = re.compile(r"<@([UW][A-Z0-9]{2,30})(?:\|([^<>|]*))?>")
_CHANNEL = re.compile(r"<#[CG][A-Z0-9]+(?:\|([^<>|]*))?>")
_SPECIAL = re.compile(r"<!(?:subteam\^[A-Z0-9]+\|)?([^<>|]*)(?:\|[^<>]*)?>")
_LINK = re.compile(r"<((?:https?|mailto):[^<>|\s]+)(?:\|([^<>|]*))?>")

USAGE = {
    "ack": "ack [ID]",
    "update": "update [ID] internal|external TEXT",
    "escalate": "escalate [ID] to TARGET REASON",
    "join": "join [ID]",
    "leave": "leave [ID]",
    "note": "note [ID] TEXT",
    "severity": "severity [ID] SEVERITY REASON",
    "resolve": "resolve [ID] TEXT",
    "reopen": "reopen [ID] REASON",
    "status": "status [ID]",
    "list": "list",
    "who": "who [ID]",
    "help": "help",
}
"""Every command, as it is typed."""
_ALIASES = {"acknowledge": "ack", "say": "update", "page": "escalate", "sev": "severity"}
NAMES = {
    "ack": "acknowledge",
    "update": "publish_update",
    "escalate": "escalate",
    "join": "join",
    "leave": "leave",
    "note": "note",
    "severity": "set_severity",
    "resolve": "resolve",
    "reopen": "reopen",
}
"""The command of the domain behind each word; the others read."""
_NEED_NO_INCIDENT = ("list", "help", "who")
_FREE_TEXT = ("note", "resolve", "reopen", "update")


class ChatError(Exception):
    """It cannot be read; the text says what to type instead."""


class Spoken(NamedTuple):
    """What was asked for."""

    verb: str
    """One of `USAGE`."""
    incident: str = ""
    command: str = ""
    """The domain's, where it changes something."""
    fields: dict[str, Any] = {}
    target: str = ""
    """Whom an escalation pages, as it was typed."""


def read(text: str, room: str, is_service: Callable[[str], bool]) -> Spoken:
    """Read one line.

    Args:
        text: as Slack sends it, escaped.
        room: the incident in whose room it was typed; empty elsewhere.
        is_service: whether a name is that of a service: in a room `utf-8` is a word where none is called utf.

    Raises:
        ChatError: it is none of the commands, or something is missing.
    """
    if len(text) > MAX_CHARS:
        raise ChatError(f"At most {MAX_CHARS} characters at once.")
    verb, rest = _first(text)
    verb = _ALIASES.get(verb.lower(), verb.lower()) or "help"
    if verb not in USAGE:
        near = nearest(verb, USAGE)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise ChatError(f"There is no command {verb[:50]}.{hint} `{COMMAND} help` lists them.")
    incident, rest = _incident(verb, rest, room, is_service)
    if verb not in NAMES:
        if rest:
            raise ChatError(f"Type `{COMMAND} {USAGE[verb]}`.")
        return Spoken(verb, incident)
    fields, target = _fields(verb, rest)
    return Spoken(verb, incident, NAMES[verb], fields, target)


def _first(text: str) -> tuple[str, str]:
    parts = text.split(maxsplit=1)
    return (parts[0], parts[1].strip()) if len(parts) == 2 else ((parts or [""])[0], "")


def _incident(
    verb: str, rest: str, room: str, is_service: Callable[[str], bool]
) -> tuple[str, str]:
    """Which incident is meant, and what stands behind it. Between two it is never guessed."""
    word, behind = _first(rest)
    is_id = is_incident_id(word) and (
        not room or word == room or is_service(word.rpartition("-")[0])
    )
    if not room or not is_id or word == room:
        if is_id:
            return word, behind
        if room or verb in _NEED_NO_INCIDENT:
            return room, rest
        raise ChatError(
            f"Which incident? Type `{COMMAND} {_with_id(verb)}`, or do it in the incident's room. "
            f"`{COMMAND} list` shows those that are open."
        )
    if verb in _FREE_TEXT:
        raise ChatError(
            f"This is the room of {room}, and the text begins with {word}. Type it in the room of {word}, "
            f"or as `{COMMAND} {verb} {room} …` where {room} is meant."
        )
    return word, behind


def _with_id(verb: str) -> str:
    return USAGE[verb].replace("[ID]", "ID")


def _fields(verb: str, rest: str) -> tuple[dict[str, Any], str]:
    usage = ChatError(f"Something is missing. Type `{COMMAND} {USAGE[verb]}`.")
    match verb:
        case "ack":
            if rest:
                raise usage
            return {"via": "chat"}, ""
        case "join" | "leave":
            if rest:
                raise usage
            return {}, ""
        case "update":
            side, text = _first(rest)
            if side.lower() not in ("internal", "external") or not text:
                raise ChatError(
                    f"For whom? Type `{COMMAND} {USAGE[verb]}`: internal is for colleagues, external for "
                    "the public."
                )
            return {"audience": side.lower(), "text": unescaped(text)}, ""
        case "escalate":
            target, reason = _first(rest)
            if target.lower() == "to":
                target, reason = _first(reason)
            if not target or not reason:
                raise usage
            return {"reason": unescaped(reason)}, target
        case "severity":
            severity, reason = _first(rest)
            if not severity or not reason:
                raise usage
            return {"severity": severity, "reason": unescaped(reason)}, ""
    if not rest:
        raise usage
    name = {"note": "text", "resolve": "summary", "reopen": "reason"}[verb]
    return {name: unescaped(rest)}, ""


def member_in(word: str) -> str | None:
    """The member that a mention names."""
    found = _MENTION.fullmatch(word)
    return found[1] if found else None


def unescaped(text: str) -> str:
    """A text as it was typed: mentions and links as words, for it leaves Slack and mentions nobody."""
    text = _MENTION.sub(lambda found: f"@{found[2] or found[1]}", text)
    text = _CHANNEL.sub(lambda found: f"#{found[1] or 'channel'}", text)
    text = _LINK.sub(_link, text)
    text = _SPECIAL.sub(lambda found: f"@{found[1].lstrip('@')}", text)
    return html.unescape(text) if "&" in text else text


def _link(found: re.Match[str]) -> str:
    """The address itself: what a label says of it is nobody's word."""
    return found[1].removeprefix("mailto:")

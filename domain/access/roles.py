"""The roles, and the table of what each of them may do. Deny by default: a verb without a row is nobody's.

A verb is the name of a command, or of something that a route does. Where the same command may be more or
less far-reaching (an update for colleagues, or one for the public), each has a verb of its own; `verbs_of`
says which of them a body asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any


class AccessRole(StrEnum):
    """What a token, or a person who has signed in, may do. Several at once are a set."""

    INGEST = "ingest"
    """A monitoring tool: alerts in, and nothing else."""
    VIEWER = "viewer"
    """Reads."""
    RESPONDER = "responder"
    """Works on incidents: takes them, writes down what is found, calls others in."""
    MANAGER = "manager"
    """Leads incidents: how bad it is, who does what, that it is over."""
    COMMS = "comms"
    """Speaks to the outside. Apart from manager: who leads does not publish by that alone."""
    ADMIN = "admin"
    """Policy and tokens; needs no incident's content."""


EVERY = frozenset(AccessRole)
"""What the system's own token has."""

_INGEST, _VIEWER, _RESPONDER = AccessRole.INGEST, AccessRole.VIEWER, AccessRole.RESPONDER
_MANAGER, _COMMS, _ADMIN = AccessRole.MANAGER, AccessRole.COMMS, AccessRole.ADMIN

INCLUDES: Mapping[AccessRole, frozenset[AccessRole]] = {
    _MANAGER: frozenset({_RESPONDER, _VIEWER}),
    _RESPONDER: frozenset({_VIEWER}),
    _COMMS: frozenset({_VIEWER}),
}
"""Who may do all that another role may."""

ROWS: Mapping[frozenset[AccessRole], tuple[str, ...]] = {
    frozenset({_RESPONDER}): (
        "declare", "acknowledge", "assess", "escalate", "observe", "add_theory", "resolve_theory",
        "add_experiment", "record_result", "link",
        "edit", "submit", "add_action", "complete_action",
        "add_override", "remove_override", "swap", "add_temporary", "set_contact",
        "confirm_report", "join_report", "dismiss_report",
    ),
    frozenset({_RESPONDER, _COMMS}): (
        # A communications manager takes the chair and the duties of that role without paging rights.
        "accept_role", "decline_role", "join", "leave", "note", "publish_update",
    ),
    frozenset({_MANAGER}): (
        "set_severity", "set_priority", "delegate", "hand_over", "apply_policy", "resolve", "reopen",
        "cancel", "approve", "close",
    ),
    frozenset({_COMMS}): ("publish_update_external", "release_message"),
    frozenset({_COMMS, _MANAGER}): ("approve_update", "withdraw_update"),
    frozenset({_COMMS, _ADMIN}): (
        "publish_status_page", "read_subscribers", "remove_subscriber",
    ),
    frozenset({_MANAGER, _ADMIN}): (
        # What keeps pages from people: a window for a service, and somebody else's contacts.
        "add_maintenance", "remove_maintenance", "set_contact_of_another",
    ),
    frozenset({_RESPONDER, _ADMIN}): ("test_page",),
    frozenset({_VIEWER}): (
        "read_incidents", "read_postmortem", "export_postmortem", "listen", "read_reports",
    ),
    frozenset({_VIEWER, _ADMIN}): (
        "read_oncall", "read_load", "read_maintenance", "read_heartbeats", "read_policy", "explain",
    ),
    frozenset({_ADMIN}): (
        "reload_policy", "list_tokens", "create_token", "revoke_token", "read_webhook_secret",
    ),
    frozenset({_INGEST}): ("ingest", "beat"),
    EVERY: ("whoami",),
}  # fmt: skip
"""The matrix: any one of these roles is enough for these verbs."""

VERBS: Mapping[str, frozenset[AccessRole]] = {
    verb: roles for roles, verbs in ROWS.items() for verb in verbs
}

_VARIANTS: Mapping[str, tuple[str, ...]] = {
    "publish_update": ("publish_update", "publish_update_external"),
    "set_contact": ("set_contact", "set_contact_of_another"),
}
"""Commands of which some bodies need one right and others another."""

WORDS: Mapping[str, str] = {
    "publish_update_external": "publish_update external",
    "set_contact_of_another": "set_contact for somebody else",
    "read_incidents": "reading incidents",
    "read_postmortem": "reading a postmortem",
    "read_oncall": "reading who is on call",
    "read_load": "reading how much people were paged",
    "read_maintenance": "reading maintenance windows",
    "read_heartbeats": "reading heartbeats",
    "read_policy": "reading the policy",
    "read_reports": "reading reports",
    "read_subscribers": "reading who subscribed",
    "remove_subscriber": "removing a subscriber",
    "read_webhook_secret": "reading a webhook's secret",
    "listen": "listening to changes",
    "ingest": "sending alerts",
    "beat": "sending a heartbeat",
}
"""How a verb is called to a person, where its name is no command's."""


def expanded(roles: Iterable[AccessRole]) -> frozenset[AccessRole]:
    """The roles with those that they include."""
    given = frozenset(roles)
    return given.union(*(INCLUDES.get(role, frozenset()) for role in given))


def may(roles: Iterable[AccessRole], verb: str) -> bool:
    """Whether any of the roles may do it."""
    return not expanded(roles).isdisjoint(VERBS.get(verb, frozenset()))


def may_some(roles: Iterable[AccessRole], command: str) -> bool:
    """Whether there is a body with which the roles may give this command."""
    given = frozenset(roles)
    return any(may(given, verb) for verb in _VARIANTS.get(command, (command,)))


def verbs_of(command: str, fields: Mapping[str, Any], actor: str) -> tuple[str, ...]:
    """Every verb that a command with these fields is; all of them have to be allowed.

    Args:
        command: as in the registries of commands, or `declare`.
        fields: of its body, as they were sent.
        actor: who does it.
    """
    if command == "publish_update":
        # Whatever is not plainly internal counts as external.
        inside = fields.get("audience") == "internal"
        return ("publish_update",) if inside else ("publish_update_external",)
    if command == "assess":
        judged = [name for name in ("severity", "priority") if fields.get(name) is not None]
        return ("assess", *(f"set_{name}" for name in judged))
    if command == "decide":  # of a report
        return ("confirm_report",) if fields.get("incident") else ("dismiss_report",)
    if command == "set_contact":
        own = fields.get("person") == actor
        return ("set_contact",) if own else ("set_contact_of_another",)
    return (command,)


def forbidden(roles: Iterable[AccessRole], verb: str, who: str = "this token") -> str:
    """Why not, in a sentence that names the role that is missing."""
    wanted = [role.value for role in AccessRole if role in VERBS.get(verb, frozenset())]
    has = [role.value for role in AccessRole if role in frozenset(roles)]
    what = WORDS.get(verb, verb)
    if not wanted:
        return f"{what} is allowed to nobody"
    held = " and ".join([", ".join(has[:-1]), has[-1]] if len(has) > 1 else has) or "no role"
    return f"{what} needs the role {' or '.join(wanted)}; {who} has {held}"

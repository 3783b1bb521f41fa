"""What the room of an incident shows: topic, card, the buttons of what is possible now."""

from __future__ import annotations

from typing import Any

from domain.commands import COMMANDS
from domain.incident import Incident, RoleState, Status
from domain.rooms import TOPIC_CHARS, RoomWanted

BUTTONS = ("acknowledge", "join", "publish_update", "escalate", "resolve", "reopen")
"""Commands that have a button, in this order, where the state takes them."""
_SUMMARY_CHARS = 20
"""Less of a summary says nothing."""
_SHOWN = ("severity", "priority", "status", "summary", "service_name", "next_update_due",
          "public_status", "incident_manager")  # fmt: skip
"""What of the view the card says as it is. Whatever changes all the time is not in it: each change is
an edit, and of those a chat allows one a second."""


def wanted(incident: Incident, archive: str) -> RoomWanted:
    """What the room is to be now.

    It decides when the room is kept: a field that is added, or a button, changes what open incidents do
    and needs a gate (`workflow.patched`), with the old answer for those from before.

    Args:
        archive: when it is archived: never, resolved, closed.
    """
    view = incident.view()
    roles = [
        {"title": incident.policy.role(held.role).title, "person": held.person}
        for held in incident.roles
        if held.state is RoleState.ACCEPTED
    ]
    card: dict[str, Any] = {name: view[name] for name in _SHOWN}
    card |= {
        "roles": roles,
        "responders": [responder.person for responder in incident.responders],
        "waiting": [one.id for one in incident.proposals],
        "is_confirmed": incident.confirmed_at is not None,
        "open_questions": len(view["open_questions"]),
        "links": _links(incident),
    }
    return RoomWanted(
        topic=topic(incident),
        card=card,
        buttons=legal(incident),
        people=[responder.person for responder in incident.responders],
        archived=_is_to_be_archived(incident, archive),
    )


def legal(incident: Incident) -> list[str]:
    """The commands with a button that the incident takes now."""
    found = [name for name in BUTTONS if incident.status in COMMANDS[name].allowed]
    is_asked = incident.status is Status.RAISED or bool(incident.active_pages())
    return [name for name in found if name != "acknowledge" or is_asked]


def topic(incident: Incident) -> str:
    """One line of at most 250 characters: how bad, who has which role, what, where; no link is cut."""
    parts = [f"{incident.severity} {incident.status}"]
    roles = [
        f"{incident.policy.role(held.role).title}: {held.person}"
        for held in incident.roles
        if held.state is RoleState.ACCEPTED
    ]
    for more in [*roles, *(link["url"] for link in _links(incident))]:
        if len(" · ".join([*parts, more])) <= TOPIC_CHARS:
            parts.append(more)
    room = TOPIC_CHARS - len(" · ".join(parts)) - 3
    summary = " ".join(incident.summary.split())
    if len(summary) > room:
        summary = summary[: room - 1].rstrip() + "…" if room >= _SUMMARY_CHARS else ""
    return " · ".join([parts[0], *([summary] if summary else []), *parts[1:]])


def _links(incident: Incident) -> list[dict[str, str]]:
    places = incident.communications
    found = (("Bridge", places.bridge), ("Document", places.document), ("Incident", incident.url))
    return [{"label": label, "url": url} for label, url in found if url]


def _is_to_be_archived(incident: Incident, archive: str) -> bool:
    if archive == "never":
        return False
    return incident.is_over or (archive == "resolved" and incident.status is Status.RESOLVED)

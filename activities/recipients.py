"""Who a message is for, looked up when it is sent: names of the policy become addresses here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from activities.delivery import Postman
from domain.audiences import groups_told
from domain.messages import Announcement, Purpose
from domain.on_call import resolve_targets
from domain.policy.audiences import Place
from domain.policy.model import Policy
from domain.policy.person import Contact
from domain.policy.slice import plan_for
from domain.status_page.incidents import is_for_the_public
from domain.updates import Audience

View = Mapping[str, Any]
_PUBLIC = (Place.STATUS_PAGE, Place.SUBSCRIBERS)
SIDES = {
    Purpose.INTERNAL_UPDATE: Audience.INTERNAL,
    Purpose.EXTERNAL_UPDATE: Audience.EXTERNAL,
}
AUDIENCE = "audience:"
"""What stands before the name of one of the policy's audiences."""


@dataclass
class Addressees:
    """Who is written to, and what a person should know of who is not."""

    reached: dict[str, Contact] = field(default_factory=dict)
    """Contact by recipient."""
    unreached: dict[str, str] = field(default_factory=dict)
    """Why nothing can be sent, by recipient."""
    awaited: dict[str, str] = field(default_factory=dict)
    """Why nothing can be sent yet, by recipient: asked for again."""
    notes: list[str] = field(default_factory=list)
    frames: dict[str, str] = field(default_factory=dict)
    """Folder of the text's frame, by recipient; who stands in none gets the announcement's own."""

    def keep(self, only: list[str]) -> None:
        """Leave out everybody else; an empty list leaves out nobody."""
        if only:
            self.reached = {name: one for name, one in self.reached.items() if name in only}
            self.unreached = {name: why for name, why in self.unreached.items() if name in only}
            self.awaited = {name: why for name, why in self.awaited.items() if name in only}

    def knows(self, contact: Contact) -> bool:
        """Whether the address is written to already."""
        return any(
            (c.channel, c.to) == (contact.channel, contact.to) for c in self.reached.values()
        )


def addressees(
    announcement: Announcement, incident: View, policy: Policy, postman: Postman, at: datetime
) -> Addressees:
    """Expand an announcement's recipients; each address is written to once."""
    found = Addressees()
    for recipient in announcement.recipients:
        if recipient == "stakeholders":
            _add_stakeholders(found, incident, policy, postman)
        elif recipient == "status_page":
            _add_public(found, Place.STATUS_PAGE, incident, policy)
        elif recipient.startswith(AUDIENCE):
            name = recipient.removeprefix(AUDIENCE)
            why = _why_not_told(name, announcement, incident, policy)
            if why is None:
                _add_audience(found, name, incident, policy, postman)
            else:
                found.notes.append(why)
        elif recipient == "operator":
            found.reached["operator"] = Contact(channel="operator", to="operator")
        else:
            for person in _people(found, recipient, incident, policy, at):
                _add_person(found, person, policy, postman)
    return found


def without_policy(announcement: Announcement, why: str) -> Addressees:
    """What can be reached while no policy can be read: only what needs none."""
    found = Addressees(notes=[why])
    for recipient in announcement.recipients:
        if recipient in ("status_page", "operator"):
            to = recipient.replace("_", " ")
            found.reached[recipient] = Contact(channel=recipient, to=to)
        else:
            found.unreached[recipient] = why
    return found


def _people(
    found: Addressees, recipient: str, incident: View, policy: Policy, at: datetime
) -> list[str]:
    if recipient == "next_step":
        return _next_step(incident, policy, at)
    targets = policy.catch_all() if recipient == "catch_all" else [recipient]
    people, reasons = resolve_targets(policy, targets, at)
    if not people:
        found.unreached[recipient] = "; ".join(reasons) or "nobody stands behind it"
    return [entry.person for entry in people]


def _next_step(incident: View, policy: Policy, at: datetime) -> list[str]:
    """Whom the escalation policy would page next: the first of its second step, else of its first."""
    steps = plan_for(policy, str(incident.get("service"))).steps
    in_order = [*steps[1:2], *steps[:1], *steps[2:]]
    manager = incident.get("incident_manager")
    for targets in [*(step.targets for step in in_order), policy.catch_all()]:
        people, _ = resolve_targets(policy, targets, at)
        others = [entry.person for entry in people if entry.person != manager]
        if others:
            return others[:1]
    return [manager] if manager in policy.people else []


def _add_person(found: Addressees, person: str, policy: Policy, postman: Postman) -> None:
    usable = postman.usable_contacts(person, policy.people[person].contacts, pages=False)
    if usable.contacts:
        found.reached.setdefault(f"person:{person}", usable.contacts[0][1])
    else:
        found.notes += usable.skipped
        found.unreached[f"person:{person}"] = f"{person} has no usable contact"


def _add_stakeholders(found: Addressees, incident: View, policy: Policy, postman: Postman) -> None:
    before = len(found.reached)
    known = {(contact.channel, contact.to) for contact in found.reached.values()}
    for key, contacts in groups_told(policy, incident):
        usable = postman.usable_contacts(f"stakeholders {key}", contacts, pages=False)
        found.notes += usable.skipped
        for index, contact in usable.contacts:
            if (contact.channel, contact.to) not in known:
                known.add((contact.channel, contact.to))
                found.reached[f"stakeholders:{key}/{index}"] = contact
    if len(found.reached) > before:
        return
    manager = incident.get("incident_manager")
    if manager in policy.people:
        found.notes.append(f"no stakeholder can be told: {manager} is told instead")
        _add_person(found, str(manager), policy, postman)
        return
    found.notes.append("no stakeholder can be told, and there is no incident manager")
    found.unreached["stakeholders"] = "no stakeholder and no incident manager"


def _why_not_told(
    name: str, announcement: Announcement, incident: View, policy: Policy
) -> str | None:
    """Why an audience is left out; None where it is told.

    Its addresses are those of the policy in force, which may have made another audience of it than the
    one that the incident pins: nothing internal leaves by them, and nothing that nobody has read.
    """
    audience = policy.audiences.get(name)
    if audience is None:
        return f"audience {name} is not in the policy any more"
    side = SIDES.get(announcement.purpose)
    if side is not None and audience.hears is not side:
        return (
            f"audience {name} hears {audience.hears} updates by the policy in force: it is not told"
        )
    # The fixed last text of a cancelled incident goes out without, for nobody can approve it any more.
    is_read = announcement.context.get("approved") or incident.get("status") == "cancelled"
    if side is Audience.EXTERNAL and audience.approval and not is_read:
        return (
            f"audience {name} asks for approval by the policy in force, and nobody has approved this: it is "
            "not told; apply the policy to the incident and publish again"
        )
    return None


def _add_audience(
    found: Addressees, name: str, incident: View, policy: Policy, postman: Postman
) -> None:
    """Its places and its addresses."""
    audience = policy.audiences[name]
    for place in audience.places:
        room = (incident.get("communications") or {}).get("room_ref")
        if place in _PUBLIC:
            _add_public(found, place, incident, policy)
        elif place is not Place.ROOM:
            found.reached.setdefault(place.value, _place(place))
        elif room:
            found.reached.setdefault(place.value, Contact(channel="room", to=str(room)))
        elif (incident.get("communications") or {}).get("room_awaited"):
            found.awaited[place.value] = "the room is not made yet"
    usable = postman.usable_contacts(f"audience {name}", audience.to, pages=False)
    found.notes += usable.skipped
    for index, contact in usable.contacts:
        if not found.knows(contact):
            recipient = f"{AUDIENCE}{name}/{index}"
            found.reached[recipient] = contact
            if audience.template:
                found.frames[recipient] = audience.template


def _add_public(found: Addressees, place: Place, incident: View, policy: Policy) -> None:
    """The page, or those who subscribed to it: they hear of nothing that it may not show.

    What was said outside stands in the outbox all the same, as the page's message: it is the one place
    where all of it is.
    """
    service = str(incident.get("service"))
    is_shown = is_for_the_public(policy, service, str(incident.get("type") or "default"))
    if is_shown or place is Place.STATUS_PAGE:
        found.reached.setdefault(place.value, _place(place))
    if is_shown:
        return
    note = f"by the policy the status page shows nothing of {service}: the text stands in the outbox only"
    if note not in found.notes:
        found.notes.append(note)


def _place(place: Place) -> Contact:
    return Contact(channel=place.value, to=place.value.replace("_", " "))

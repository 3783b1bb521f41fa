"""Who is told: names of recipients, from the roles that people hold and the audiences of the policy."""

from __future__ import annotations

from domain.audiences import owners
from domain.facts import UpdatePublished
from domain.incident import Incident
from domain.roles import COMMUNICATIONS_MANAGER, INCIDENT_MANAGER
from domain.updates import Audience, Stage, UpdateStatus


def owner_of_updates(incident: Incident, side: Audience) -> str:
    """The role that owes a side its updates: the policy's own where somebody holds it."""
    for role in owners(incident.policy.audiences, side, incident.severity):
        if incident.holders(role):
            return role
    return COMMUNICATIONS_MANAGER if incident.holders(COMMUNICATIONS_MANAGER) else INCIDENT_MANAGER


def whom_to_remind(incident: Incident, role: str, stage: Stage) -> list[str]:
    """Recipients of a reminder: the holder of a role, their deputy, or the incident manager."""
    managers = incident.holders(INCIDENT_MANAGER)
    holders = incident.holders(role)
    if stage is Stage.DEPUTY:
        if len(holders) > 1:
            return [f"person:{holders[1]}"]
        if role == INCIDENT_MANAGER:
            return ["next_step"]  # whoever the escalation policy would page next
        holders = managers
    elif stage is Stage.MANAGER:
        holders = managers
    return [f"person:{holders[0]}"] if holders else ["catch_all"]


def readers(incident: Incident, side: Audience, author: str, *, is_again: bool) -> list[str]:
    """Who is asked to approve a text: those who owe the side its updates, but its author; later the
    incident manager too."""
    roles = [owner_of_updates(incident, side)]
    if is_again or not others_than(author, incident.holders(roles[0])):
        roles.append(INCIDENT_MANAGER)
    people = [person for role in roles for person in others_than(author, incident.holders(role))]
    # Whoever the escalation policy would page next: never the incident manager.
    return [f"person:{person}" for person in dict.fromkeys(people)] or ["next_step"]


def others_than(author: str, people: list[str]) -> list[str]:
    """The people without the author."""
    return [person for person in people if person != author]


def recipients_of(incident: Incident, fact: UpdatePublished) -> list[str]:
    """Who hears a published update: the audiences that it is for, and inside the stakeholders."""
    if fact.audiences is None:
        return ["stakeholders"] if fact.audience is Audience.INTERNAL else ["status_page"]
    # A text that waited went to the stakeholders when it was proposed.
    groups = [] if fact.proposal or fact.audience is Audience.EXTERNAL else ["stakeholders"]
    page = ["status_page"] if fact.on_status_page else []
    return [*groups, *page, *(f"audience:{name}" for name in fact.audiences)]


def was_told_its_over(incident: Incident) -> bool:
    """Whether the last that the outside was told is that the incident is resolved."""
    public = [update for update in incident.updates if update.audience is Audience.EXTERNAL]
    return bool(public) and public[-1].status is UpdateStatus.RESOLVED

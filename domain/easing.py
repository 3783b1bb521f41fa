"""What follows where somebody has too much: pages taken back, the manager told, the order said anew.

Part of `reactions.py`, which asks here; in a module of its own for its length.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain import facts as f
from domain.aggregate import Effect
from domain.handing_over import withdrawals
from domain.incident import Incident
from domain.messages import Announcement, Purpose


def always(incident: Incident) -> Iterable[Effect]:
    """Asked after every fact: whatever it made needless is taken back from the entities of people."""
    yield from withdrawals(incident)


def overloaded(incident: Incident, person: str) -> Iterable[Effect]:
    """The incident manager hears that somebody carries too much; without one, whoever becomes it."""
    manager = incident.incident_manager
    sentence = incident.overloaded.get(person)
    if manager is None or sentence is None:
        return
    key = f"{incident.id}/remind/overloaded/{person}/{manager}"
    announcement = Announcement(
        key=key,
        purpose=Purpose.REMINDER,
        template="reminder",
        recipients=[f"person:{manager}"],
        context={"topic": "overloaded", "what": sentence},
    )
    yield Effect(key=key, kind="remind", input=announcement.model_dump(mode="json"))


def acknowledged(incident: Incident, fact: f.Acknowledged) -> Iterable[Effect]:
    """Whoever takes charge hears who carries too much."""
    if fact.first or fact.takes_charge:
        for person in incident.overloaded:
            yield from overloaded(incident, person)


def order_changed(
    incident: Incident, fact: f.SeverityChanged | f.PriorityChanged
) -> Iterable[Effect]:
    """Whoever was paged for it or manages it may have another incident that goes first now."""
    people = dict.fromkeys([*incident.reached, *filter(None, [incident.incident_manager])])
    if not incident.is_open or not people:
        return
    if isinstance(fact, f.SeverityChanged):
        severity = fact.old
        has_own = incident.has_own_priority
        priority = incident.priority if has_own else incident.policy.priority_for(fact.old)
    else:
        severity, priority = incident.severity, fact.old
    yield Effect(
        key=f"{incident.id}/rank/{incident.seq + 1}",
        kind="review_rank",
        input={"people": list(people), "severity": severity, "priority": priority},
    )

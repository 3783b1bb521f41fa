"""Who carries how much: roles, minutes, and in how many incidents at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from domain.incident import Incident


class Load(BaseModel):
    """One responder's load in one incident."""

    person: str
    roles: list[str]
    minutes_active: int
    open_incidents: int


def workload(incident: Incident, now: datetime, elsewhere: Mapping[str, int]) -> list[Load]:
    """The load of everybody who works on the incident.

    Args:
        elsewhere: number of other open incidents per person, as far as known.
    """
    end = incident.resolved_at or now
    return [
        Load(
            person=responder.person,
            roles=incident.roles_of(responder.person),
            minutes_active=max(int((end - responder.joined_at).total_seconds() // 60), 0),
            open_incidents=elsewhere.get(responder.person, 0) + (1 if incident.is_open else 0),
        )
        for responder in incident.responders
    ]

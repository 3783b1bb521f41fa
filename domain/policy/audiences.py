"""Who is told of an incident beside those who work on it: audiences, as the policy writes them.

An audience hears the internal or the external updates. Groups of `stakeholders` are audiences that hear
the internal ones; what is here adds the rest: the room, the whole company, customers, subscribers,
social networks, other programs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.policy.base import Strict
from domain.policy.person import Contact
from domain.policy.value import Interval
from domain.updates import Audience as Side


class Place(StrEnum):
    """Where an audience is that has no address."""

    ROOM = "room"
    """The incident's own chat room."""
    STATUS_PAGE = "status_page"
    """Our status page."""
    SUBSCRIBERS = "subscribers"
    """Who has subscribed on the status page, each by the way they chose."""


class AudiencePolicy(Strict):
    """Who they are, what they hear and how often, whose text it is."""

    hears: Side
    severities: list[str] | None = None
    """None is every severity."""
    services: list[str] | None = None
    """None is every service."""
    places: list[Place] = []
    to: list[Contact] = []
    """Addresses: a mailing list, a company-wide channel, a social network, a webhook."""
    update_every: dict[str, Interval] = {}
    """Interval by severity. The shortest of those who hear a side runs its clock."""
    template: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,60}$")
    """Folder of the text's frame. None is `internal_update` or `external_update`."""
    owner: str | None = None
    """Role that owes this audience its updates. None: the communications manager, else the incident
    manager."""
    approval: bool = False
    """Whether a second person approves each update before it reaches them."""


def default_audiences() -> dict[str, AudiencePolicy]:
    """The room hears what is said inside, the status page and its subscribers what is said outside."""
    return {
        "responders": AudiencePolicy(hears=Side.INTERNAL, places=[Place.ROOM]),
        "customers": AudiencePolicy(hears=Side.EXTERNAL, places=[Place.STATUS_PAGE]),
        "subscribers": AudiencePolicy(hears=Side.EXTERNAL, places=[Place.SUBSCRIBERS]),
    }


def with_default_audiences(value: Any) -> Any:
    """A file that names one audience leaves the others as they are, and of that one what it omits."""
    if not isinstance(value, dict):
        return value
    shown = {name: one.model_dump() for name, one in default_audiences().items()}
    named = {
        name: {**shown.get(name, {}), **one} if isinstance(one, dict) else one
        for name, one in value.items()
    }
    return {**shown, **named}

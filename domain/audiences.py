"""Who hears an incident's updates, how often and whose text it is: the audiences as an incident pins them.

No address is in here. Which contacts stand behind an audience is looked up when a message is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from domain.durations import Duration
from domain.policy.audiences import Place
from domain.policy.model import Policy, SeverityLevel
from domain.policy.person import Contact
from domain.updates import Audience

WORKING_ON_IT = "responders"
"""The audience that hears of every incident: it is those who work on it."""


class PinnedAudience(BaseModel):
    """One audience of an incident's process and service."""

    hears: Audience
    severities: list[str] | None = None
    places: list[Place] = []
    channels: list[str] = []
    """Of its contacts: how long a text may be depends on them."""
    update_every: dict[str, Duration] = {}
    owner: str | None = None
    approval: bool = False


Pinned = Mapping[str, PinnedAudience]


def pinned_audiences(policy: Policy, service: str, kind: str) -> dict[str, PinnedAudience]:
    """The audiences of a service's incidents of that kind.

    A process that names audiences of a side speaks on that side to those only, and to whoever works on
    the incident.
    """
    named, narrowed = policy.process(kind).audiences, _narrowed(policy, kind)
    found = {}
    for name, one in policy.audiences.items():
        is_named = named is None or name in named or one.hears not in narrowed
        has_service = one.services is None or service in one.services
        if (is_named or name == WORKING_ON_IT) and has_service:
            found[name] = PinnedAudience(
                hears=one.hears,
                severities=one.severities,
                places=list(one.places),
                channels=list(dict.fromkeys(contact.channel for contact in one.to)),
                update_every=dict(one.update_every),
                owner=one.owner,
                approval=one.approval,
            )
    return found


def _narrowed(policy: Policy, kind: str) -> set[Audience]:
    """The sides on which a process speaks only to whom it names; one that names nobody means both."""
    named = policy.process(kind).audiences
    if named is None:
        return set()
    if not named:
        return set(Audience)
    groups = {Audience.INTERNAL} if set(named) & set(policy.stakeholders) else set[Audience]()
    return groups | {policy.audiences[name].hears for name in named if name in policy.audiences}


def hearing(audiences: Pinned, side: Audience, severity: str) -> dict[str, PinnedAudience]:
    """Those that hear a side at that severity, in the policy's order."""
    return {
        name: one
        for name, one in audiences.items()
        if one.hears is side and (one.severities is None or severity in one.severities)
    }


def groups_told(policy: Policy, view: Mapping[str, Any]) -> Iterator[tuple[str, list[Contact]]]:
    """The groups of stakeholders that hear of an incident: by severity, service, and its process.

    Args:
        view: the incident's view.
    """
    kind = str(view.get("type") or "default")
    named, narrowed = policy.process(kind).audiences, _narrowed(policy, kind)
    for key, group in policy.stakeholders.items():
        is_wanted = named is None or key in named or Audience.INTERNAL not in narrowed
        has_service = group.services is None or view.get("service") in group.services
        if is_wanted and has_service and view.get("severity") in group.severities:
            yield key, group.to


def interval(
    audiences: Pinned, side: Audience, severity: str, level: SeverityLevel
) -> timedelta | None:
    """How often a side is owed an update: the shortest that the severity or any audience says."""
    own = getattr(level.update_every, side.value)
    asked = [
        one.update_every[severity]
        for one in hearing(audiences, side, severity).values()
        if severity in one.update_every
    ]
    return min([*asked, *([own] if own is not None else [])], default=None)


def owners(audiences: Pinned, side: Audience, severity: str) -> list[str]:
    """The roles that owe the side its updates, where the policy names any, the first first."""
    named = [one.owner for one in hearing(audiences, side, severity).values() if one.owner]
    return list(dict.fromkeys(named))


def is_on_status_page(audiences: Pinned, names: Iterable[str]) -> bool:
    """Whether an update for these audiences stands on the status page."""
    return any(Place.STATUS_PAGE in audiences[name].places for name in names if name in audiences)

"""The words that a status page has for how things stand. Source: Statuspage's public API, version 2."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from domain.policy.model import Policy


class ComponentStatus(StrEnum):
    """How one component stands."""

    OPERATIONAL = "operational"
    UNDER_MAINTENANCE = "under_maintenance"
    DEGRADED = "degraded_performance"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"

    @property
    def badness(self) -> int:
        """The worse, the higher; nothing wrong is 0."""
        return _BADNESS[self]


_BADNESS = {one: position for position, one in enumerate(ComponentStatus)}


class Impact(StrEnum):
    """How bad an incident is for those outside."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    MAINTENANCE = "maintenance"


DOWN: dict[ComponentStatus, float] = {
    ComponentStatus.MAJOR_OUTAGE: 1.0,
    ComponentStatus.PARTIAL_OUTAGE: 0.3,
}
"""How much of a minute counts as down; the others not at all. Source: Statuspage on uptime."""

_BY_IMPACT = {
    Impact.CRITICAL: ComponentStatus.MAJOR_OUTAGE,
    Impact.MAJOR: ComponentStatus.PARTIAL_OUTAGE,
    Impact.MINOR: ComponentStatus.DEGRADED,
}
_OVERALL = {
    ComponentStatus.OPERATIONAL: (Impact.NONE, "All Systems Operational"),
    ComponentStatus.UNDER_MAINTENANCE: (Impact.MAINTENANCE, "Service Under Maintenance"),
    ComponentStatus.DEGRADED: (Impact.MINOR, "Partially Degraded Service"),
    ComponentStatus.PARTIAL_OUTAGE: (Impact.MAJOR, "Partial System Outage"),
    ComponentStatus.MAJOR_OUTAGE: (Impact.CRITICAL, "Major Service Outage"),
}


def impact_of(policy: Policy, severity: str) -> Impact:
    """What a severity means outside: the worst major one is critical, another major one major, else minor.

    A severity that the policy has no longer is minor: nobody knows how bad it was.
    """
    level = policy.severities.get(severity)
    if level is None or not level.major:
        return Impact.MINOR
    return Impact.CRITICAL if severity == next(iter(policy.severities)) else Impact.MAJOR


def component_status(impact: Impact) -> ComponentStatus:
    """What an incident of that impact makes of its component while it lasts."""
    return _BY_IMPACT.get(impact, ComponentStatus.OPERATIONAL)


def worst(states: Iterable[ComponentStatus]) -> ComponentStatus:
    """The worst of them; nothing at all is operational."""
    return max(states, key=lambda one: one.badness, default=ComponentStatus.OPERATIONAL)


def overall(states: Iterable[ComponentStatus]) -> tuple[Impact, str]:
    """Indicator and description of the whole page, in Statuspage's words."""
    return _OVERALL[worst(states)]

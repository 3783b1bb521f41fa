"""The likely cause: an open incident on something that a service depends on.

The pages for the dependents wait while it lasts, so that nobody is paged twice for one thing, and go out
when it ends while they still fire. Held is only what an alert raised, and only for an incident that pages
itself and is at least as bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from pydantic import BaseModel

from domain.policy.model import Policy
from domain.policy.slice import PolicySlice

CHECK_EVERY = timedelta(minutes=5)
"""A held page looks again whether its cause is still open: a word of its end may be lost."""
DEPENDENTS_KEPT = 500
RELATED_WITHIN = timedelta(minutes=15)
"""Dependents that were raised so long before their cause are linked to it; what is older had another."""


class Suspect(BaseModel):
    """An incident as a possible cause of others. Answer of its query `as_cause`."""

    id: str
    service: str
    summary: str
    severity: str
    is_open: bool
    pages: bool
    """Whether it has paged, or pages now: somebody hears of it."""


class LikelyCause(BaseModel):
    """Why a page is held."""

    incident: str
    service: str
    severity: str
    why: str
    """`checkout depends on database`, with everything in between."""


class Dependent(BaseModel):
    """Signal `dependent` to the cause: an incident that is put down to it."""

    incident: str
    service: str
    why: str = ""
    held: bool = True
    """Whether its page waits for the end of this one."""


class CauseWord(BaseModel):
    """Signal `cause` to a dependent: its cause is over, or is known only now."""

    incident: str
    how: str = ""
    """`resolved` or `cancelled`; empty: it has been found only now."""


class TellCause(BaseModel):
    """Input of the activity `tell_cause`."""

    cause: str
    dependent: Dependent


class TellDependents(BaseModel):
    """Input of the activity `tell_dependents`."""

    dependents: list[str]
    word: CauseWord


def paths_to_causes(policy: Policy, service: str) -> dict[str, list[str]]:
    """By service, the way to each that `service` depends on, directly or not; the nearest first."""
    found: dict[str, list[str]] = {}
    waiting = [[service]]
    while waiting:
        path = waiting.pop(0)
        for name in policy.service(path[-1]).depends_on:
            if name != service and name not in found:
                found[name] = [*path, name]
                waiting.append(found[name])
    return found


def direct_dependents(policy: Policy) -> dict[str, list[str]]:
    """By service, those that name it in `depends_on`."""
    found: dict[str, list[str]] = {}
    for name, service in policy.services.items():
        for other in service.depends_on:
            found.setdefault(other, []).append(name)
    return found


def dependents_of(direct: Mapping[str, Sequence[str]], service: str) -> list[str]:
    """Every service that depends on this one, directly or not.

    Args:
        direct: as `direct_dependents` finds them.
    """
    found: dict[str, None] = {}
    waiting = [service]
    while waiting:
        for name in direct.get(waiting.pop(), ()):
            if name != service and name not in found:
                found[name] = None
                waiting.append(name)
    return list(found)


def why(path: Iterable[str]) -> str:
    """A way through the dependencies in words."""
    return ", ".join(f"{one} depends on {other}" for one, other in pairwise(path))


def holds(suspect: Suspect, severity: str, policy: PolicySlice) -> bool:
    """Whether a page of that severity waits for the end of another incident."""
    is_worse = policy.is_higher(severity, suspect.severity)
    return suspect.is_open and suspect.pages and not is_worse

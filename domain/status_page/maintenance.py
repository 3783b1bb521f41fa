"""Planned work as the outside reads it: when, on what, and what the policy says of it to the public."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.maintenance import Window, windows_of
from domain.policy.model import Policy
from domain.status_page.ids import public_id

Windows = Mapping[str, Sequence[Window]]
"""The windows made at run time, by service."""


class PublicMaintenance(BaseModel):
    """One piece of planned work. Why it is done is internal, so its reason is not in here."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    text: str
    start: datetime
    end: datetime
    services: tuple[str, ...]
    """Keys of the policy, in its order."""
    components: tuple[str, ...]
    """Their public ids."""
    component_names: tuple[str, ...]

    def status(self, at: datetime) -> Literal["scheduled", "in_progress", "completed"]:
        """In Statuspage's words."""
        if at < self.start:
            return "scheduled"
        return "in_progress" if at < self.end else "completed"


def public_maintenances(
    policy: Policy, made: Windows, at: datetime, kept: timedelta
) -> list[PublicMaintenance]:
    """The planned work on public services that is to come, lasts, or ended within `kept`; earliest first.

    A window of the policy that holds several services is one piece of work.

    Args:
        made: those made at run time, by service.
    """
    together: dict[tuple[str, datetime, datetime], list[str]] = {}
    texts: dict[tuple[str, datetime, datetime], str] = {}
    for service, window in _windows(policy, made):
        if not policy.service(service).public or window.end < at - kept:
            continue
        named = window.id if window.source == "policy" else f"{service}/{window.id}"
        key = (f"{window.source}/{named}", window.start, window.end)
        together.setdefault(key, []).append(service)
        texts[key] = window.public_text
    found = [_public(policy, key, names, texts[key]) for key, names in together.items()]
    return sorted(found, key=lambda one: (one.start, one.id))


def _windows(policy: Policy, made: Windows) -> Iterator[tuple[str, Window]]:
    for service in policy.services:
        for window in [*windows_of(policy, service), *made.get(service, ())]:
            yield service, window


def _public(
    policy: Policy, key: tuple[str, datetime, datetime], services: list[str], text: str
) -> PublicMaintenance:
    name, start, end = key
    names = [policy.service(service).name or service for service in services]
    listed = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
    return PublicMaintenance(
        id=public_id("maintenance", f"{name}/{start.isoformat()}"),
        name=f"Maintenance of {_and(listed)}",
        text=text or f"{_and(listed)} may be unavailable at times while we work on it.",
        start=start,
        end=end,
        services=tuple(services),
        components=tuple(public_id("component", service) for service in services),
        component_names=tuple(names),
    )


def _and(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

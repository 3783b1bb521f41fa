"""The whole page: what is shown, in which order, and how all of it stands together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from domain.policy.model import Policy
from domain.status_page.ids import public_id
from domain.status_page.incidents import PublicIncident, View, public_incident
from domain.status_page.maintenance import PublicMaintenance, Windows, public_maintenances
from domain.status_page.states import ComponentStatus, Impact, overall, worst
from domain.status_page.uptime import Day, Span, Uptime, last_days, uptime

HISTORY = timedelta(days=366)
"""How far back ended incidents are shown."""
STEP = timedelta(minutes=10)
"""Uptime is counted in steps: a page without news stays the same in between, byte by byte, and is not
written anew everywhere."""


class Component(BaseModel):
    """One public service."""

    model_config = ConfigDict(frozen=True)

    id: str
    service: str
    """Key of the policy; for us, not for the outside."""
    name: str
    status: ComponentStatus
    group: str | None = None
    """Public id of its group."""
    uptime: Uptime


class Group(BaseModel):
    """Components that are shown together."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    status: ComponentStatus
    components: tuple[str, ...]
    """Their public ids."""


class StatusPageModel(BaseModel):
    """Everything that the public may read at one time, and nothing else."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    organisation: str
    url: str | None
    """Where readers find it; None where the policy does not say."""
    timezone: str
    subscribe: bool
    at: datetime
    updated_at: datetime
    """When anything on it changed last."""
    indicator: Impact
    description: str
    components: tuple[Component, ...]
    groups: tuple[Group, ...]
    open: tuple[PublicIncident, ...]
    """Incidents that last, the worst first, of those the newest."""
    ended: tuple[PublicIncident, ...]
    """Those of the last year that are over, the latest begun first."""
    maintenances: tuple[PublicMaintenance, ...]
    """Earliest first, with those that ended within the days shown."""
    days: tuple[Day, ...]
    """The days that uptime is shown for, oldest first."""

    @property
    def incidents(self) -> list[PublicIncident]:
        """Open and ended ones, the latest begun first."""
        return sorted(
            [*self.open, *self.ended], key=lambda one: (one.started_at, one.id), reverse=True
        )

    def upcoming(self) -> list[PublicMaintenance]:
        return [one for one in self.maintenances if one.status(self.at) == "scheduled"]

    def active(self) -> list[PublicMaintenance]:
        return [one for one in self.maintenances if one.status(self.at) == "in_progress"]


class _Known(NamedTuple):
    incidents: list[PublicIncident]
    maintenances: list[PublicMaintenance]
    days: list[Day]
    at: datetime
    changed_at: datetime

    @property
    def counted_to(self) -> datetime:
        """Until when uptime is counted: what has just begun shows at once."""
        step = self.at - self.days[-1].start
        whole = self.days[-1].start + step // STEP * STEP
        return max(whole, self.changed_at + timedelta(minutes=1))


def history_start(at: datetime) -> datetime:
    """Incidents that ended before this are on the page no more."""
    return at - HISTORY


def build_page(
    policy: Policy, views: Iterable[View], windows: Windows, at: datetime
) -> StatusPageModel:
    """Make the page.

    Args:
        views: incidents as their workflows show them, each once, in any order.
        windows: maintenance made at run time, by service; that of the policy is added here.
    """
    page, zone = policy.status_page, ZoneInfo(policy.status_page.timezone)
    days = last_days(at, page.history_days, zone)
    found = [one for view in views if (one := public_incident(policy, view)) is not None]
    found.sort(key=lambda one: (one.started_at, one.id), reverse=True)
    kept = at - days[0].start
    work = public_maintenances(policy, windows, at, kept)
    known = _Known(found, work, days, at, _changed_at(found, work, days[-1].start, at))
    components = _components(policy, known)
    indicator, description = overall(one.status for one in components)
    return StatusPageModel(
        id=public_id("page", policy.organisation.name),
        title=page.title or f"{policy.organisation.name} status",
        organisation=policy.organisation.name,
        url=page.url.rstrip("/") if page.url else None,
        timezone=page.timezone,
        subscribe=page.subscribe,
        at=at,
        updated_at=known.changed_at,
        indicator=indicator,
        description=description,
        components=tuple(components),
        groups=tuple(_groups(policy, components)),
        open=tuple(
            sorted(
                (one for one in found if one.is_open),
                key=lambda one: one.component_status.badness,
                reverse=True,
            )
        ),
        ended=tuple(one for one in found if not one.is_open and _is_recent(one, at)),
        maintenances=tuple(known.maintenances),
        days=tuple(days),
    )


def _is_recent(incident: PublicIncident, at: datetime) -> bool:
    return incident.ended_at is not None and incident.ended_at >= history_start(at)


def _components(policy: Policy, known: _Known) -> list[Component]:
    incidents: dict[str, list[PublicIncident]] = {}
    for one in known.incidents:
        incidents.setdefault(one.service, []).append(one)
    under_work = {
        service
        for one in known.maintenances
        if one.status(known.at) == "in_progress"
        for service in one.services
    }
    groups = _group_of(policy)
    found = []
    for key, service in policy.services.items():
        if not service.public:
            continue
        own = incidents.get(key, [])
        states = [one.component_status for one in own if one.is_open]
        if key in under_work:
            states.append(ComponentStatus.UNDER_MAINTENANCE)
        found.append(
            Component(
                id=public_id("component", key),
                service=key,
                name=service.name or key,
                status=worst(states),
                group=public_id("group", groups[key]) if key in groups else None,
                uptime=uptime(_spans(own, known.counted_to), known.days, known.counted_to),
            )
        )
    return found


def _spans(incidents: Sequence[PublicIncident], at: datetime) -> Iterable[Span]:
    for one in incidents:
        for start, end in one.spans():
            yield Span(start, at if end is None else end, one.component_status)


def _group_of(policy: Policy) -> dict[str, str]:
    """The group of each service; one that stands in several is shown in the first."""
    found: dict[str, str] = {}
    for name, services in policy.status_page.groups.items():
        for service in services:
            found.setdefault(service, name)
    return found


def _groups(policy: Policy, components: Sequence[Component]) -> Iterable[Group]:
    for name in policy.status_page.groups:
        group = public_id("group", name)
        inside = [one for one in components if one.group == group]
        if inside:
            yield Group(
                id=group,
                name=name,
                status=worst(one.status for one in inside),
                components=tuple(one.id for one in inside),
            )


def _changed_at(
    incidents: Iterable[PublicIncident],
    maintenances: Iterable[PublicMaintenance],
    today: datetime,
    at: datetime,
) -> datetime:
    """The last publication, or the last beginning or end of planned work, or else of a day."""
    moments = [today]
    for one in incidents:
        moments += [update.at for update in one.updates] + ([one.over_at] if one.over_at else [])
    for work in maintenances:
        moments += [work.start, work.end]
    return max((moment for moment in moments if moment <= at), default=today)

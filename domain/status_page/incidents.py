"""An incident as the outside reads it: its external updates, and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.policy.model import External, Policy
from domain.status_page.ids import public_id
from domain.status_page.states import ComponentStatus, Impact, component_status, impact_of
from domain.updates import Audience, Update, UpdateStatus

View = Mapping[str, Any]
_OVER = ("closed", "cancelled")


class PublicUpdate(BaseModel):
    """One published text."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: datetime
    status: UpdateStatus
    text: str
    """As its author wrote it, without a heading of its own: escaping is for whoever shows it."""
    next_update_at: datetime | None = None


class PublicIncident(BaseModel):
    """One incident with every update that was published on the status page."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    service: str
    """Key of the policy; for us, not for the outside."""
    component: str
    """Public id of its component."""
    component_name: str
    impact: Impact
    updates: tuple[PublicUpdate, ...]
    """Oldest first, at least one."""
    over_at: datetime | None = None
    """When it was closed or cancelled. After that nothing can be published, not even a last word."""

    @property
    def started_at(self) -> datetime:
        """When the public heard of it first."""
        return self.updates[0].at

    @property
    def last(self) -> PublicUpdate:
        return self.updates[-1]

    @property
    def is_open(self) -> bool:
        """Whether the public has been told of it, and not yet of its end."""
        return self.last.status is not UpdateStatus.RESOLVED and self.over_at is None

    @property
    def status(self) -> UpdateStatus:
        """As last published; resolved where it is over without a last word."""
        return self.last.status if self.is_open else UpdateStatus.RESOLVED

    @property
    def ended_at(self) -> datetime | None:
        """When it was resolved for the public, for the last time; None while it is open."""
        if self.is_open:
            return None
        *_, (_, end) = self.spans()
        return end

    @property
    def monitoring_at(self) -> datetime | None:
        """When a fix was first watched."""
        watched = (one.at for one in self.updates if one.status is UpdateStatus.MONITORING)
        return next(watched, None)

    @property
    def component_status(self) -> ComponentStatus:
        """What it makes of its component while it is open."""
        return component_status(self.impact)

    def spans(self) -> Iterator[tuple[datetime, datetime | None]]:
        """From when to when it was open for the public: several where it came back; None is until now."""
        begin: datetime | None = None
        for update in self.updates:
            if update.status is not UpdateStatus.RESOLVED:
                begin = begin or update.at
            elif begin is not None:
                yield begin, update.at
                begin = None
            elif update is self.updates[0]:
                yield update.at, update.at  # told when it was over already
        if begin is not None:
            yield begin, max(begin, self.over_at) if self.over_at else None


def is_for_the_public(policy: Policy, service: str, kind: str) -> bool:
    """Whether anything of such an incident may ever be read on the page."""
    process = policy.process(kind)
    opens = process.channels is None or "status_page" in process.channels
    is_silent = process.external is External.NEVER
    return (
        policy.service(service).public and policy.channels.status_page and opens and not is_silent
    )


def public_incident(policy: Policy, view: View) -> PublicIncident | None:
    """What the outside may read of an incident; None where nothing was published, or nothing may be.

    Args:
        view: `id, service, severity, type, status, updates, resolved_at, closed_at` of it are read.
    """
    service = str(view["service"])
    if not is_for_the_public(policy, service, view.get("type") or "default"):
        return None
    name = policy.service(service).name or service
    updates = tuple(_public_updates(view, name))
    if not updates:
        return None
    return PublicIncident(
        id=public_id("incident", str(view["id"])),
        name=f"Issues with {name}",
        service=service,
        component=public_id("component", service),
        component_name=name,
        impact=impact_of(policy, str(view.get("severity", ""))),
        updates=updates,
        over_at=_over_at(view, updates[-1]),
    )


def _public_updates(view: View, name: str) -> Iterator[PublicUpdate]:
    status = UpdateStatus.INVESTIGATING
    for number, raw in enumerate(view.get("updates") or (), start=1):
        said = Update.model_validate(raw)
        if said.audience is not Audience.EXTERNAL or not said.on_status_page:
            continue
        status = said.status or status  # who names none goes on with the one before
        yield PublicUpdate(
            id=public_id("update", f"{view['id']}/{number}"),
            at=said.at,
            status=status,
            text=_without_title(said.text, name),
            next_update_at=said.next_update_at,
        )


def _without_title(text: str, name: str) -> str:
    """A drafted text begins with its own heading, `Investigating issues with Checkout`; the page has one."""
    first, _, rest = text.strip().partition("\n")
    is_heading = first.strip().lower().endswith(f"issues with {name}".lower())
    return rest.strip() if rest.strip() and is_heading else text


def _over_at(view: View, last: PublicUpdate) -> datetime | None:
    if view.get("status") not in _OVER:
        return None
    ended = view.get("closed_at") or view.get("resolved_at")
    if isinstance(ended, str):
        ended = datetime.fromisoformat(ended)
    return ended if isinstance(ended, datetime) else last.at

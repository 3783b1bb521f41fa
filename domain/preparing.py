"""What an incident is given to begin with: its slice of the policy, its link, and who to page first."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel

from domain.escalation import PageRun
from domain.incident import Incident
from domain.likely_cause import LikelyCause
from domain.maintenance import Window
from domain.messages import ResolvedPage, ResolvePage
from domain.policy.slice import PolicySlice
from domain.raising import Origin

FRESH = timedelta(seconds=10)
"""A first page that was looked up longer ago is looked up again: shifts end."""


class PrepareIncident(BaseModel):
    """Ask for everything that a new incident needs, in one look-up: a second would cost the page time."""

    incident_id: str
    type: str
    service: str
    origin: Origin
    at: datetime
    made: list[Window] = []
    """Maintenance of the service that was made at run time."""


class Prepared(BaseModel):
    """An incident that is about to be raised."""

    policy: PolicySlice
    url: str = ""
    severity: str
    priority: str
    major: bool
    summary: str
    description: str = ""
    first_page: ResolvedPage | None = None
    """Who stands behind the first step, where that is due at once."""
    windows: list[Window] = []
    """Maintenance of the service that is not over, the policy's with it."""
    fault: str = ""
    """Why the policy's windows could not be read; then none of them holds a page."""
    cause: LikelyCause | None = None
    """The open incident for whose end the page waits."""
    at: datetime


def page_request(
    incident: Incident, run: PageRun, key: str, at: datetime, *, late: bool
) -> ResolvePage:
    """The question who is to be paged by the step that is due."""
    step = run.plan.steps[run.step] if run.step < len(run.plan.steps) else None
    return ResolvePage(
        key=key,
        incident=incident.view(),
        run=run.id,
        round=run.round,
        step=0 if run.is_paging_catch_all else run.step + 1,
        targets=["catch_all"] if run.is_paging_catch_all or step is None else step.targets,
        reason=run.reason,
        late=late,
        wait_for_working_hours=run.wait_for_working_hours,
        at=at,
    )


def is_first_page(run: PageRun) -> bool:
    """Whether the run is at the very beginning of the incident's first climb."""
    return run.id == "p1" and run.round == 1 and run.step == 0 and not run.is_paging_catch_all

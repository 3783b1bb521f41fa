"""Where a page stands when somebody opens or answers it: still asked for, taken, over, or never theirs."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.policy.model import Policy
from records.database import RecordsUnavailableError
from starter.gateway import OVER, Gateway, NoSuchIncidentError
from starter.records_access import View
from starter.security import PageRef
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError

RESOLVED = "resolved"
_ACKNOWLEDGED = re.compile(r"acknowledged by (\S+)")
"""As `domain/facts/answers.py` ends a run."""


class Kind(StrEnum):
    """Whether an answer to the page is still wanted."""

    OPEN = "open"
    YOURS = "yours"
    """Acknowledged by the person themself."""
    TAKEN = "taken"
    """Acknowledged by somebody else."""
    ENDED = "ended"
    """Nobody is asked any more: resolved, cancelled, or paged anew for another reason."""
    FOREIGN = "foreign"
    """This person was never paged for it, or is no longer in the policy."""


@dataclass(frozen=True)
class Standing:
    """One page, as it stands now."""

    page: PageRef
    kind: Kind
    view: View = field(default_factory=dict)
    """The incident; empty where neither its workflow nor the records answer."""
    by: str = ""
    at: str = ""
    """When it was taken or ended, as the API writes times; empty where unknown."""
    why: str = ""
    paged: tuple[str, ...] = ()
    """Everybody who was paged for the incident, in order."""
    cause: str = ""
    """Why the page run began: `raised`, `severity`, `escalated`; empty where unknown."""


async def standing_of(gateway: Gateway, policy: Policy, page: PageRef) -> Standing:
    """Look it up; reads only. What does not answer is left out, and the page then counts as open."""
    if page.person not in policy.people:
        return Standing(page, Kind.FOREIGN, why=f"{page.person} is not in the policy any more")
    view, runs = await asyncio.gather(
        _view(gateway, page.incident), gateway.page_runs(page.incident)
    )
    if view is None:
        return Standing(page, Kind.FOREIGN, why=f"there is no incident {page.incident}")
    paged = tuple(dict.fromkeys(person for run in runs or [] for person in run.get("paged", [])))
    status = str(view.get("status", ""))
    if status in (RESOLVED, *OVER):
        at = str(view.get(f"{RESOLVED}_at") or view.get("closed_at") or "")
        why = f"{page.incident} is {status}"
        return Standing(page, Kind.ENDED, view, at=at, why=why, paged=paged)
    if runs is None:
        return Standing(page, Kind.OPEN, view)
    return _of_run(page, view, runs, paged)


def _of_run(
    page: PageRef, view: View, runs: list[dict[str, Any]], paged: tuple[str, ...]
) -> Standing:
    run = next((run for run in runs if run["id"] == page.run), None)
    if run is None or page.person not in run["paged"]:
        why = f"{page.person} was not paged for {page.incident} by this page"
        return Standing(page, Kind.FOREIGN, view, why=why, paged=paged)
    cause, why = str(run["cause"]), str(run.get("ended_why") or "")
    takers: list[str] = run.get("acknowledged_by") or _ACKNOWLEDGED.findall(why)
    if takers and view.get("status") == "raised" and not run["active"]:
        why = "the acknowledgement was taken back: answer the newer page"
        return Standing(page, Kind.ENDED, view, why=why, paged=paged, cause=cause)
    ended_at = str(run.get("ended_at") or "")
    if page.person in takers:
        at = ended_at if takers[-1] == page.person and ended_at else _joined(view, page.person)
        return Standing(page, Kind.YOURS, view, page.person, at, why, paged, cause)
    if run["active"]:
        return Standing(page, Kind.OPEN, view, paged=paged, cause=cause)
    if takers:
        return Standing(page, Kind.TAKEN, view, takers[-1], ended_at, why, paged, cause)
    return Standing(page, Kind.ENDED, view, "", ended_at, why, paged, cause)


def _joined(view: View, person: str) -> str:
    """When somebody became a responder; empty where they are none."""
    found = [one["joined_at"] for one in view.get("responders", []) if one["person"] == person]
    return str(found[0]) if found else ""


async def _view(gateway: Gateway, incident_id: str) -> View | None:
    """The incident; empty where nothing answers, None where there never was one."""
    try:
        return await gateway.incident(incident_id)
    except NoSuchIncidentError:
        return None
    except (NotAnsweredError, GatewayUnavailableError, RecordsUnavailableError):
        return {}

"""Assessment: what is known already, so that nobody is asked for it."""

from __future__ import annotations

from typing import Any

from temporalio import activity

from activities.looking_up import RecordsLookUp, why
from domain.messages import FindKnown, Known
from records.database import RecordsUnavailableError

ARTICLE_KINDS = ("article", "runbook")


class Assessing:
    """Finds what the responders would otherwise look for."""

    def __init__(self, records: RecordsLookUp) -> None:
        self._records = records

    @activity.defn(name="assess")
    async def assess(self, request: FindKnown) -> Known:
        """Start time, alert count, open incidents of what the service depends on, runbooks."""
        incident, faults = request.incident, list[str]()
        links = [
            link["target"]
            for link in incident.get("links") or []
            if link.get("kind") in ARTICLE_KINDS
        ]
        known: dict[str, Any] = {
            "started_at": incident.get("impact_started_at"),
            "alert_count": incident.get("alert_count", 0),
            "runbooks": list(dict.fromkeys([*request.runbooks, *links])),
            "open_dependencies": await self._behind(request, faults),
        }
        return Known(known={k: v for k, v in known.items() if v not in (None, [])}, faults=faults)

    async def _behind(self, request: FindKnown, faults: list[str]) -> list[dict[str, Any]]:
        if not request.depends_on:
            return []
        try:
            found = await self._records.open_for_services(request.depends_on)
        except RecordsUnavailableError as error:
            # Never a reason not to ask the questions.
            faults.append(f"open incidents of dependencies could not be read: {why(error)}")
            return []
        return [row for row in found if row.get("id") != request.incident.get("id")]

"""The status page as JSON, in the shapes of Statuspage's public API version 2, which many programs read.

Source: https://metastatuspage.com/api, and what status pages of that vendor answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from domain.status_page.incidents import PublicIncident, PublicUpdate
from domain.status_page.maintenance import PublicMaintenance
from domain.status_page.page import Component, Group, StatusPageModel
from domain.status_page.states import ComponentStatus, Impact
from domain.updates import UpdateStatus
from templates.filters import plain
from templates.status_addresses import INDEX, Addresses

Json = dict[str, Any]
FOLDER = "api/v2"
MOST_INCIDENTS = 50
"""Of incidents.json, as the vendor has it."""


class _Writer:
    """Makes the documents of one page."""

    def __init__(
        self, page: StatusPageModel, addresses: Addresses, text: Callable[[str], str]
    ) -> None:
        self._page, self._addresses, self._text = page, addresses, text
        self._components = {
            one.id: self._component(n, one) for n, one in enumerate(page.components)
        }

    def head(self) -> Json:
        page = self._page
        return {
            "page": {
                "id": page.id,
                "name": page.title,
                "url": self._addresses.absolute(INDEX, page.url),
                "time_zone": page.timezone,
                "updated_at": wire(page.updated_at),
            }
        }

    def status(self) -> Json:
        return {
            "status": {
                "indicator": self._page.indicator.value,
                "description": self._page.description,
            }
        }

    def components(self) -> list[Json]:
        groups = [self._group(n, one) for n, one in enumerate(self._page.groups)]
        return [*self._components.values(), *groups]

    def incidents(self, incidents: Iterable[PublicIncident]) -> list[Json]:
        return [self._incident(one) for one in incidents]

    def maintenances(self, works: Iterable[PublicMaintenance]) -> list[Json]:
        return [self._maintenance(one) for one in works]

    def _component(self, position: int, one: Component) -> Json:
        return self._part(position, one.id, one.name, one.status) | {"group_id": one.group}

    def _group(self, position: int, one: Group) -> Json:
        part = self._part(len(self._page.components) + position, one.id, one.name, one.status)
        return part | {"group": True, "components": list(one.components)}

    def _part(self, position: int, id_: str, name: str, status: ComponentStatus) -> Json:
        # The policy does not say since when a service exists; the days shown are what is known.
        known_since = wire(self._page.days[0].start)
        return {
            "id": id_,
            "name": name,
            "status": status.value,
            "created_at": known_since,
            "updated_at": wire(self._page.updated_at),
            "position": position + 1,
            "description": None,
            "showcase": True,
            "start_date": self._page.days[0].day.isoformat(),
            "group_id": None,
            "page_id": self._page.id,
            "group": False,
            "only_show_if_degraded": False,
        }

    def _incident(self, one: PublicIncident) -> Json:
        last = one.over_at or one.last.at
        ended = one.ended_at
        return {
            "id": one.id,
            "name": one.name,
            "status": one.status.value,
            "created_at": wire(one.started_at),
            "updated_at": wire(last),
            "monitoring_at": wire(one.monitoring_at),
            "resolved_at": wire(ended),
            "impact": one.impact.value,
            "shortlink": self._addresses.absolute(f"incidents/{one.id}.html", self._page.url),
            "started_at": wire(one.started_at),
            "page_id": self._page.id,
            "incident_updates": self._updates(one),
            "components": [part for part in [self._components.get(one.component)] if part],
        }

    def _updates(self, one: PublicIncident) -> list[Json]:
        """Newest first, each with how its component stood before and stands with it."""
        before, found = ComponentStatus.OPERATIONAL, []
        for update in one.updates:
            is_end = update.status is UpdateStatus.RESOLVED
            after = ComponentStatus.OPERATIONAL if is_end else one.component_status
            affected = {
                "code": one.component,
                "name": one.component_name,
                "old_status": before.value,
                "new_status": after.value,
            }
            found.append(self._update(one.id, update, [affected]))
            before = after
        return found[::-1]

    def _update(self, incident: str, update: PublicUpdate, affected: list[Json]) -> Json:
        return self._said(incident, update.id, update.status.value, update.text, update.at) | {
            "affected_components": affected
        }

    def _said(self, incident: str, id_: str, status: str, text: str, at: datetime) -> Json:
        return {
            "id": id_,
            "status": status,
            "body": self._text(text),
            "incident_id": incident,
            "created_at": wire(at),
            "updated_at": wire(at),
            "display_at": wire(at),
            "affected_components": None,
            "deliver_notifications": True,
            "custom_tweet": None,
            "tweet_id": None,
        }

    def _maintenance(self, one: PublicMaintenance) -> Json:
        status = one.status(self._page.at)
        changed = {"scheduled": self._page.days[0].start, "in_progress": one.start}
        updated = changed.get(status, one.end)
        return {
            "id": one.id,
            "name": one.name,
            "status": status,
            "created_at": wire(self._page.days[0].start),
            "updated_at": wire(updated),
            "monitoring_at": None,
            "resolved_at": wire(one.end) if status == "completed" else None,
            "impact": Impact.MAINTENANCE.value,
            "shortlink": self._addresses.absolute(INDEX, self._page.url),
            "started_at": wire(one.start),
            "page_id": self._page.id,
            "incident_updates": [
                self._said(one.id, f"{one.id}-1", status, one.text, updated),
            ],
            "components": [self._components[key] for key in one.components],
            "scheduled_for": wire(one.start),
            "scheduled_until": wire(one.end),
        }


def documents(
    page: StatusPageModel, addresses: Addresses, text: Callable[[str], str]
) -> Mapping[str, Callable[[], bytes]]:
    """Every document by its path, each made when it is asked for.

    Args:
        text: makes plain text of an author's Markdown.
    """
    write = _Writer(page, addresses, text)
    unresolved = [one for one in page.incidents if one.is_open]
    incidents, works = "incidents", "scheduled_maintenances"
    folder = "scheduled-maintenances"
    parts: dict[str, Callable[[], Json]] = {
        "summary": lambda: {
            "components": write.components(),
            incidents: write.incidents(unresolved),
            works: write.maintenances([*page.active(), *page.upcoming()]),
            **write.status(),
        },
        "status": write.status,
        "components": lambda: {"components": write.components()},
        "incidents": lambda: {incidents: write.incidents(page.incidents[:MOST_INCIDENTS])},
        "incidents/unresolved": lambda: {incidents: write.incidents(unresolved)},
        folder: lambda: {works: write.maintenances(page.maintenances[::-1][:MOST_INCIDENTS])},
        f"{folder}/upcoming": lambda: {works: write.maintenances(page.upcoming())},
        f"{folder}/active": lambda: {works: write.maintenances(page.active())},
    }
    return {
        f"{FOLDER}/{name}.json": lambda make=make: _dump(write.head() | make())  # type: ignore[misc]
        for name, make in parts.items()
    }


def wire(at: datetime | None) -> str | None:
    """As the vendor writes times: `2026-11-24T14:07:00.000Z`."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dump(document: Json) -> bytes:
    return json.dumps(_clean(document), ensure_ascii=False, separators=(",", ":")).encode()


def _clean(value: Any) -> Any:
    """Names are people's words too: without control characters and half ones, which UTF-8 does not have."""
    match value:
        case str():
            return plain(value)
        case dict():
            return {key: _clean(item) for key, item in value.items()}
        case list():
            return [_clean(item) for item in value]
        case _:
            return value

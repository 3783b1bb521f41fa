"""What the public reads, as tables: components, open incidents, planned work, and where it was written."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from starter.cli import clock
from starter.cli.screen import clean, one_line, show
from starter.cli.tables import columns

View = dict[str, Any]
_STYLES = {
    "operational": "green", "under_maintenance": "blue", "degraded_performance": "yellow",
    "partial_outage": "bold yellow", "major_outage": "bold red",
}  # fmt: skip


def summary(page: View) -> None:
    """The page in Statuspage's shape, worst news first."""
    status = page.get("status") or {}
    name = one_line((page.get("page") or {}).get("name"))
    show(Text(f"{name}: {one_line(status.get('description'))}", "bold"))
    components = columns("COMPONENT", "STATUS", gives_way="COMPONENT")
    for one in page.get("components") or []:
        if not one.get("group"):
            components.add_row(Text(one_line(one.get("name"))), _state(one))
    show(components)
    incidents = page.get("incidents") or []
    if not incidents:
        show(Text("no open incident", "dim"))
    for one in incidents:
        show(_incident(one))
    for one in page.get("scheduled_maintenances") or []:
        at = clock.read(one.get("scheduled_for"))
        begins = f"{clock.local(at):%Y-%m-%d %H:%M}" if at else "unknown"
        state = one_line(one.get("status")).replace("_", " ")
        show(Text(f"{one_line(one.get('name'))}: {state}, from {begins}"))


def _state(component: View) -> Text:
    state = one_line(component.get("status"))
    return Text(state.replace("_", " "), _STYLES.get(state, ""))


def _incident(incident: View) -> Text:
    """Name, and the last that the public was told."""
    last: View = next(iter(incident.get("incident_updates") or []), {})
    at = clock.read(last.get("display_at") or last.get("created_at"))
    said = f"{clock.local(at):%H:%M} " if at else ""
    head = Text(f"{one_line(incident.get('name'))} [{one_line(incident.get('status'))}]\n", "bold")
    return head.append(f"{said}{clean(last.get('body') or '')}", "not bold")


def published(answer: View) -> None:
    """What was written where."""
    found = columns("PLACE", "FILES", "CHANGED", "REMOVED", "BYTES WRITTEN", gives_way="PLACE")
    for one in answer.get("targets") or []:
        numbers = (f"{one.get(key, 0):,}" for key in ("files", "changed", "removed", "bytes"))
        found.add_row(Text(one_line(one.get("target"))), *numbers)
    show(found)

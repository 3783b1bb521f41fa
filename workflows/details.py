"""What the operator reads in the Temporal UI: the card of an incident, of a desk, of a postmortem."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.aggregate import Deadline
    from domain.incident import Incident
    from domain.maintenance import wire
    from domain.roster import RosterState
    from domain.triage import DeskState
    from workflows.contract import FeedState


def incident_card(incident: Incident, due: Deadline | None) -> str:
    """A short Markdown card: status, severity, rank, who leads, what is due next and when."""
    rank = f"{incident.rank.sentence()}, when it last paged" if incident.rank else "not known yet"
    manager = incident.incident_manager or "nobody yet"
    waiting = [run for run in incident.pages if run.is_active]
    paging = "; ".join(f"{run.id} pages {', '.join(run.paged) or '…'}" for run in waiting)
    lines = [
        f"## {incident.severity} {incident.priority} · {incident.status} · {incident.id}",
        f"{incident.policy.service_name}: {incident.summary}",
        "",
        f"- **Leads:** {manager}",
        f"- **Rank:** {rank}",
        f"- **Unanswered pages:** {paging or 'none'}",
        f"- **Alerts:** {incident.alert_count} ({len(incident.firing())} still firing)",
        f"- **Next:** {_due(due)}",
    ]
    return "\n".join(lines)


def desk_card(desk: DeskState, waiting: int, refused: list[str]) -> str:
    """What a desk holds open."""
    rows = [f"- `{ref.id}` {ref.severity} {ref.priority}" for ref in desk.open.values()]
    rows += [
        f"- maintenance `{one.id}` {wire(one.start)} to {wire(one.end)}: {one.reason}"
        for one in desk.made.windows
    ]
    bad = [f"- refused: {text}" for text in refused[-5:]]
    head = f"## Desk {desk.service}: {len(desk.open)} open, {waiting} reports waiting"
    return "\n".join([head, *rows, *bad])


def roster_card(roster: RosterState, feeds: list[FeedState], refused: list[str]) -> str:
    """What was changed at run time, and how the calendars are."""
    rows = [f"- `{one.schedule}` {one.said()}" for one in roster.entries[-20:]]
    off = [one for one in roster.contacts if not one.enabled]
    rows += [f"- {one.channel} of {one.person} is switched off by {one.actor}" for one in off]
    rows += [f"- calendar of `{one.schedule}`: {one.fault or 'read well'}" for one in feeds]
    bad = [f"- refused: {text}" for text in refused[-5:]]
    head = f"## Roster: {len(roster.entries)} entries, version {roster.version}"
    return "\n".join([head, *rows, *bad])


def postmortem_card(view: dict[str, Any], due: Deadline | None) -> str:
    """Where a postmortem stands."""
    actions = view["actions"]
    done = sum(1 for action in actions if action["done_at"])
    return "\n".join(
        [
            f"## Postmortem of {view['incident_id']} · {view['status']}",
            f"- **Owner:** {view['owner']}",
            f"- **Due:** {view['due_at'] or 'no date'}",
            f"- **Actions:** {done} of {len(actions)} done",
            f"- **Next:** {_due(due)}",
        ]
    )


def _due(due: Deadline | None) -> str:
    return f"{due.summary} at {due.at:%Y-%m-%d %H:%M:%S} UTC" if due else "nothing is due"

"""Everything that is shown as rows: lists, timelines, on-call steps, postmortems, plain fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from starter.cli import clock
from starter.cli.card import SEVERITY_STYLES, STATUS_STYLES, is_open
from starter.cli.screen import clean, console, one_line, show

View = dict[str, Any]


def columns(*columns: str, gives_way: str = "") -> Table:
    """A table without lines; where it is too wide for a terminal, one column gives way."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column != gives_way, overflow="fold")
    return table


def incidents(found: list[View], status: str) -> None:
    """The incidents, first in rank first; those without a rank as they came."""
    if not found:
        show(Text(f"no {status} incidents" if status != "all" else "no incidents"))
        return
    now = datetime.now(UTC)
    table = columns("ID", "SEV", "PRI", "STATUS", "AGE", "LEAD", "SUMMARY", gives_way="SUMMARY")
    for one in sorted(found, key=_position):
        severity, state = one_line(one.get("severity")), one_line(one.get("status"))
        raised = clock.read(one.get("raised_at"))
        table.add_row(
            Text(one_line(one["id"]), "bold"),
            Text(severity, SEVERITY_STYLES.get(severity, "")),
            one_line(one.get("priority")),
            Text(state, STATUS_STYLES.get(state, "")),
            clock.span(now - raised) if raised else "",
            _lead(one),
            Text(one_line(one.get("summary")), no_wrap=True, overflow="ellipsis"),
        )
    show(table)


def _position(one: View) -> tuple[bool, int]:
    position = (one.get("rank") or {}).get("position")
    return position is None, position or 0


def _lead(one: View) -> Text:
    if manager := one.get("incident_manager"):
        return Text(one_line(manager))
    return Text("NOBODY", "bold red") if is_open(one) else Text("-", "dim")


def timeline(entries: list[View]) -> None:
    """One line an entry: on a terminal the clock under a heading for each day, elsewhere in full."""
    screen = console()
    if not screen.file.isatty():
        for entry in entries:
            print("  ".join(_full_line(entry)))
        return
    for day, group in _by_day(entries):
        show(Text(day, style="bold"))
        grid = Table.grid(padding=(0, 2, 0, 0))
        for number in range(4):
            grid.add_column(no_wrap=number < 3, overflow="fold", style="dim" if number == 1 else "")
        for entry in group:
            grid.add_row(*_clock_line(entry))
        show(grid)


def _full_line(entry: View) -> Iterable[str]:
    at = clock.read(entry.get("at"))
    if at is not None:
        yield clock.local(at).isoformat(timespec="seconds")
        yield at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield one_line(entry.get("fact"))
    yield one_line(entry.get("actor"))
    yield one_line(entry.get("text"))


def _clock_line(entry: View) -> Iterable[Text]:
    at = clock.read(entry.get("at"))
    here = f"{clock.local(at):%H:%M:%S}" if at else ""
    yield Text(here)
    yield Text(f"{at.astimezone(UTC):%H:%M:%SZ}" if at and not clock.is_utc_here(at) else "")
    yield Text(one_line(entry.get("actor")))
    yield Text(one_line(entry.get("text")), _entry_style(str(entry.get("fact"))))


def _entry_style(fact: str) -> str:
    if fact.endswith(("_failed", "_exhausted", "_refused")) or fact in ("update_due", "fault"):
        return "red"
    return "bold" if fact in ("raised", "acknowledged", "resolved", "reopened", "closed") else ""


def _by_day(entries: list[View]) -> Iterable[tuple[str, list[View]]]:
    days: dict[str, list[View]] = {}
    for entry in entries:
        at = clock.read(entry.get("at"))
        heading = "time unknown"
        if at is not None:
            here = clock.local(at)
            zone = "UTC" if clock.is_utc_here(at) else f"{here:%Z} (UTC{here:%z}), then UTC"
            heading = f"{here:%a %d %b %Y}, {zone}"
        days.setdefault(heading, []).append(entry)
    return days.items()


def on_call(found: View) -> None:
    """The steps of a service's policy as they would page now."""
    table = columns("STEP", "AFTER", "PERSON", "FROM", "UNTIL")
    now = datetime.now(UTC)
    for number, step in enumerate(found.get("steps") or [], start=1):
        nobody = {"person": "NOBODY", "schedule": "; ".join(step.get("skipped") or [])}
        for target in step.get("targets") or [nobody]:
            until = clock.both(target["until"], now) if target.get("until") else "-"
            lost = "" if target.get("is_reachable", True) else " (no usable contact)"
            who = one_line(f"{target.get('person')}{lost}")
            cells = [who, one_line(target.get("schedule") or "-"), until]
            table.add_row(str(number), one_line(step.get("after", "")), *cells)
    show(Text(f"{one_line(found.get('service'))} at {clock.both(found.get('at'), now)}"), table)


def rows(found: list[View], empty: str = "nothing") -> None:
    """A list of like objects, a column for each field; the last gives way."""
    if not found:
        show(Text(empty))
        return
    now = datetime.now(UTC)
    names = list(dict.fromkeys(name for one in found for name in one))
    table = columns(
        *(one_line(name).upper() for name in names), gives_way=one_line(names[-1]).upper()
    )
    for one in found:
        table.add_row(*(Text(one_line(_time_or_cell(one.get(name), now))) for name in names))
    show(table)


def _time_or_cell(value: object, now: datetime) -> str:
    is_time = isinstance(value, str) and "T" in value and clock.read(value) is not None
    return clock.both(value, now) if is_time else _cell(value)


def pairs(found: Mapping[str, Any]) -> None:
    """The fields of an object, one a line."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in found.items():
        grid.add_row(Text(one_line(name)), Text(clean(_cell(value))))
    show(grid)


NAMED_SECTIONS = (
    "people", "teams", "schedules", "escalation_policies", "services", "severities", "processes",
    "roles", "heartbeats",
)  # fmt: skip


def policy(found: View) -> None:
    """The policy in force: its version, and the names in each section."""
    sections = found.get("policy") or {}
    named = {
        name: list(sections[name])
        for name in NAMED_SECTIONS
        if isinstance(sections.get(name), dict | list) and sections[name]
    }
    pairs({name: value for name, value in found.items() if name != "policy"} | named)


def override(found: View) -> None:
    """The override as the schedule has it."""
    said = found.get("override")
    pairs({"schedule": found.get("schedule"), **(said if isinstance(said, dict) else {})})


def deliveries(found: View) -> None:
    """What became of each message."""
    wanted = ("recipient", "channel", "state", "reason", "detail")
    messages = found.get("deliveries") or []
    listed = [{name: one.get(name) for name in wanted if name in one} for one in messages]
    rows(listed, "no message left")
    for remark in found.get("notes") or []:
        show(Text(one_line(remark), "yellow"))


def postmortem(found: View) -> None:
    """The document's fields and its actions."""
    postmortem_line(found)
    for name, said in (found.get("fields") or {}).items():
        show(Text(""), Text(one_line(name).replace("_", " ").capitalize(), "bold"))
        show(Text(clean(said)))
    if actions := found.get("actions"):
        show(Text(""), Text("Actions", "bold"))
        wanted = ("id", "text", "owner", "due_at", "kind", "done_at")
        rows([{name: one.get(name) for name in wanted} for one in actions])


def postmortem_line(found: View) -> None:
    """`checkout-17  draft, owner alice, due Fri 27 Nov 02:14 CET (01:14 UTC), 2 actions open`."""
    parts = [str(found.get("status", "unknown")).replace("_", " ")]
    parts.append(f"owner {found.get('owner') or 'nobody'}")
    if found.get("due_at"):
        parts.append(f"due {clock.both(found['due_at'], datetime.now(UTC))}")
    left = found.get("open_actions", 0)
    parts.append(f"{left} action{'' if left == 1 else 's'} open")
    show(Text(one_line(f"{found.get('incident_id', '')}  {', '.join(parts)}")))


def _cell(value: object) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_cell(item)}" for name, item in value.items())
    return ", ".join(map(_cell, value)) if isinstance(value, list) else str(value)

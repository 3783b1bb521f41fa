"""Schedules on the screen: the rota, what is wrong with it, and what was changed for a while."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from starter.cli import clock
from starter.cli.screen import one_line, show

View = dict[str, Any]
_UNTIL = re.compile(r" until [A-Z][a-z]{2} \d{4}-\d{2}-\d{2} \d{2}:\d{2} [\w/+-]+")
_FAR = timedelta(days=90)
"""From then on a date without its year could be meant for this one."""
MOST_GAPS = 5
"""Gaps of one schedule that are shown one by one."""
KINDS = {
    "gap": "nobody on call",
    "no_usable_contact": "unreachable",
    "empty_step": "empty step",
    "double_booking": "double booking",
    "absent_on_call": "absent",
    "calendar": "calendar",
}


def _table(*columns: str, gives_way: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column != gives_way, overflow="fold")
    return table


def rota(found: View, now: datetime | None = None) -> None:
    """One line a shift, in the schedule's own zone; the one that runs now stands out."""
    zone = ZoneInfo(found.get("timezone") or "UTC")
    now = now or datetime.now(UTC)
    shifts = found.get("shifts") or []
    if not shifts:
        show(Text("no shifts"))
        return
    ends = [clock.read(shifts[0]["from"]), clock.read(shifts[-1]["to"])]
    span = " to ".join(_day(at.astimezone(zone)) for at in ends if at is not None)
    head = f"{one_line(found.get('schedule'))}: {span}, times of {zone.key}"
    table = _table("", "FROM", "UNTIL", "WHO", "WHY", gives_way="WHY")
    for shift in shifts:
        start, until = clock.read(shift.get("from")), clock.read(shift.get("to"))
        is_now = start is not None and start <= now and (until is None or now < until)
        style = "bold" if is_now else ""
        table.add_row(
            Text(">" if is_now else "", style),
            Text(_time(start, zone), style),
            Text(_end(start, until, zone), style),
            _who(shift, style),
            Text(one_line(_why(shift)), style or "dim"),
        )
    show(Text(head, "bold"), table)


def _day(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b %Y}"


def _time(at: datetime | None, zone: ZoneInfo) -> str:
    if at is None:
        return "-"
    here = at.astimezone(zone)
    return f"{here:%a} {here.day:2} {here:%b %H:%M}"


def _end(start: datetime | None, until: datetime | None, zone: ZoneInfo) -> str:
    """Only the time where it ends on the day on which it begins."""
    if start is None or until is None:
        return _time(until, zone)
    here = until.astimezone(zone)
    is_same_day = start.astimezone(zone).date() == here.date()
    return f"{here:%H:%M}".rjust(16) if is_same_day else _time(until, zone)


def _who(shift: View, style: str) -> Text:
    people = [shift.get("person"), *(one.get("person") for one in shift.get("also") or [])]
    named = [one_line(person) for person in people if person]
    return Text(" + ".join(named), style) if named else Text("NOBODY", "bold red")


def _why(shift: View) -> str:
    """The reasons without what stands in the row already."""
    reasons = [(shift.get("person"), shift.get("why"))] if shift.get("person") else []
    reasons += [(one.get("person"), one.get("why")) for one in shift.get("also") or []]
    if not reasons:
        reasons = [(None, shift.get("why"))]
    said = []
    for person, why in reasons:
        short = _UNTIL.sub("", str(why or ""))
        said.append(re.sub(rf", (?:turn|shift) of {re.escape(str(person))}$", "", short))
    return "; ".join(dict.fromkeys(said))


def findings(found: View) -> None:
    """What is wrong with who is on call, one line each."""
    listed = found.get("findings")
    if listed is None:  # an API of an earlier version
        listed = [{"kind": "gap", "where": one.get("schedule"), **one} for one in found["gaps"]]
    if not listed:
        show(Text("no gaps: somebody who can be reached is on call all the time", "green"))
        return
    now = datetime.now(UTC)
    shown, left_out = _not_too_many(listed)
    places = max(len(_short(one)) for one in shown)
    show(Text(f"times of this machine ({clock.local(now):%Z})", "dim"))
    for one in shown:
        kind = str(one.get("kind"))
        what = Text(f"{KINDS.get(kind, kind):<16}", "bold red" if kind == "gap" else "bold")
        times = [_local(one.get(name), now) for name in ("from", "to") if one.get(name)]
        show(what + Text(f"{one_line(_short(one)):<{places}}  {' to '.join(times)}".rstrip()))
        # Below it, not beside it: on a narrow terminal a sentence needs the whole width.
        show(Padding(Text(one_line(_UNTIL.sub("", str(one.get("detail") or ""))), "dim"), (0, 4)))
    for name, count in left_out.items():
        show(
            Text(f"and {count} more times with nobody on call for {one_line(name)}: -o json", "dim")
        )


def _not_too_many(listed: list[View]) -> tuple[list[View], dict[str, int]]:
    """The findings without the later gaps of a schedule that has many, and how many those are."""
    shown: list[View] = []
    gaps: dict[str, int] = {}
    for one in listed:
        name = str(one.get("schedule"))
        if one.get("kind") == "gap":
            gaps[name] = gaps.get(name, 0) + 1
        if one.get("kind") != "gap" or gaps[name] <= MOST_GAPS:
            shown.append(one)
    return shown, {name: n - MOST_GAPS for name, n in gaps.items() if n > MOST_GAPS}


def _short(one: View) -> str:
    """A schedule or a person by their key, anything else by its place in the policy."""
    where = str(one.get("where") or "")
    kind, _, name = where.partition(".")
    return name if kind in ("schedules", "people") else where


def _local_columns(now: datetime) -> tuple[str, str]:
    return f"FROM ({clock.local(now):%Z})", "UNTIL"


def _local(wire: object, now: datetime) -> str:
    """Local time; the long form with UTC beside it would leave no room."""
    at = clock.read(wire)
    if at is None:
        return "-"
    here = clock.local(at)
    if here.year != clock.local(now).year and abs(at - now) > _FAR:
        return f"{here.day:2} {here:%b %Y %H:%M}"
    return f"{here:%a} {here.day:2} {here:%b %H:%M}"


def windows(found: View) -> None:
    """Maintenance; what lasts now stands out."""
    listed = found.get("windows") or []
    if not listed:
        show(Text("no maintenance"))
        return
    now = datetime.now(UTC)
    table = _table("", "SERVICE", "ID", *_local_columns(now), "BY", "REASON", gives_way="REASON")
    for one in listed:
        is_now = one.get("state") == "active"
        style = "bold" if is_now else ""
        by = one.get("by") or one.get("source") or "-"
        names = (one_line(one.get(name)) for name in ("service", "id"))
        times = (_local(one.get(name), now) for name in ("from", "to"))
        cells = (">" if is_now else "", *names, *times, one_line(by), one_line(one.get("reason")))
        table.add_row(*(Text(cell, style) for cell in cells))
    show(table)


def overrides(found: View) -> None:
    """What was changed for a while: the policy's own have no id."""
    listed = found.get("overrides") or []
    off = [one for one in found.get("contacts") or [] if not one.get("enabled")]
    if not listed and not off:
        show(Text("no overrides"))
        return
    now = datetime.now(UTC)
    if listed:
        table = _table("ID", "SCHEDULE", *_local_columns(now), "WHAT", "BY", gives_way="WHAT")
        for one in listed:
            table.add_row(
                Text(one_line(one.get("id") or "-"), "bold"),
                one_line(one.get("schedule")),
                *(_local(one.get(name), now) for name in ("starts_at", "ends_at")),
                one_line(_what(one)),
                one_line(one.get("made_by")),
            )
        show(table)
    for switch in off:
        who, by = one_line(switch.get("person")), one_line(switch.get("actor"))
        show(Text(f"{one_line(switch.get('channel'))} of {who} is switched off by {by}", "yellow"))


def _what(one: View) -> str:
    swap = f" (swap {one['swap']})" if one.get("swap") else ""
    return f"{one.get('what')}{swap}"


def changed(found: View) -> None:
    """What a change came to."""
    for line in _lines(found):
        show(line)


def _lines(found: View) -> Iterator[Text]:
    if found.get("id"):
        yield Text(one_line(found["id"]), "bold")
    for one in found.get("overrides") or []:
        end = " to ".join(str(one.get(name))[:16].replace("T", " ") for name in ("from", "to"))
        yield Text(
            one_line(f"{one.get('id')}  {one.get('person')} for {one.get('instead_of')}, {end}")
        )
    if found.get("removed"):
        yield Text(one_line(f"removed {', '.join(found['removed'])}"))
    for warning in found.get("warnings") or []:
        yield Text(one_line(f"warning: {warning}"), "yellow")
    if found.get("copied") is False:
        text = "kept, but paging cannot read it yet: the data folder cannot be written"
        yield Text(text, "bold red")

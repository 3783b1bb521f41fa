"""One incident as a card: what, how bad, who leads, what is due next, what is open, what was said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from starter.cli import clock
from starter.cli.deliveries import delivery_lines
from starter.cli.screen import clean, one_line, show

View = dict[str, Any]
Row = tuple[str, Text]

SEVERITY_STYLES = {"SEV1": "bold white on red", "SEV2": "bold black on yellow"}
STATUS_STYLES = {
    "raised": "bold red", "fixing": "bold yellow", "resolved": "green", "closed": "dim",
    "cancelled": "dim",
}  # fmt: skip
THEORY_MARKS = {"open": "?", "supported": "+", "refuted": "-"}
LABEL_WIDTH = 11


def show_card(view: View, entries: list[View]) -> None:
    """Print the card."""
    show(card(view, entries))


def card(view: View, entries: list[View], trouble: str = "") -> RenderableType:
    """The card of an incident.

    Args:
        view: the incident.
        entries: its timeline, for what became of the updates' messages, and why nobody was paged yet.
        trouble: why the view may be old.
    """
    now = datetime.now(UTC)
    parts: list[RenderableType] = [
        headline(view, now),
        Text(clean(view.get("summary", "")), "bold"),
    ]
    if description := view.get("description"):
        parts.append(Padding(Text(clean(description)), (0, 0, 0, 2)))
    parts += [Text(""), _grid(_facts(view, entries, now), label_width=LABEL_WIDTH)]
    for title, rows in _sections(view, entries, now):
        if rows:
            parts += [Text(""), Text(title, style="bold"), Padding(_grid(rows), (0, 0, 0, 2))]
    if trouble:
        parts += [Text(""), Text(f"this may be old: {clean(trouble)}", style="bold red")]
    return Group(*parts)


def headline(view: View, now: datetime | None = None) -> Text:
    """`checkout-17  SEV1 P1  FIXING  1st of 3  led by alice`."""
    now = now or datetime.now(UTC)
    severity, status = str(view.get("severity")), str(view.get("status"))
    line = Text(clean(view.get("id", "")), style="bold")
    line.append("  ").append(f" {clean(severity)} ", SEVERITY_STYLES.get(severity, "bold"))
    line.append(f"  {clean(view.get('priority', ''))}  ")
    line.append(clean(status).upper(), STATUS_STYLES.get(status, ""))
    if rank := rank_text(view):
        line.append(f"  rank {rank}")
    if is_open(view):
        manager = view.get("incident_manager")
        line.append("  ").append(*(_name(manager) if manager else ("nobody leads", "bold red")))
    return line


def rank_text(view: View) -> str:
    """`1 of 3`; nothing where the rank is unknown."""
    rank = view.get("rank") or {}
    return f"{rank['position']} of {rank.get('of', '?')}" if rank.get("position") else ""


def is_open(view: View) -> bool:
    return view.get("status") in ("raised", "fixing")


def _name(person: object) -> tuple[str, str]:
    return f"led by {one_line(person)}", ""


def _facts(view: View, entries: list[View], now: datetime) -> list[Row]:
    rows = [
        ("service", _service(view)),
        ("raised", _moment(view, "raised_at", now, f", by {view.get('reporter') or 'unknown'}")),
        ("impact", _impact(view, now)),
        ("taken", _taken(view, now)),
    ]
    if view.get("status") == "raised" and (why := page_waits(entries)):
        rows.append(("page", Text(f"waits: {one_line(why)}", "yellow")))
    if view.get("confirmed_at"):
        rows.append(("confirmed", _moment(view, "confirmed_at", now)))
    elif view.get("status") == "fixing":
        rows.append(("confirmed", Text(f"not yet: {_confirm(view)}", "yellow")))
    if view.get("resolved_at"):
        said = f": {view['resolution']}" if view.get("resolution") else ""
        rows.append(("resolved", _moment(view, "resolved_at", now, said)))
    if view.get("public_status"):
        rows.append(("status page", _said_outside(view)))
    rows += _people(view, now)
    if view.get("alert_count"):
        firing = view.get("firing_count")
        still = f", {firing} firing" if firing is not None else ""
        rows.append(("alerts", Text(f"{view['alert_count']}{still}")))
    rows += _due(view, now) if is_open(view) else []
    return rows


def _said_outside(view: View) -> Text:
    """What the public reads, and where that is not how it stands any more."""
    said, status = one_line(view["public_status"]), view.get("status")
    if status in ("closed", "cancelled"):  # the page ends it there, whatever was said last
        return Text("says it is over" + ("" if said == "resolved" else ", without a last word"))
    if status == "resolved" and said != "resolved":
        return Text(f"still says {said}: the last word has not gone out", "bold red")
    if status != "resolved" and said == "resolved":
        return Text("says resolved, and it is open again: publish an update", "bold red")
    return Text(f"says {said}")


def _service(view: View) -> Text:
    name, key = one_line(view.get("service_name") or ""), one_line(view.get("service", ""))
    text = Text(f"{name} ({key})" if name and name != key else key)
    text.append(", major incident" if view.get("major") else ", not major")
    if view.get("type") not in (None, "default"):
        text.append(f", process {one_line(view['type'])}")
    return text


def _moment(view: View, field: str, now: datetime, rest: str = "") -> Text:
    wire = view.get(field)
    return Text(f"{clock.both(wire, now)}, {clock.since(wire, now)}{one_line(rest)}")


def _impact(view: View, now: datetime) -> Text:
    answered = (view.get("assessment") or {}).get("started_at")
    began = answered or view.get("impact_started_at")
    if not began:
        return Text("start unknown")
    ended = view.get("impact_ended_at")
    until = f" until {clock.both(ended, now)}" if ended else f", {clock.since(began, now)}"
    return Text(f"since {clock.both(began, now)}{until}")


def _taken(view: View, now: datetime) -> Text:
    raised, taken = clock.read(view.get("raised_at")), clock.read(view.get("acknowledged_at"))
    if taken is None:
        hint = f"nobody has acknowledged: `tocsin ack {one_line(view['id'])} --as YOU`"
        return Text(hint, "bold red") if is_open(view) else Text("never acknowledged")
    after = f", after {clock.span(taken - raised)}" if raised else ""
    return Text(f"{clock.both(view['acknowledged_at'], now)}{after}")


def page_waits(entries: Iterable[View]) -> str:
    """Why the page of an incident has not gone out, in the timeline's words; empty where none waits."""
    why = ""
    for entry in entries:
        fact, data = entry.get("fact"), entry.get("data") or {}
        holds = fact in ("page_held", "held_for_cause") or (
            fact == "in_maintenance" and data.get("run") is not None
        )
        if holds or (fact == "cause_ended" and data.get("pages") is False):
            why = str(entry.get("text", ""))
        elif fact in ("step_paged", "cause_ended", "maintenance_ended"):
            why = ""
    return why


def _confirm(view: View) -> str:
    return f"`tocsin assess {one_line(view['id'])} --confirmed`"


def _people(view: View, now: datetime) -> list[Row]:
    rows: list[Row] = []
    for number, held in enumerate(view.get("roles") or []):
        text = Text(f"{one_line(held['role'])}: {one_line(held['person'])}")
        if held["state"] == "offered":
            text.append(f", offered {clock.since(held.get('at'), now)}, no answer", "yellow")
        elif held["state"] != "accepted":
            text.append(f", {held['state']}", "dim")
        rows.append(("roles" if not number else "", text))
    if people := view.get("responders"):
        rows.append(("responders", Text(", ".join(one_line(one["person"]) for one in people))))
    return rows


def _due(view: View, now: datetime) -> list[Row]:
    rows: list[Row] = []
    for audience, wire in (view.get("next_update_due") or {}).items():
        if not wire:
            continue
        until, is_late = clock.due(wire, now)
        text = Text(f"{audience} update {clock.both(wire, now)}, ").append(
            until, "bold red" if is_late else ""
        )
        rows.append(("next" if not rows else "", text))
    return rows or [("next", Text("no update is due"))]


def _sections(view: View, entries: list[View], now: datetime) -> Iterable[tuple[str, list[Row]]]:
    yield "Open questions", [("?", Text(clean(q))) for q in view.get("open_questions") or []]
    yield (
        "Assessment",
        [
            (one_line(name).replace("_", " "), Text(clean(_answer(value))))
            for name, value in (view.get("assessment") or {}).items()
        ],
    )
    yield (
        "Theories",
        [
            (f"{THEORY_MARKS.get(one.get('state'), '?')} {one_line(one['id'])}", _theory(one))
            for one in view.get("theories") or []
        ],
    )
    yield (
        "Experiments",
        [(one_line(one["id"]), _experiment(one)) for one in view.get("experiments") or []],
    )
    yield "Updates", list(_updates(view, entries, now))
    yield "Waiting for approval", list(_proposals(view))
    yield "Held: it may be out", list(_held(view))
    yield (
        "Links",
        [
            (one_line(one["kind"]).replace("_", " "), Text(one_line(one["target"])))
            for one in view.get("links") or []
        ],
    )
    yield "Where", list(_places(view))


def _answer(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _theory(theory: View) -> Text:
    why = f": {theory['reason']}" if theory.get("reason") else ""
    return Text(clean(f"{theory['text']} [{theory.get('state', 'open')}{why}]"))


def _experiment(experiment: View) -> Text:
    about = f" (on {experiment['theory']})" if experiment.get("theory") else ""
    result = experiment.get("result")
    return Text(clean(f"{experiment['text']}{about} → {result or 'no result yet'}"))


def _updates(view: View, entries: list[View], now: datetime) -> Iterable[Row]:
    updates = view.get("updates") or []
    for update, delivered in zip(updates, delivery_lines(updates, entries), strict=True):
        stage = f" {update['status']}" if update.get("status") else ""
        whom = f" to {', '.join(update['audiences'])}" if update.get("audiences") else ""
        who = f"{update['audience']}{stage}{whom}, by {update.get('actor') or 'unknown'}"
        who += f", approved by {update['approved_by']}" if update.get("approved_by") else ""
        at = clock.read(update.get("at"))
        text = Text(f"{one_line(who)}\n", "bold").append(clean(update["text"]), "not bold")
        if delivered:
            text.append(f"\n{delivered}", "not bold red" if "NOT" in delivered else "not bold dim")
        yield (f"{clock.local(at):%H:%M}" if at else "", text)


def _proposals(view: View) -> Iterable[Row]:
    """Texts that a second person has to read, and how."""
    for one in view.get("proposals") or []:
        head = f"{one['audience']} for {', '.join(one['audiences'])}, by {one['by']}"
        how = f"`tocsin approve {view['id']} {one['id']}`"
        text = Text(f"{one_line(head)}\n", "bold yellow").append(clean(one["text"]), "not bold")
        yield one_line(one["id"]), text.append(f"\n{one_line(how)}", "not bold dim")


def _held(view: View) -> Iterable[Row]:
    """Public messages of which a person has to say whether they are out, and how."""
    for one in view.get("held") or []:
        head = f"{one['what']} by {one['channel']}, for {one['recipient']}"
        how = f"`tocsin release {view['id']} {one['id']} --verdict it-is-out|send-again|drop`"
        text = Text(f"{one_line(head)}\n", "bold red").append(one_line(one["detail"]), "not bold")
        yield one_line(one["id"]), text.append(f"\n{one_line(how)}", "not bold dim")


def _places(view: View) -> Iterable[Row]:
    places = view.get("communications") or {}
    for name in ("room", "bridge", "document"):
        if place := places.get(name):
            text = Text(one_line(place))
            if name == "room" and places.get("room_url"):
                text.append(f"  {one_line(places['room_url'])}")
            if name == "room" and (trouble := places.get("room_trouble")):
                text.append(f"  cannot be used: {one_line(trouble)}", "bold red")
            yield name, text
    if view.get("url"):
        yield "page", Text(one_line(view["url"]))
    if view.get("policy_version"):
        yield "policy", Text(one_line(view["policy_version"]))


def _grid(rows: Iterable[Row], label_width: int = 0) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True, min_width=label_width)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(Text(label), text)
    return grid

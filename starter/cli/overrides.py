"""Verbs that change who is on call for a while: oncall override add|remove|list, swap, temporary, contact."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from typer.core import TyperGroup

from starter.cli import options, words
from starter.cli.failures import usage
from starter.cli.output import Format, emit
from starter.cli.session import session
from starter.cli.writing import Write, finish, perform


class AddsByDefault(TyperGroup):
    """`oncall override SCHEDULE …` is `oncall override add SCHEDULE …`, as it always was."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["add", *args]
        return super().resolve_command(ctx, args)


override = typer.Typer(
    cls=AddsByDefault, help="Who stands in for a while. Without a verb: add.", no_args_is_help=True
)

ZONE = "by the schedule's clock"
Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", show_default=False)]
From = Annotated[
    str,
    typer.Option("--from", parser=words.planned, metavar="TIME", help=f"{words.PLANS}; {ZONE}."),
]
Until = Annotated[str, typer.Option("--to", parser=words.planned, metavar="TIME")]


@override.command("add")
def add(
    ctx: typer.Context,
    schedule: Schedule,
    person: Annotated[str | None, typer.Option(metavar="PERSON", help="Who covers.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take off who is on.")] = False,
    also: Annotated[bool, typer.Option("--also", help="Beside whoever is on.")] = False,
    since: From = "0s",
    until: Until = "12h",
    instead_of: Annotated[
        str | None, typer.Option(metavar="PERSON", help="Left out: whoever is on.")
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Have somebody else on call for a while: from now for twelve hours, unless said otherwise."""
    if (person is None) != nobody:
        raise usage("an override needs either --person PERSON or --nobody")
    if also and (nobody or instead_of is not None):
        raise usage("--also adds somebody beside whoever is on: give --person, and no --instead-of")
    from starter.cli import rota

    write = Write(actor, key, output)
    since, until = _on_days(ctx, schedule, since, until)
    fields = write.body({"from": since, "to": until, "instead_of": instead_of})
    body = {**fields, "person": person, **({"also": True} if also else {})}
    answer = perform(ctx, write, lambda client, key: client.override(schedule, body, key))
    beside = " as well" if also else ""
    times = _times(answer.data, since, until)
    done = f"{person or 'nobody'} is on {schedule}{beside} {times}"
    ids = [str(answer.data.get("id") or schedule)]
    finish(answer, output, done, ids=ids, table=rota.changed)


@override.command("remove")
def remove(
    ctx: typer.Context,
    override_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Take an override, a swap or a temporary schedule back."""
    from starter.cli import rota

    write = Write(actor, key, output)
    body = write.body({})
    answer = perform(ctx, write, lambda client, key: client.remove_override(override_id, body, key))
    removed = [str(one) for one in answer.data.get("removed") or [override_id]]
    done = f"{', '.join(removed)} removed"
    finish(answer, output, done, ids=removed, table=rota.changed)


@override.command("list")
def listed(
    ctx: typer.Context,
    schedule: Annotated[
        str | None, typer.Argument(metavar="[SCHEDULE]", help="Left out: all.", show_default=False)
    ] = None,
    past: Annotated[bool, typer.Option("--past", help="Also what is over.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Show overrides, swaps, temporary schedules, and contacts that are switched off."""
    from starter.cli import rota

    with session(ctx).client() as client:
        found = client.overrides(schedule, past=past)
    ids = [str(one["id"]) for one in found.get("overrides", []) if one.get("id")]
    emit(found, output, table=lambda: rota.overrides(found), ids=ids)


def swap(
    ctx: typer.Context,
    schedule: Schedule,
    person: Annotated[str, typer.Argument(metavar="PERSON", show_default=False)],
    partner: Annotated[str, typer.Argument(metavar="PARTNER", show_default=False)],
    since: From,
    until: Until,
    back_since: Annotated[
        str | None,
        typer.Option("--back-from", parser=words.planned, metavar="TIME", help="Partner's turn."),
    ] = None,
    back_until: Annotated[
        str | None, typer.Option("--back-to", parser=words.planned, metavar="TIME")
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Have two people take each other's turns: in one time, or PERSON's for PARTNER's at another."""
    if (back_since is None) != (back_until is None):
        raise usage("--back-from and --back-to belong together")
    from starter.cli import rota

    write = Write(actor, key, output)
    since, until = _on_days(ctx, schedule, since, until)
    if back_since is not None and back_until is not None:
        back_since, back_until = _on_days(ctx, schedule, back_since, back_until)
    body = write.body(
        {
            "person": person,
            "with": partner,
            "from": since,
            "to": until,
            "return_from": back_since,
            "return_to": back_until,
        }
    )
    answer = perform(ctx, write, lambda client, key: client.swap(schedule, body, key))
    ids = [str(one.get("id")) for one in answer.data.get("overrides") or []] or [schedule]
    zone = answer.data.get("timezone")
    done = f"{person} and {partner} swap on {schedule}" + (f", times of {zone}" if zone else "")
    finish(answer, output, done, ids=ids, table=rota.changed)


def temporary(
    ctx: typer.Context,
    schedule: Schedule,
    since: From,
    until: Until,
    shift: Annotated[
        list[str],
        typer.Option(metavar="PERSON,FROM,TO", help="Repeat it; FROM and TO may be left empty."),
    ],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Replace everything in a schedule for a while by fixed shifts."""
    from starter.cli import rota

    write = Write(actor, key, output)
    said = [_shift(one, since, until) for one in shift]
    ends = [one[name] for one in said for name in ("from", "to")]
    since, until, *ends = _on_days(ctx, schedule, since, until, *ends)
    shifts = [{**one, "from": ends[2 * n], "to": ends[2 * n + 1]} for n, one in enumerate(said)]
    body = write.body({"from": since, "to": until, "shifts": shifts})
    answer = perform(ctx, write, lambda client, key: client.temporary(schedule, body, key))
    ids = [str(answer.data.get("id") or schedule)]
    counts = "this shift counts" if len(shifts) == 1 else f"these {len(shifts)} shifts count"
    done = f"only {counts} on {schedule} {_times(answer.data, since, until)}"
    finish(answer, output, done, ids=ids, table=rota.changed)


def _shift(said: str, since: str, until: str) -> dict[str, str]:
    """`dana,18:00,23:00`; a time left out is that of the whole."""
    person, *times = (part.strip() for part in said.split(","))
    if not person or len(times) > 2:
        raise usage(f"--shift {said!r} is not PERSON,FROM,TO such as dana,18:00,23:00")
    start, end = [*times, "", ""][:2]
    return {
        "person": person,
        "from": words.planned(start) if start else since,
        "to": words.planned(end) if end else until,
    }


def _on_days(ctx: typer.Context, schedule: str, *times: str) -> list[str]:
    """The times with their days: a bare `18:00` is today's where the schedule is.

    The schedule is asked for its zone only where that matters, so that the rest works without.
    """
    if not any(map(words.is_clock, times)):
        return list(times)
    with session(ctx).client() as client:
        zone = client.schedule(schedule, None, None, 1).get("timezone") or "UTC"
    now = datetime.now(UTC).astimezone(ZoneInfo(zone))
    return [words.on_day(one, now) for one in times]


def _times(data: dict[str, Any], since: str, until: str) -> str:
    """From when to when it counts, as the roster has kept it."""
    kept = data.get("override") or data.get("temporary") or {}
    zone = data.get("timezone")
    if not (zone and kept.get("from") and kept.get("to")):
        return f"from {since} to {until}"
    since, until = (str(kept[name])[:16].replace("T", " ") for name in ("from", "to"))
    return f"from {since} to {until}, times of {zone}"


def contact(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", show_default=False)],
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", show_default=False)],
    enabled: Annotated[bool, typer.Option("--on/--off", help="Use it, or use it no more.")],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Switch a person's contacts of one channel off, or on again, until the other is said."""
    from starter.cli import rota

    write = Write(actor, key, output)
    body = write.body({"channel": channel, "enabled": enabled})
    answer = perform(ctx, write, lambda client, key: client.set_contact(person, body, key))
    done = f"{channel} of {person} is switched {'on' if enabled else 'off'}"
    finish(answer, output, done, ids=[person], table=rota.changed)

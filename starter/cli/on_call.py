"""Verbs about who is on call: oncall now|schedule|gaps|override|test."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.cli import options, words
from starter.cli.failures import ExitCode, usage
from starter.cli.output import Format, emit
from starter.cli.session import session
from starter.cli.writing import Write, finish, leave, perform

app = typer.Typer()
on_call = typer.Typer(help="Who is on call, who covers, and whether a page arrives.")
app.add_typer(on_call, name="oncall", rich_help_panel=options.PEOPLE, no_args_is_help=True)

Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", show_default=False)]


@on_call.command("now")
def now(
    ctx: typer.Context,
    service: Annotated[str, typer.Option(help="Service of the policy.")],
    at: Annotated[
        str | None, typer.Option(parser=words.coming, metavar="TIME", help="Left out: now.")
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show who would be paged for a service, step by step."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.oncall(service, at)
    people = dict.fromkeys(t["person"] for s in found.get("steps", []) for t in s["targets"])
    emit(found, output, table=lambda: tables.on_call(found), ids=people)


@on_call.command("schedule")
def schedule(
    ctx: typer.Context,
    name: Schedule,
    since: Annotated[
        str | None,
        typer.Option("--from", parser=words.coming, metavar="TIME", help="Left out: now."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", parser=words.coming, metavar="TIME")] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show a schedule's rota: who, from when to when."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.schedule(name, since, until)
    shifts = found.get("shifts", [])
    people = dict.fromkeys(shift["person"] for shift in shifts if shift.get("person"))
    emit(found, output, table=lambda: tables.rows(shifts), ids=people)


@on_call.command("gaps")
def gaps(
    ctx: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, help="How far ahead to look.")] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Find the times at which nobody is on call."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.gaps(days)
    holes = found.get("gaps", [])
    names = dict.fromkeys(hole["schedule"] for hole in holes if hole.get("schedule"))
    emit(found, output, table=lambda: tables.rows(holes, "no gaps"), ids=names)


@on_call.command("override")
def override(
    ctx: typer.Context,
    schedule: Schedule,
    person: Annotated[str | None, typer.Option(metavar="PERSON", help="Who covers.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take off who is on.")] = False,
    since: Annotated[
        str, typer.Option("--from", parser=words.coming, metavar="TIME", help=f"{words.PLANS}.")
    ] = "0s",
    until: Annotated[str, typer.Option("--to", parser=words.coming, metavar="TIME")] = "12h",
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
    from starter.cli import tables

    write = Write(actor, key, output)
    fields = write.body({"from": since, "to": until, "instead_of": instead_of})
    body = {**fields, "person": person}
    answer = perform(ctx, write, lambda client, key: client.override(schedule, body, key))
    done = f"{person or 'nobody'} is on {schedule} from {since} to {until}"
    finish(answer, output, done, ids=[schedule], table=tables.override)


@on_call.command("test")
def send_test_page(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", show_default=False)],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Send a person a test page, to see that it arrives."""
    from starter.cli import tables

    write = Write(actor, key, output)
    body = write.body({"person": person})
    answer = perform(ctx, write, lambda client, key: client.test_page(body, key))
    reached = delivered(answer.data)
    done = f"test page to {person}: {reached.name.lower()}"
    finish(answer, output, done, ids=[person], table=tables.deliveries)
    leave(reached)


def delivered(data: dict[str, object]) -> ExitCode:
    """Done when every message went out, failed when none did, partial between."""
    listed = data.get("deliveries")
    messages = listed if isinstance(listed, list) else []
    failed = [one for one in messages if one.get("state") not in ("sent", "sending")]
    if not failed:
        return ExitCode.DONE
    return ExitCode.FAILED if len(failed) == len(messages) else ExitCode.PARTIAL

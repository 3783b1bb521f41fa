"""Verbs about who is on call: oncall now|schedule|gaps|test. What changes it is `overrides.py`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from starter.cli import options, overrides, words
from starter.cli.failures import ExitCode, usage
from starter.cli.output import Format, emit
from starter.cli.screen import note
from starter.cli.session import session
from starter.cli.writing import Write, leave, perform

app = typer.Typer()
on_call = typer.Typer(help="Who is on call, who covers, and whether a page arrives.")
app.add_typer(on_call, name="oncall", rich_help_panel=options.PEOPLE, no_args_is_help=True)


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
    name: overrides.Schedule,
    days: Annotated[
        int | None, typer.Option(min=1, max=366, help="How far ahead; left out: 14.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", parser=words.coming, metavar="TIME", help="Left out: now."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", parser=words.coming, metavar="TIME", help="Instead of --days."),
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show a schedule's rota: who, from when to when, and why."""
    if days is not None and until is not None:
        raise usage("give either --days or --to")
    from starter.cli import rota

    with session(ctx).client() as client:
        found = client.schedule(name, since, until, days)
    shifts = found.get("shifts", [])
    named = [person for shift in shifts for person in _people(shift)]
    emit(found, output, table=lambda: rota.rota(found), ids=dict.fromkeys(named))


def _people(shift: dict[str, Any]) -> list[str]:
    people = [shift.get("person"), *(one.get("person") for one in shift.get("also") or [])]
    return [person for person in people if person]


@on_call.command("gaps")
def gaps(
    ctx: typer.Context,
    days: Annotated[
        int | None, typer.Option(min=1, max=366, help="How far ahead; left out: 14.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 6 when something was found, for scripts.")
    ] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Find times with nobody on call, people whom nothing reaches, empty steps, double bookings."""
    from starter.cli import rota

    with session(ctx).client() as client:
        found = client.gaps(days)
    holes = found.get("gaps", [])
    listed = found.get("findings", holes)
    names = dict.fromkeys(
        str(one.get("schedule") or one.get("person") or one.get("where")) for one in listed
    )
    emit(found, output, table=lambda: rota.findings(found), ids=names)
    leave(ExitCode.PARTIAL if check and listed else ExitCode.DONE)


on_call.add_typer(overrides.override, name="override")
on_call.command("swap")(overrides.swap)
on_call.command("temporary")(overrides.temporary)
on_call.command("contact")(overrides.contact)


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
    emit(answer.data, output, table=lambda: tables.deliveries(answer.data), ids=[person])
    if reached is ExitCode.FAILED:
        note(f"error: no test page to {person} has left", style="red")
    else:
        note(f"done: test page to {person}: {reached.name.lower()}")
    leave(reached)


def delivered(data: dict[str, object]) -> ExitCode:
    """Done when every message went out, failed when none did or there was none, partial between."""
    listed = data.get("deliveries")
    messages = listed if isinstance(listed, list) else []
    failed = [one for one in messages if one.get("state") not in ("sent", "sending")]
    if messages and not failed:
        return ExitCode.DONE
    return ExitCode.FAILED if len(failed) == len(messages) else ExitCode.PARTIAL

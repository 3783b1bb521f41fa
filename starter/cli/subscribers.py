"""Verbs about who subscribed on the status page: subscribers list|remove."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.cli import options
from starter.cli.output import Format, emit
from starter.cli.session import session
from starter.cli.writing import Write, finish, perform

app = typer.Typer()
subscribers = typer.Typer(help="Who subscribed on the status page: list, remove.")
app.add_typer(subscribers, name="subscribers", rich_help_panel=options.SYSTEM, no_args_is_help=True)

SHOWN = ("id", "kind", "address", "state", "reason", "created_at", "failures")


@subscribers.command("list")
def list_subscribers(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=500, help="The newest so many.")] = 100,
    output: options.Output = Format.TABLE,
) -> None:
    """Show the newest subscribers, their addresses in part, and how many there are."""
    from starter.cli import tables
    from starter.cli.screen import note

    with session(ctx).client() as client:
        found = client.subscribers(limit)
    listed = found.get("subscribers", [])
    rows = [{field: one.get(field) for field in SHOWN} for one in listed]
    ids = [str(one.get("id")) for one in listed]
    emit(found, output, table=lambda: tables.rows(rows, "nobody has subscribed"), ids=ids)
    counts = ", ".join(f"{count} {state}" for state, count in found.get("counts", {}).items())
    if output is Format.TABLE and counts:
        note(counts)


@subscribers.command("remove")
def remove(
    ctx: typer.Context,
    subscriber_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="As `subscribers list` shows it.", show_default=False),
    ],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Delete a subscriber. One whose mail bounced may subscribe again then."""
    from starter.cli import tables

    write = Write(actor, key, output)
    body = write.body({})
    answer = perform(
        ctx, write, lambda client, key: client.remove_subscriber(subscriber_id, body, key)
    )
    finish(answer, output, f"{subscriber_id} removed", ids=[subscriber_id], table=tables.pairs)

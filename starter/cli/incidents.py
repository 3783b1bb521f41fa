"""Verbs that raise and read incidents: declare, list, show, timeline, watch."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from starter.cli import options, words
from starter.cli.output import Format, emit
from starter.cli.screen import note
from starter.cli.session import session
from starter.cli.writing import Write, finish, perform

app = typer.Typer()

ListStatus = Literal["open", "resolved", "closed", "cancelled", "all"]


@app.command(rich_help_panel=options.INCIDENTS)
def declare(
    ctx: typer.Context,
    summary: Annotated[str, typer.Argument(parser=words.text, metavar="SUMMARY")],
    service: Annotated[str, typer.Option(help="Service of the policy, or unknown.")],
    severity: Annotated[str | None, typer.Option(metavar="SEV1|SEV2|SEV3")] = None,
    priority: Annotated[str | None, typer.Option(metavar="P1..P5")] = None,
    type: Annotated[str | None, typer.Option(help="Process of the policy.")] = None,
    description: Annotated[str | None, typer.Option(parser=words.text, metavar="TEXT")] = None,
    reporter: Annotated[str | None, typer.Option(help="Who noticed it.")] = None,
    detected_by: Annotated[
        Literal["technology", "customer", "staff"] | None, typer.Option()
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Raise a new incident; whoever is on call is paged."""
    write = Write(actor, key, output)
    fields = {
        "summary": summary, "service": service, "severity": severity, "priority": priority,
        "type": type, "description": description, "reporter": reporter, "detected_by": detected_by,
    }  # fmt: skip
    answer = perform(ctx, write, lambda client, key: client.declare(write.body(fields), key))
    raised = answer.data
    finish(answer, output, f"{raised.get('id')} is raised; its page: {raised.get('url')}")


@app.command("list", rich_help_panel=options.INCIDENTS)
def list_incidents(
    ctx: typer.Context,
    status: Annotated[ListStatus, typer.Option(help="open: raised or fixing.")] = "open",
    service: Annotated[str | None, typer.Option()] = None,
    severity: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    output: options.Output = Format.TABLE,
) -> None:
    """List incidents: the open ones in the order in which they are to be worked on."""
    with session(ctx).client() as client:
        filters = {"status": status, "service": service, "severity": severity}
        found, more = client.incidents(limit=limit, **filters)
    from starter.cli import tables

    ids = [one["id"] for one in found]
    emit({"incidents": found}, output, table=lambda: tables.incidents(found, status), ids=ids)
    if more:
        note(f"more than {limit}: raise --limit, or narrow it by --service and --severity")


@app.command(rich_help_panel=options.INCIDENTS)
def show(
    ctx: typer.Context, incident: options.IncidentId, output: options.Output = Format.TABLE
) -> None:
    """Show one incident: how bad, who leads, what is due next, what was said."""
    from starter.cli import card

    with session(ctx).client() as client:
        view = client.on_incident(incident, client.incident)
        told = view.get("updates") or view.get("status") == "raised"
        wanted = output is Format.TABLE and told
        entries = client.timeline(view["id"]) if wanted else []
    emit(view, output, table=lambda: card.show_card(view, entries), ids=[view["id"]])


@app.command(rich_help_panel=options.INCIDENTS)
def timeline(
    ctx: typer.Context,
    incident: options.IncidentId,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show every fact of an incident, one a line."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.on_incident(incident, lambda one: client.timeline(one, limit))
    ids = [entry.get("seq", number) for number, entry in enumerate(found, start=1)]
    emit({"entries": found}, output, table=lambda: tables.timeline(found), ids=ids)


@app.command(rich_help_panel=options.INCIDENTS)
def watch(
    ctx: typer.Context, incident: options.IncidentId, output: options.Output = Format.TABLE
) -> None:
    """Follow an incident until it is over or you press Ctrl-C; JSON is one line for each change."""
    from starter.cli.watching import follow

    with session(ctx).client() as client:
        follow(client, client.on_incident(incident, client.incident), output)

"""Verbs about the postmortem: postmortem show|edit|submit|approve|action|close|export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from starter.cli import options, words
from starter.cli.failures import usage
from starter.cli.output import Format, emit
from starter.cli.screen import clean
from starter.cli.session import session
from starter.cli.writing import Write, finish, perform

app = typer.Typer()
postmortem = typer.Typer(help="What was learned: write, review, approve, follow up.")
app.add_typer(
    postmortem, name="postmortem", rich_help_panel=options.INCIDENTS, no_args_is_help=True
)


@postmortem.command("show")
def show(
    ctx: typer.Context, incident: options.IncidentId, output: options.Output = Format.TABLE
) -> None:
    """Show the postmortem of an incident."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.on_incident(incident, client.postmortem)
    ids = [found.get("incident_id", incident)]
    emit(found, output, table=lambda: tables.postmortem(found), ids=ids)


@postmortem.command("edit")
def edit(
    ctx: typer.Context,
    incident: options.IncidentId,
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME=TEXT", help="May be repeated; NAME=- reads stdin."),
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="PERSON")] = None,
    category: Annotated[str | None, typer.Option(help="Category of the cause.")] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Write fields such as root-cause, change the owner, name the category."""
    body = {"fields": read_fields(fields), "owner": owner, "category": category}
    _send(ctx, incident, "edit", body, Write(actor, key, output), "postmortem edited")


@postmortem.command("submit")
def submit(
    ctx: typer.Context,
    incident: options.IncidentId,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Submit it for review."""
    _send(ctx, incident, "submit", {}, Write(actor, key, output), "submitted for review")


@postmortem.command("approve")
def approve(
    ctx: typer.Context,
    incident: options.IncidentId,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Approve it."""
    _send(ctx, incident, "approve", {}, Write(actor, key, output), "postmortem approved")


@postmortem.command("action")
def action(
    ctx: typer.Context,
    incident: options.IncidentId,
    text: Annotated[str | None, typer.Argument(parser=words.text, metavar="[TEXT]")] = None,
    owner: Annotated[str | None, typer.Option(metavar="PERSON")] = None,
    due: Annotated[
        str | None, typer.Option(parser=words.coming, metavar="TIME", help=f"{words.PLANS}.")
    ] = None,
    kind: Annotated[Literal["priority", "improvement"] | None, typer.Option()] = None,
    link: Annotated[str | None, typer.Option(metavar="URL")] = None,
    done: Annotated[str | None, typer.Option(metavar="A", help="Mark this one as done.")] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Add a follow-up action, or mark one as done by --done a1."""
    given = {"text": text, "owner": owner, "due_at": due, "kind": kind, "link": link}
    name, fields, said = choose_action(given, done)
    _send(ctx, incident, name, fields, Write(actor, key, output), said)


@postmortem.command("close")
def close(
    ctx: typer.Context,
    incident: options.IncidentId,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Close it; it is approved and has no action open."""
    _send(ctx, incident, "close", {}, Write(actor, key, output), "postmortem closed")


@postmortem.command("export")
def export(
    ctx: typer.Context,
    incident: options.IncidentId,
    format: Annotated[Literal["md", "html"], typer.Option(help="Markdown or HTML.")] = "md",
    file: Annotated[Path | None, typer.Option(help="Where to; left out: stdout.")] = None,
) -> None:
    """Export it with its timeline as a document."""
    with session(ctx).client() as client:
        document = client.on_incident(incident, lambda one: client.export(one, format))
    if file is None:
        print(clean(document), end="")
        return
    try:
        file.write_text(document, encoding="utf-8")
    except OSError as error:
        raise usage(f"{file} cannot be written: {error.strerror or error}") from error


def read_fields(given: list[str] | None) -> dict[str, str] | None:
    """`root-cause=…` as a field of the document.

    Raises:
        CliError: one has no name.
    """
    fields = {}
    for one in given or []:
        name, equals, said = one.partition("=")
        if not equals or not name.strip():
            raise usage(f"--field {one!r} is not NAME=TEXT", "such as --field root-cause='…'")
        fields[name.strip().replace("-", "_")] = words.text(said)
    return fields or None


def choose_action(given: Mapping[str, Any], done: str | None) -> tuple[str, dict[str, Any], str]:
    """Command, body and what to say: one verb adds and completes.

    Raises:
        CliError: it is neither, or both.
    """
    if done is not None:
        if any(value is not None for value in given.values()):
            raise usage("--done marks an action as done and takes nothing else")
        return "complete_action", {"action": done}, f"action {done} is done"
    if given["text"] is None:
        raise usage("an action needs its TEXT, or --done A for one that is done")
    return "add_action", dict(given), "action added"


def _send(
    ctx: typer.Context, incident: str, name: str, fields: Mapping[str, Any], write: Write, done: str
) -> None:
    from starter.cli import tables

    body = write.body(fields)
    answer = perform(
        ctx,
        write,
        lambda client, key: client.on_incident(
            incident, lambda one: client.postmortem_command(one, name, body, key)
        ),
    )
    ids = [str(answer.data.get("incident_id", incident))]
    finish(answer, write.output, done, ids=ids, table=tables.postmortem_line)

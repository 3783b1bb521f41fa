"""Verbs about the incident as a whole: ack, escalate, resolve, reopen, cancel, apply-policy."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.cli import options, words
from starter.cli.output import Format
from starter.cli.writing import Write, send, verb

app = typer.Typer()


@verb(app, "ack", "acknowledge", panel=options.INCIDENTS)
def acknowledge(
    ctx: typer.Context,
    incident: options.IncidentId,
    page: Annotated[
        str | None, typer.Option(metavar="KEY", help="The page that you answer, by its key.")
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Take the page; the first to do so becomes incident manager."""
    write = Write(actor, key, output)
    fields = {"via": "cli", "page": page}
    said = "acknowledged, the pages to you have stopped"
    send(ctx, incident, "acknowledge", fields, write, said)


@verb(app, "escalate", "escalate", panel=options.INCIDENTS)
def escalate(
    ctx: typer.Context,
    incident: options.IncidentId,
    to: Annotated[str, typer.Option(metavar="team:T|person:P|schedule:S", help="Whom to page.")],
    reason: options.Reason,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Page another person, team or schedule until somebody acknowledges."""
    write = Write(actor, key, output)
    send(ctx, incident, "escalate", {"to": to, "reason": reason}, write, f"escalated to {to}")


@verb(app, "resolve", "resolve", panel=options.INCIDENTS)
def resolve(
    ctx: typer.Context,
    incident: options.IncidentId,
    summary: Annotated[
        str, typer.Option(parser=words.text, metavar="TEXT", help="What ended it; - reads stdin.")
    ],
    ended_at: Annotated[
        str | None,
        typer.Option(
            parser=words.past, metavar="TIME", help=f"When the impact ended: {words.FORMS}."
        ),
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """The business impact has ended: pages stop, the final messages go out."""
    fields = {"summary": summary, "ended_at": ended_at}
    send(ctx, incident, "resolve", fields, Write(actor, key, output), "resolved")


@verb(app, "reopen", "reopen", panel=options.INCIDENTS)
def reopen(
    ctx: typer.Context,
    incident: options.IncidentId,
    reason: options.Reason,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """It was not over after all: back to fixing."""
    write = Write(actor, key, output)
    send(ctx, incident, "reopen", {"reason": reason}, write, "reopened")


@verb(app, "cancel", "cancel", panel=options.INCIDENTS)
def cancel(
    ctx: typer.Context,
    incident: options.IncidentId,
    reason: options.Reason,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Not an incident: a false alarm or a duplicate."""
    write = Write(actor, key, output)
    send(ctx, incident, "cancel", {"reason": reason}, write, "cancelled")


@verb(app, "apply-policy", "apply_policy", panel=options.INCIDENTS)
def apply_policy(
    ctx: typer.Context,
    incident: options.IncidentId,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Follow the current policy: steps, cadence and roles are planned anew."""
    write = Write(actor, key, output)
    send(ctx, incident, "apply_policy", {}, write, "follows the current policy")

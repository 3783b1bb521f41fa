"""Verbs about who does what: delegate, accept, decline, hand-over, join, leave."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.cli import options, words
from starter.cli.output import Format
from starter.cli.writing import Write, send, verb

app = typer.Typer()


@verb(app, "delegate", "delegate", panel=options.PEOPLE)
def delegate(
    ctx: typer.Context,
    incident: options.IncidentId,
    role: options.Role,
    to: options.Person,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Offer a role to a person, who gets its written duties."""
    write = Write(actor, key, output)
    send(ctx, incident, "delegate", {"role": role, "to": to}, write, f"{role} offered to {to}")


@verb(app, "accept", "accept_role", panel=options.PEOPLE)
def accept(
    ctx: typer.Context,
    incident: options.IncidentId,
    role: options.Role,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Take the role that was offered to you."""
    write = Write(actor, key, output)
    send(ctx, incident, "accept_role", {"role": role}, write, f"{role} accepted")


@verb(app, "decline", "decline_role", panel=options.PEOPLE)
def decline(
    ctx: typer.Context,
    incident: options.IncidentId,
    role: options.Role,
    reason: options.MaybeReason = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Refuse the role that was offered to you, or put it down."""
    fields = {"role": role, "reason": reason}
    send(ctx, incident, "decline_role", fields, Write(actor, key, output), f"{role} declined")


@verb(app, "hand-over", "hand_over", panel=options.PEOPLE)
def hand_over(
    ctx: typer.Context,
    incident: options.IncidentId,
    role: options.Role,
    to: options.Person,
    briefing: Annotated[
        str,
        typer.Option(
            parser=words.text, metavar="TEXT", help="What the next must know; - reads stdin."
        ),
    ],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Pass a role on at once, with a briefing: the two have spoken."""
    fields = {"role": role, "to": to, "briefing": briefing}
    send(ctx, incident, "hand_over", fields, Write(actor, key, output), f"{role} is with {to}")


@verb(app, "join", "join", panel=options.PEOPLE)
def join(
    ctx: typer.Context,
    incident: options.IncidentId,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Join the responders."""
    send(ctx, incident, "join", {}, Write(actor, key, output), "joined")


@verb(app, "leave", "leave", panel=options.PEOPLE)
def leave(
    ctx: typer.Context,
    incident: options.IncidentId,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Leave the responders and put your roles down."""
    send(ctx, incident, "leave", {}, Write(actor, key, output), "left")

"""Verbs that tell and write down: update, approve, withdraw, release, note, observe, link."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from starter.cli import options, previews, words
from starter.cli.output import Format
from starter.cli.writing import Write, send, verb

app = typer.Typer()

Stage = Literal["investigating", "identified", "monitoring"]
Proposal = Annotated[
    str,
    typer.Argument(
        metavar="UPDATE", help="Which: `u1`, as `tocsin show` lists it.", show_default=False
    ),
]


@verb(app, "update", "publish_update", panel=options.COMMUNICATION)
def update(
    ctx: typer.Context,
    incident: options.IncidentId,
    audience: Annotated[Literal["internal", "external"], typer.Option()],
    text: Annotated[
        str, typer.Option(parser=words.text, metavar="TEXT", help="What to say; - reads stdin.")
    ],
    status: Annotated[
        Stage | None, typer.Option(help="How far it is; left out: as before.")
    ] = None,
    next: Annotated[
        int | None, typer.Option(min=1, metavar="MINUTES", help="When the next update comes.")
    ] = None,
    actor: options.Actor = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what each reader would get; send nothing.")
    ] = False,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Publish an update to an audience; external is the public."""
    fields = {"audience": audience, "text": text, "status": status, "next_update_minutes": next}
    if preview:
        previews.show_preview(ctx, incident, Write(actor, key, output).body(fields), output)
        return
    done = f"{audience} update published"
    send(ctx, incident, "publish_update", fields, Write(actor, key, output), done)


@verb(app, "approve", "approve_update", panel=options.COMMUNICATION)
def approve(
    ctx: typer.Context,
    incident: options.IncidentId,
    update: Proposal,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Let an update go out that waits for a second person; never one of your own."""
    fields = {"update": update}
    send(ctx, incident, "approve_update", fields, Write(actor, key, output), f"{update} approved")


@verb(app, "withdraw", "withdraw_update", panel=options.COMMUNICATION)
def withdraw(
    ctx: typer.Context,
    incident: options.IncidentId,
    update: Proposal,
    reason: options.MaybeReason = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Take back an update that waits for a second person."""
    fields = {"update": update, "reason": reason}
    send(ctx, incident, "withdraw_update", fields, Write(actor, key, output), f"{update} withdrawn")


@verb(app, "release", "release_message", panel=options.COMMUNICATION)
def release(
    ctx: typer.Context,
    incident: options.IncidentId,
    message: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE",
            help="Which: `m3f9a2c`, as `tocsin show` lists it.",
            show_default=False,
        ),
    ],
    verdict: Annotated[
        Literal["it-is-out", "send-again", "drop"],
        typer.Option(help="What you saw where it may stand."),
    ],
    reason: options.MaybeReason = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Decide about a public message of which nobody knows whether it is out."""
    fields = {"message": message, "verdict": verdict.replace("-", "_"), "reason": reason}
    write = Write(actor, key, output)
    send(ctx, incident, "release_message", fields, write, f"{message} released: {verdict}")


@verb(app, "note", "note", panel=options.WORK)
def note(
    ctx: typer.Context,
    incident: options.IncidentId,
    text: options.Text,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Write something on the timeline."""
    send(ctx, incident, "note", {"text": text}, Write(actor, key, output), "noted")


@verb(app, "observe", "observe", panel=options.WORK)
def observe(
    ctx: typer.Context,
    incident: options.IncidentId,
    text: options.Text,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Say what you see, so that others can confirm it."""
    send(ctx, incident, "observe", {"text": text}, Write(actor, key, output), "observation noted")


@verb(app, "link", "link", panel=options.WORK)
def link(
    ctx: typer.Context,
    incident: options.IncidentId,
    target: Annotated[
        str, typer.Argument(metavar="URL|INCIDENT", help="What to link.", show_default=False)
    ],
    kind: Annotated[
        str,
        typer.Option(parser=words.kind, metavar="|".join(k.replace("_", "-") for k in words.KINDS)),
    ] = "related",
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Link another incident, a ticket, a support case, a video or an article."""
    fields = {"target": target, "kind": kind}
    send(ctx, incident, "link", fields, Write(actor, key, output), f"linked as {kind}")

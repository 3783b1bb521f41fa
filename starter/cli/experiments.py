"""Verbs for finding the cause: theory add|support|refute, experiment add|result."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.cli import options
from starter.cli.output import Format
from starter.cli.writing import Write, newest, send, verb

app = typer.Typer()
theories = typer.Typer(help="Say why it may be happening, and whether that held.")
trials = typer.Typer(help="Say what is tried, and what it showed.")
app.add_typer(theories, name="theory", rich_help_panel=options.WORK, no_args_is_help=True)
app.add_typer(trials, name="experiment", rich_help_panel=options.WORK, no_args_is_help=True)

TheoryId = Annotated[
    str, typer.Argument(metavar="T", help="The theory, such as t1.", show_default=False)
]


@verb(theories, "add", "add_theory", group="theory")
def add_theory(
    ctx: typer.Context,
    incident: options.IncidentId,
    text: options.Text,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Add a theory of what broke."""
    write, done = Write(actor, key, output), newest("theories", text)
    send(ctx, incident, "add_theory", {"text": text}, write, done)


@verb(theories, "support", "resolve_theory", group="theory")
def support(
    ctx: typer.Context,
    incident: options.IncidentId,
    theory: TheoryId,
    reason: options.MaybeReason = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Say that a theory held."""
    fields = {"theory": theory, "verdict": "supported", "reason": reason}
    done = f"theory {theory} supported"
    send(ctx, incident, "resolve_theory", fields, Write(actor, key, output), done)


@verb(theories, "refute", "resolve_theory", group="theory")
def refute(
    ctx: typer.Context,
    incident: options.IncidentId,
    theory: TheoryId,
    reason: options.MaybeReason = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Say that a theory did not hold."""
    fields = {"theory": theory, "verdict": "refuted", "reason": reason}
    done = f"theory {theory} refuted"
    send(ctx, incident, "resolve_theory", fields, Write(actor, key, output), done)


@verb(trials, "add", "add_experiment", group="experiment")
def add_experiment(
    ctx: typer.Context,
    incident: options.IncidentId,
    text: options.Text,
    theory: Annotated[
        str | None, typer.Option(metavar="T", help="The theory that it is about.")
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Say what is tried."""
    write, done = Write(actor, key, output), newest("experiments", text)
    send(ctx, incident, "add_experiment", {"theory": theory, "text": text}, write, done)


@verb(trials, "result", "record_result", group="experiment")
def result(
    ctx: typer.Context,
    incident: options.IncidentId,
    experiment: Annotated[
        str, typer.Argument(metavar="E", help="The experiment, such as e1.", show_default=False)
    ],
    text: options.Text,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Record what an experiment showed."""
    fields = {"experiment": experiment, "text": text}
    done = f"result of {experiment} recorded"
    send(ctx, incident, "record_result", fields, Write(actor, key, output), done)

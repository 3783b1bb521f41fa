"""Verbs about reports of customers and colleagues: report list|show|confirm|join|dismiss."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from starter.cli import options
from starter.cli.output import Format, emit
from starter.cli.session import session
from starter.cli.writing import Write, finish, perform

app = typer.Typer()
report = typer.Typer(help="What customers and colleagues sent by the form at /report.")
app.add_typer(report, name="report", rich_help_panel=options.INCIDENTS, no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="REF", help="Such as R-7K3M9QX2.", show_default=False)]
SHOWN = ("ref", "state", "received_at", "service", "reported_by", "summary", "incident")


@report.command("list")
def list_reports(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Answered ones too.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Show the reports that wait for somebody to look at them."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.reports(every=every)
    reports = found.get("reports", [])
    rows = [{field: one.get(field) for field in SHOWN} for one in reports]
    nothing = "no reports" if every else "no report waits"
    ids = [str(one.get("ref")) for one in reports]
    emit(found, output, table=lambda: tables.rows(rows, nothing), ids=ids)


@report.command("show")
def show(ctx: typer.Context, ref: Ref, output: options.Output = Format.TABLE) -> None:
    """Show one report, and what is open for its service."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.report(ref)
    beside = "; ".join(
        f"{one.get('id')} {one.get('severity')} {one.get('status')}: {one.get('summary')}"
        for one in found.get("open_incidents", [])
    )
    shown = {**found, "open_incidents": beside or "none"}
    emit(found, output, table=lambda: tables.pairs(shown), ids=[ref])


@report.command("confirm")
def confirm(
    ctx: typer.Context,
    ref: Ref,
    severity: Annotated[str | None, typer.Option(help="Left out: the default.")] = None,
    priority: Annotated[str | None, typer.Option(help="P1 to P5.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="The process to follow.")] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Make it an incident, which pages as any other."""
    write = Write(actor, key, output)
    body = write.body({"severity": severity, "priority": priority, "type": kind})
    _decide(ctx, write, ref, "confirm", body)


@report.command("join")
def join(
    ctx: typer.Context,
    ref: Ref,
    incident: options.IncidentId,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """It is part of an incident that is open already."""
    write = Write(actor, key, output)
    _decide(ctx, write, ref, "join", write.body({"incident": incident}))


@report.command("dismiss")
def dismiss(
    ctx: typer.Context,
    ref: Ref,
    reason: options.Reason,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """It is no incident. Whoever reported hears so, without the reason."""
    write = Write(actor, key, output)
    _decide(ctx, write, ref, "dismiss", write.body({"reason": reason}))


def _decide(ctx: typer.Context, write: Write, ref: str, what: str, body: dict[str, Any]) -> None:
    from starter.cli import tables

    answer = perform(ctx, write, lambda client, key: client.decide_report(ref, what, body, key))
    incident = answer.data.get("incident")
    done = f"{ref} is {answer.data.get('state')}" + (f": {incident}" if incident else "")
    finish(answer, write.output, done, ids=[str(incident or ref)], table=tables.pairs)

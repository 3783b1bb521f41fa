"""Verbs that judge: assess, severity, priority."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from starter.cli import options, words
from starter.cli.output import Format
from starter.cli.writing import Write, send, verb

app = typer.Typer()

Words = Annotated[str | None, typer.Option(parser=words.text, metavar="TEXT")]


@verb(app, "assess", "assess", panel=options.INCIDENTS)
def assess(
    ctx: typer.Context,
    incident: options.IncidentId,
    customer_impact: Words = None,
    employee_impact: Words = None,
    symptoms: Words = None,
    affected: Annotated[Literal["none", "some", "all"] | None, typer.Option()] = None,
    affected_count: Annotated[int | None, typer.Option(min=0)] = None,
    started_at: Annotated[
        str | None,
        typer.Option(parser=words.past, metavar="TIME", help=f"{words.FORMS}."),
    ] = None,
    support_cases: Annotated[int | None, typer.Option(min=0)] = None,
    factors: Annotated[
        list[str] | None,
        typer.Option(
            "--factor",
            parser=words.factor,
            metavar="FACTOR",
            help="security, social-media, data-loss or another; may be repeated.",
        ),
    ] = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="It is real: the first messages go out.")
    ] = False,
    severity: Annotated[str | None, typer.Option(metavar="SEV1|SEV2|SEV3")] = None,
    priority: Annotated[str | None, typer.Option(metavar="P1..P5")] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Answer the assessment's questions, in pieces; confirm that it is real."""
    fields = {
        "customer_impact": customer_impact, "employee_impact": employee_impact,
        "symptoms": symptoms, "affected": affected, "affected_count": affected_count,
        "started_at": started_at, "support_cases": support_cases, "factors": factors or None,
        "confirmed": confirmed or None, "severity": severity, "priority": priority,
    }  # fmt: skip
    send(ctx, incident, "assess", fields, Write(actor, key, output), "assessment noted")


@verb(app, "severity", "set_severity", panel=options.INCIDENTS)
def severity(
    ctx: typer.Context,
    incident: options.IncidentId,
    severity: Annotated[str, typer.Argument(metavar="SEVn", show_default=False)],
    reason: options.Reason,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Change how bad it is; becoming major pages at once."""
    fields = {"severity": severity, "reason": reason}
    send(ctx, incident, "set_severity", fields, Write(actor, key, output), f"is {severity}")


@verb(app, "priority", "set_priority", panel=options.INCIDENTS)
def priority(
    ctx: typer.Context,
    incident: options.IncidentId,
    priority: Annotated[str, typer.Argument(metavar="Pn", show_default=False)],
    reason: options.Reason,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Change which of several incidents comes first."""
    fields = {"priority": priority, "reason": reason}
    send(ctx, incident, "set_priority", fields, Write(actor, key, output), f"is {priority}")

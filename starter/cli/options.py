"""Arguments and options that many verbs share, and the groups of the help."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.cli import words
from starter.cli.output import Format

INCIDENTS = "The incident"
COMMUNICATION = "Telling people"
PEOPLE = "People and roles"
WORK = "Finding the cause"
SYSTEM = "The system"

IncidentId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The incident's id, or a beginning that only it has.", show_default=False
    ),
]
Role = Annotated[
    str,
    typer.Argument(
        parser=words.role,
        metavar="ROLE",
        help="A role such as incident-manager, tech-lead, or one of the policy's own.",
        show_default=False,
    ),
]
Text = Annotated[
    str,
    typer.Argument(
        parser=words.text, metavar="TEXT", help="The text; - reads stdin.", show_default=False
    ),
]
Person = Annotated[str, typer.Option("--to", metavar="PERSON", help="Person of the policy.")]
Reason = Annotated[
    str, typer.Option("--reason", parser=words.text, metavar="TEXT", help="Why; - reads stdin.")
]
MaybeReason = Annotated[
    str | None, typer.Option("--reason", parser=words.text, metavar="TEXT", help="Why.")
]
Actor = Annotated[
    str | None,
    typer.Option("--as", metavar="PERSON", help="Who does it; left out: the token's owner."),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        help="Under one key it happens once, however often sent.",
    ),
]
Output = Annotated[
    Format, typer.Option("--output", "-o", help="For people, for programs, or only ids.")
]
"""The default, a table, stands where it is used."""

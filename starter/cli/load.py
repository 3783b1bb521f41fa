"""The verb `oncall load`: who was paged how much, and for whom it was too much."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from starter.cli import options
from starter.cli.on_call import on_call
from starter.cli.output import Format, emit
from starter.cli.session import session


@on_call.command("load")
def load(
    ctx: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, help="How far back to look.")] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show how much each person was paged, at night too, and who had too much at once."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.load(days)
    people = found.get("people", [])
    limit = found.get("limit")

    def table() -> None:
        tables.rows([_row(one, limit) for one in people], "nobody was paged")

    emit(found, output, table=table, ids=[one["person"] for one in people])


def _row(one: dict[str, Any], limit: object) -> dict[str, Any]:
    """One person's line: what is too much stands beside it in words."""
    return {
        "person": one.get("person"),
        "pages": one.get("pages"),
        "at night": one.get("at_night"),
        "incidents": one.get("incidents"),
        "per 12 h at most": one.get("per_shift"),
        "": f"over {limit} per 12 h" if one.get("is_over") else "",
    }

"""Verbs about planned silence and expected signs of life: maintenance add|list|remove, heartbeats."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from starter.cli import options, words
from starter.cli.output import Format, emit
from starter.cli.screen import note
from starter.cli.session import session
from starter.cli.writing import Write, finish, perform

app = typer.Typer()
maintenance = typer.Typer(
    help="Planned work on a service: its alerts are recorded and page nobody."
)
app.add_typer(maintenance, name="maintenance", rich_help_panel=options.PEOPLE, no_args_is_help=True)

Service = Annotated[str, typer.Argument(metavar="SERVICE", show_default=False)]


@maintenance.command("add")
def add(
    ctx: typer.Context,
    service: Service,
    reason: options.Reason,
    since: Annotated[
        str | None,
        typer.Option("--from", parser=words.planned, metavar="TIME", help="Left out: now."),
    ] = None,
    until: Annotated[
        str,
        typer.Option(
            "--to",
            parser=words.planned,
            metavar="TIME",
            help=f"{words.PLANS}; by the organisation's clock.",
        ),
    ] = "1h",
    public_text: Annotated[
        str | None,
        typer.Option(
            help="What the status page says; left out: that there is maintenance, never the reason."
        ),
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Begin a maintenance window: from now for an hour, unless said otherwise."""
    from starter.cli import tables

    write = Write(actor, key, output)
    if words.is_clock(since) or words.is_clock(until):
        now = _where_the_organisation_is(ctx)
        since, until = since and words.on_day(since, now), words.on_day(until, now)
    said = {"from": since, "to": until, "reason": reason, "public_text": public_text}
    body = write.body({"service": service, **said})
    answer = perform(ctx, write, lambda client, key: client.add_maintenance(body, key))
    end = answer.data.get("to") or until
    done = f"{service} is in maintenance as {answer.data.get('id', 'a window')}: until {end}"
    finish(answer, output, done, ids=[service], table=tables.pairs)


@maintenance.command("list")
def list_windows(
    ctx: typer.Context,
    service: Annotated[str | None, typer.Option(help="Left out: every service.")] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show the windows that last or are to come."""
    from starter.cli import rota

    with session(ctx).client() as client:
        found = client.maintenance(service)
    windows = found.get("windows", [])
    ids = [f"{one.get('service')}/{one.get('id')}" for one in windows]
    emit(found, output, table=lambda: rota.windows(found), ids=ids)
    _warn_of_silence(found)


@maintenance.command("remove")
def remove(
    ctx: typer.Context,
    service: Service,
    window: Annotated[
        str, typer.Argument(metavar="WINDOW", help="Its id, such as m1.", show_default=False)
    ],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """End a window now; pages that it holds go out."""
    from starter.cli import tables

    write = Write(actor, key, output)
    body = write.body({})
    answer = perform(
        ctx, write, lambda client, key: client.remove_maintenance(service, window, body, key)
    )
    finish(answer, output, f"{window} of {service} is over", ids=[window], table=tables.pairs)


@app.command("heartbeats", rich_help_panel=options.SYSTEM)
def heartbeats(ctx: typer.Context, output: options.Output = Format.TABLE) -> None:
    """Show every monitor that has to call in: whether it is late, and when it was heard last."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.heartbeats()
    monitors = found.get("heartbeats", [])
    shown = ("name", "state", "last_beat", "due_at", "late_since", "every", "grace", "service")
    rows = [{field: one.get(field) for field in shown} for one in monitors]
    names = [str(one.get("name")) for one in monitors]
    emit(found, output, table=lambda: tables.rows(rows, "no heartbeats"), ids=names)


def _where_the_organisation_is(ctx: typer.Context) -> datetime:
    """The time now by the organisation's clock: a bare `18:00` is today's there."""
    with session(ctx).client() as client:
        policy = client.policy().get("policy") or {}
    zone = (policy.get("organisation") or {}).get("timezone") or "UTC"
    return datetime.now(UTC).astimezone(ZoneInfo(zone))


def _warn_of_silence(found: dict[str, Any]) -> None:
    if silent := found.get("unanswered"):
        note(f"not answered for: {', '.join(map(str, silent))}; the policy's windows are shown")

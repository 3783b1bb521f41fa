"""Verbs about webhooks that we send: webhook secret."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.cli import options
from starter.cli.output import Format, emit
from starter.cli.screen import clean
from starter.cli.session import session

app = typer.Typer()
webhook = typer.Typer(help="Webhooks that updates are posted to: the secret of each.")
app.add_typer(webhook, name="webhook", rich_help_panel=options.SYSTEM, no_args_is_help=True)


@webhook.callback()
def group() -> None:
    """Webhooks that updates are posted to: the secret of each."""


@webhook.command("secret")
def secret(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="As the policy has it.", show_default=False)
    ],
    output: options.Output = Format.TABLE,
) -> None:
    """Print the secret with which the receiver at URL verifies our signatures."""
    with session(ctx).client() as client:
        found = client.webhook_secret(url)
    made = str(found.get("secret", ""))
    emit(found, output, table=lambda: print(clean(made)), ids=[made])

"""Verbs about who may come in: token create|list|revoke|keys, whoami. `token` alone prints the one in use."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.access.roles import AccessRole
from starter.cli import options
from starter.cli.failures import usage
from starter.cli.output import Format, emit
from starter.cli.screen import clean, note
from starter.cli.session import data_dir, session
from starter.cli.writing import Write, finish, perform

app = typer.Typer()
token = typer.Typer(help="Tokens of the API: make, list, revoke; alone it prints the one in use.")
app.add_typer(token, name="token", rich_help_panel=options.SYSTEM, invoke_without_command=True)


@token.callback()
def own_token(ctx: typer.Context, output: options.Output = Format.TABLE) -> None:
    """Tokens of the API: make, list, revoke; alone it prints the one that this command line uses."""
    if ctx.invoked_subcommand is not None:
        return
    url, found = session(ctx).endpoint()
    if not found:
        raise usage(f"no token for {url} is known", "set TOCSIN_API_TOKEN, or give --token")
    data = {"api_url": url, "token": found}
    emit(data, output, table=lambda: print(clean(found)), ids=[found])


@token.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is for: laptop, deploys.")],
    role: Annotated[
        list[AccessRole], typer.Option(help="Once for each role.", case_sensitive=False)
    ],
    owner: Annotated[
        str | None,
        typer.Option(metavar="PERSON", help="Who acts with it; left out: a program."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="90d, or never. Left out: 90d; ingest alone: never."),
    ] = None,
    act_as_any: Annotated[
        bool, typer.Option("--act-as-any", help="Its writes may name any person by --as.")
    ] = False,
    integration: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With ingest: the one integration that it opens."),
    ] = None,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Make a token. It is printed once and kept nowhere: put it where it is needed now."""
    write = Write(actor, key, output)
    is_endless = (expires or "").strip().lower() == "never"
    body = write.body(
        {
            "name": name,
            "roles": [one.value for one in role],
            "owner": owner,
            "expires": None if is_endless else expires,
            "never_expires": True if is_endless else None,
            "act_as_any": act_as_any or None,
            "integration": integration,
        }
    )
    answer = perform(ctx, write, lambda client, key: client.create_token(body, key))
    made = answer.data
    end = made.get("expires_at") or "never"
    whose = f" of {made['owner']}" if made.get("owner") else ""
    done = f"token {made.get('id')}{whose} made; it ends: {end}. It is not shown again"

    def table(view: dict[str, Any]) -> None:
        print(clean(str(view.get("token", ""))))

    finish(answer, output, done, ids=[str(made.get("token", ""))], table=table)


@token.command("list")
def list_tokens(ctx: typer.Context, output: options.Output = Format.TABLE) -> None:
    """Show every token: whose, what it may do, until when, and when it was used last."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.tokens()
    listed = found.get("tokens", [])
    shown = ("id", "name", "owner", "state", "expires_at", "used_at")
    rows = [
        {**{field: one.get(field) for field in shown}, "roles": ", ".join(one.get("roles", []))}
        for one in listed
    ]
    ids = [str(one.get("id")) for one in listed]
    emit(found, output, table=lambda: tables.rows(rows, "no tokens but the system's own"), ids=ids)


@token.command("revoke")
def revoke(
    ctx: typer.Context,
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `token list` shows it.", show_default=False)
    ],
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """End a token, at once and for good."""
    from starter.cli import tables

    write = Write(actor, key, output)
    body = write.body({})
    answer = perform(ctx, write, lambda client, key: client.revoke_token(token_id, body, key))
    finish(answer, output, f"{token_id} opens nothing any more", ids=[token_id], table=tables.pairs)


@token.command("keys")
def keys(output: options.Output = Format.TABLE) -> None:
    """Print the public keys with which this host's API signs, for `access.keys` in the policy."""
    from starter.access.actor_keys import read_actor_keys

    try:
        found = dict(read_actor_keys(data_dir()))
    except (OSError, ValueError) as error:
        raise usage(f"the keys in {data_dir()} cannot be read: {error}") from error
    lines = "\n".join(f"{kid}: {public}" for kid, public in found.items())
    emit({"keys": found}, output, table=lambda: print(lines or "no keys yet"), ids=list(found))


@app.command("whoami", rich_help_panel=options.SYSTEM)
def whoami(ctx: typer.Context, output: options.Output = Format.TABLE) -> None:
    """Show whose token this command line uses, and what it may do."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.whoami()
    shown = {**found, "roles": ", ".join(found.get("roles", []))}
    shown["includes"] = ", ".join(found.get("includes", []))
    emit(found, output, table=lambda: tables.pairs(shown), ids=[str(found.get("acts_as"))])
    if not found.get("roles"):
        note("this token has no role at all")

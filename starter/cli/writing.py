"""The way of every write: body, actor, idempotency key, answer. And which verb sends which command."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from starter.cli.failures import ExitCode, usage
from starter.cli.output import Format, emit
from starter.cli.screen import note, one_line, show
from starter.cli.session import session

if TYPE_CHECKING:
    from starter.client import Answer, TocsinClient

VERBS: dict[str, list[str]] = {}
"""By each command of the domain, the verbs that send it. `verb` fills it."""

Function = TypeVar("Function", bound=Callable[..., Any])
Body = Mapping[str, Any]


def verb(
    app: typer.Typer, name: str, command: str, *, panel: str | None = None, group: str = ""
) -> Callable[[Function], Function]:
    """Register a verb and say which command of the domain it sends."""
    VERBS.setdefault(command, []).append(f"{group} {name}".strip())
    return app.command(name, rich_help_panel=panel)


@dataclass(frozen=True)
class Write:
    """What every write takes beside its own fields."""

    actor: str | None
    key: str | None
    output: Format

    def body(self, fields: Body) -> dict[str, Any]:
        """The fields that were given, and who does it."""
        said = {name: value for name, value in fields.items() if value is not None}
        return said if self.actor is None else {**said, "actor": self.actor}

    def own_key(self) -> str:
        """The key that was given, or a fresh one: so that a repeated request counts once.

        Raises:
            CliError: no header can carry it.
        """
        key = self.key if self.key is not None else f"cli-{uuid.uuid4()}"
        if not key or not key.isascii() or not key.isprintable() or key != key.strip():
            raise usage(f"the idempotency key {key!r} must be printable ASCII")
        return key


def send(
    ctx: typer.Context,
    incident: str,
    command: str,
    fields: Body,
    write: Write,
    done: str | Callable[[dict[str, Any]], str],
) -> None:
    """Send a command to an incident and show what came of it.

    Args:
        ctx: holds the session.
        incident: its id, or a unique prefix.
        command: the domain's name of it.
        fields: of the body; None is left out.
        write: who, under which key, in which form.
        done: what to say when it is done, perhaps from the incident as it is now.
    """
    sent: list[str] = []

    def call(client: TocsinClient, key: str) -> Answer:
        def once(incident_id: str) -> Answer:
            sent[:] = [incident_id]
            return client.command(incident_id, command, write.body(fields), key)

        return client.on_incident(incident, once)

    answer = perform(ctx, write, call)
    said = done if isinstance(done, str) else done(answer.data)
    finish(answer, write.output, said, ids=sent)


def newest(field: str, text: str) -> Callable[[dict[str, Any]], str]:
    """Say under which number a text was added, so that the next verb can name it."""

    def said(view: dict[str, Any]) -> str:
        ours = [one["id"] for one in view.get(field) or [] if one.get("text") == text]
        return f"added as {ours[-1]}" if ours else "added"

    return said


def perform(
    ctx: typer.Context, write: Write, call: Callable[[TocsinClient, str], Answer]
) -> Answer:
    """Do one write under its key; what goes wrong names the key."""
    key = write.own_key()
    with session(ctx).client(key) as client:
        return call(client, key)


def finish(
    answer: Answer,
    output: Format,
    done: str,
    *,
    ids: list[str] | None = None,
    table: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Show an answer; where it was only accepted, say so plainly."""
    data = answer.data
    known = [data["id"]] if data.get("id") else (ids or [])
    if answer.is_only_accepted:
        note("accepted, not done yet: no worker is up. It is kept, and done as soon as one is")
        emit(data, output, table=lambda: None, ids=known)
        return
    emit(data, output, table=lambda: (table or show_line)(data), ids=known)
    note(f"done: {done}")


def show_line(view: dict[str, Any]) -> None:
    """One line of how the incident stands after a write."""
    from starter.cli.card import headline

    if view.get("id") and view.get("severity"):
        show(headline(view))
        return
    for name, value in view.items():
        show(f"{one_line(name)}: {one_line(value)}")


def leave(code: ExitCode) -> None:
    """End with an exit code; 0 just goes on."""
    if code:
        raise typer.Exit(code)

"""Verbs about the policy: policy check|schema|show|reload|explain. Check and schema need no server."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starter.cli import options
from starter.cli.failures import ExitCode, usage
from starter.cli.output import Format, as_yaml, emit
from starter.cli.screen import clean, note, one_line
from starter.cli.session import data_dir, session
from starter.cli.writing import Write, finish, leave, perform

if TYPE_CHECKING:
    from domain.errors import Problem
    from records.policy_file import LoadedPolicy

app = typer.Typer()
policy = typer.Typer(help="The organisation's process as a file: check it, load it, ask it.")
app.add_typer(policy, name="policy", rich_help_panel=options.SYSTEM, no_args_is_help=True)


def default_policy() -> Path:
    return Path(os.environ.get("TOCSIN_POLICY") or "policy/example.yaml")


@policy.command("check")
def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="File or folder; left out: TOCSIN_POLICY."),
    ] = None,
    allow_warnings: Annotated[
        bool, typer.Option("--allow-warnings", help="What is unwise is no reason to fail.")
    ] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Find every mistake of a policy file at once, and show what its samples become; needs no server."""
    from starter.cli import mapped

    path = file or default_policy()
    loaded, errors, warnings = _read(path, with_samples=True)
    samples = mapped.samples_of(loaded.policy, path) if loaded else []
    found = [one.model_dump(mode="json") for one in (*errors, *warnings)]
    lines = [problem_line(one) for one in (*errors, *warnings)]

    def table() -> None:
        _print(lines)
        mapped.samples(samples)

    emit({"problems": found, "samples": samples}, output, table=table, ids=[])
    note(f"{path}: {counted(len(errors), 'mistake')}, {counted(len(warnings), 'warning')}")
    leave(ExitCode.USAGE if errors or (warnings and not allow_warnings) else ExitCode.DONE)


@policy.command("schema")
def schema(output: options.Output = Format.JSON) -> None:
    """Print the JSON Schema of policy files, for editors; needs no running system."""
    from domain.policy.schema import policy_schema

    data = policy_schema()
    print(as_yaml(data) if output is Format.YAML else json.dumps(data, indent=2))


@policy.command("show")
def show(ctx: typer.Context, output: options.Output = Format.TABLE) -> None:
    """Show the policy that is in force: its version and what is in it."""
    from starter.cli import tables

    with session(ctx).client() as client:
        found = client.policy()
    emit(found, output, table=lambda: tables.policy(found), ids=[found.get("version", "")])


@policy.command("reload")
def reload(
    ctx: typer.Context,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Load the policy file anew; a broken one is refused and the last good one stays."""
    from starter.cli import tables

    write = Write(actor, key, output)
    answer = perform(ctx, write, lambda client, key: client.policy_reload(write.body({}), key))
    ids = [str(answer.data.get("version", ""))]
    finish(answer, output, "policy loaded", ids=ids, table=tables.pairs)


@policy.command("explain")
def explain(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[PAYLOAD]", help="An alert; left out: stdin.")
    ] = None,
    integration: Annotated[
        str | None, typer.Option(help="Integration of the policy that it comes through.")
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="Its format, if not the integration's."),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header", "-H", metavar="'NAME: VALUE'", help="As the sender's; repeatable."
        ),
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Tell which rule makes what of an alert payload; nothing is raised."""
    from starter.cli import mapped

    body = read_payload(file)
    body |= {"integration": integration} if integration else {}
    body |= {"format": format_name} if format_name else {}
    body |= {"headers": _headers(header)} if header else {}
    with session(ctx).client() as client:
        found = client.policy_explain(body).data
    emit(found, output, table=lambda: mapped.explained(found), ids=[])


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip():
            raise usage(f"--header {one!r} is no header; write it as 'Content-Type: text/plain'")
        headers[name.strip()] = value.strip()
    return headers


def counted(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def find_problems(path: Path) -> tuple[list[Problem], list[Problem]]:
    """The mistakes and the warnings of a policy."""
    _, errors, warnings = _read(path, with_samples=False)
    return errors, warnings


def _read(
    path: Path, *, with_samples: bool
) -> tuple[LoadedPolicy | None, list[Problem], list[Problem]]:
    """A policy, where it has no mistakes; its mistakes and its warnings."""
    from domain.errors import PolicyError
    from records.policy_file import read_policy
    from records.roster_files import RosterFiles
    from starter.intake import CAN_SIGN
    from starter.template_check import check_texts

    own = os.environ.get("TOCSIN_TEMPLATES", "").strip()
    texts = check_texts(Path(own) if own else None)
    # Where Tocsin has run on this machine, its copies of calendar feeds count for coverage.
    files = RosterFiles(data_dir() / "policy")
    try:
        loaded = read_policy(
            path, formats=CAN_SIGN, files=files, with_samples=with_samples, texts=texts
        )
    except PolicyError as error:
        return None, error.problems, []
    return loaded, [], loaded.warnings


def problem_line(problem: Problem) -> str:
    """`file:line: where: detail`."""
    if problem.warning:
        problem = problem.model_copy(update={"detail": f"warning: {problem.detail}"})
    return one_line(problem)


def read_payload(file: Path | None) -> dict[str, Any]:
    """What a sender sends, as `payload` where it is JSON and as `text` where it is something else.

    Raises:
        CliError: it cannot be read, or is nothing.
    """
    try:
        data = file.read_bytes() if file else sys.stdin.buffer.read()
    except OSError as error:
        raise usage(f"{file} cannot be read: {error.strerror or error}") from error
    text = data.decode(errors="replace")
    if not text.strip():
        raise usage(f"{file or 'stdin'} is empty: give the payload that a sender sends")
    try:
        return {"payload": json.loads(text)}
    except ValueError:
        return {"text": text}


def _print(lines: list[str]) -> None:
    for line in lines:
        print(clean(line))

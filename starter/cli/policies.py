"""Verbs about the policy: policy check|schema|show|reload|explain. Check and schema need no server."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starter.cli import options
from starter.cli.failures import CliError, ExitCode, usage
from starter.cli.output import Format, as_yaml, emit
from starter.cli.screen import clean, note, one_line
from starter.cli.session import data_dir, session
from starter.cli.writing import Write, finish, leave, perform

if TYPE_CHECKING:
    from domain.errors import Problem

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
    """Find every mistake of a policy file at once; needs no running system."""
    path = file or default_policy()
    errors, warnings = find_problems(path)
    found = [one.model_dump(mode="json") for one in (*errors, *warnings)]
    lines = [problem_line(one) for one in (*errors, *warnings)]
    emit({"problems": found}, output, table=lambda: _print(lines), ids=[])
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
    output: options.Output = Format.TABLE,
) -> None:
    """Tell which rule makes what of an alert payload; nothing is raised."""
    from starter.cli import tables

    body = {"payload": read_payload(file)}
    body |= {"integration": integration} if integration else {}
    with session(ctx).client() as client:
        found = client.policy_explain(body).data
    emit(found, output, table=lambda: tables.pairs(found), ids=[])


def counted(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def find_problems(path: Path) -> tuple[list[Problem], list[Problem]]:
    """The mistakes and the warnings of a policy."""
    from domain.errors import PolicyError
    from records.policy_file import read_policy
    from records.roster_files import RosterFiles

    try:
        # Where Tocsin has run on this machine, its copies of calendar feeds count for coverage.
        return [], read_policy(path, files=RosterFiles(data_dir() / "policy")).warnings
    except PolicyError as error:
        return error.problems, []


def problem_line(problem: Problem) -> str:
    """`file:line: where: detail`."""
    if problem.warning:
        problem = problem.model_copy(update={"detail": f"warning: {problem.detail}"})
    return one_line(problem)


def read_payload(file: Path | None) -> Any:
    """The JSON of an alert.

    Raises:
        CliError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8") if file else sys.stdin.read())
    except OSError as error:
        raise usage(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise CliError(ExitCode.USAGE, f"{file or 'stdin'} is not JSON: {error}") from error


def _print(lines: list[str]) -> None:
    for line in lines:
        print(clean(line))

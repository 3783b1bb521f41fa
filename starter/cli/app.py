"""The program: global options, all verbs, and the one place where an error becomes an exit code."""

from __future__ import annotations

import os
import signal
import sys
from functools import cache
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from starter.cli import (
    experiments,
    incidents,
    judging,
    lifecycle,
    load,  # noqa: F401 - registers `oncall load`
    maintenance,
    on_call,
    people,
    policies,
    postmortems,
    reports,
    subscribers,
    system,
    telling,
    tokens,
    webhooks,
)
from starter.cli.failures import CliError, ExitCode, report, usage
from starter.cli.screen import ColorChoice, choose_color
from starter.cli.session import Session

app = typer.Typer(
    name="tocsin",
    help="Major incidents: raise, page, tell, find the cause, resolve, learn.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage or refused as wrong, 3 unreachable, 4 not found,"
    " 5 conflict, 6 partial, 7 not authorised, 8 timed out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (incidents, lifecycle, judging, telling, people, experiments, reports):
    app.add_typer(module.app)
for module in (on_call, maintenance, postmortems, policies, subscribers, tokens, webhooks, system):
    app.add_typer(module.app)


@app.callback()
def connect(
    ctx: typer.Context,
    api_url: Annotated[
        str | None,
        typer.Option(envvar="TOCSIN_API_URL", help="The API; left out: that of `tocsin up` here."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="TOCSIN_API_TOKEN", help="Bearer token; the same.", show_default=False),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, metavar="SECONDS", help="How long to wait.")
    ] = 30.0,
    color: Annotated[ColorChoice, typer.Option(help="auto: only on a terminal.")] = "auto",
) -> None:
    """Major incidents: raise, page, tell, find the cause, resolve, learn."""
    choose_color(color)
    ctx.obj = Session(api_url=api_url, token=token, timeout=timeout)


@cache
def program() -> Any:
    """The tree of all verbs, built once."""
    return typer.main.get_command(app)


def run(arguments: list[str]) -> int:
    """Carry out one command line; the exit code comes back."""
    try:
        for number, argument in enumerate(arguments, start=1):
            if not argument.isprintable() and _has_surrogate(argument):
                raise usage(f"argument {number} is not valid UTF-8")
        code = program()(arguments, prog_name="tocsin", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except CliError as error:
        return report(error)
    except typer.TyperException as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _unread()
    except SystemExit as ended:
        # Typer turns a closed pipe into its own exit; whatever was asked has been done.
        if isinstance(ended.__context__, BrokenPipeError):
            return _unread()
        raise


def main() -> NoReturn:
    """Entry point of the script `tocsin`."""
    signal.signal(signal.SIGTERM, _terminated)
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 gets escapes, never a traceback instead of an incident.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def _unread() -> ExitCode:
    """Whoever read has had enough; nothing is left to say, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DONE


def _misused(error: typer.TyperException) -> int:
    """A command line that cannot be read: the error, and where its help is."""
    context: Any = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return ExitCode.USAGE  # the error printed the help when it was made
    path = context.command_path if context else "tocsin"
    message = error.format_message().rstrip(".")
    return report(CliError(ExitCode.USAGE, message, hint=f"`{path} --help` shows how it goes"))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(ExitCode.TERMINATED)

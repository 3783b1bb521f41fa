"""Verbs about the system itself: up, worker, api, demo, doctor, version, status-page."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from starter.cli import options
from starter.cli.failures import ExitCode
from starter.cli.output import Format, emit
from starter.cli.policies import default_policy
from starter.cli.session import data_dir, session
from starter.cli.writing import Write, finish, leave, perform

app = typer.Typer()
status_page = typer.Typer(help="The public page.")
app.add_typer(
    status_page, name="status-page", rich_help_panel=options.COMMUNICATION, no_args_is_help=True
)

Port = Annotated[int | None, typer.Option(min=0, max=65535, metavar="N", help="0: any free one.")]


@app.command(rich_help_panel=options.SYSTEM)
def up(
    policy: Annotated[Path | None, typer.Option(metavar="F", help="File or folder.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data-dir", metavar="D", help="Where everything is kept.")
    ] = None,
    api_port: Port = None,
    temporal_port: Port = None,
    temporal_ui_port: Port = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="F", help="Written when all is up, with addresses.")
    ] = None,
) -> None:
    """Run everything on this machine until Ctrl-C: Temporal, worker and API."""
    embedded = importlib.import_module("starter.embedded")
    ports = {
        "api_port": api_port, "temporal_port": temporal_port, "temporal_ui_port": temporal_ui_port
    }  # fmt: skip
    given = {name: port for name, port in ports.items() if port is not None}
    places = {"policy": policy or default_policy(), "data_dir": data or data_dir()}
    _ended(embedded.up(embedded.UpOptions(**places, **given, ready_file=ready_file)))


@app.command(rich_help_panel=options.SYSTEM)
def worker(
    queue: Annotated[
        Literal["all", "pages", "main"], typer.Option(help="pages: only what pages people.")
    ] = "all",
) -> None:
    """Run a worker against the Temporal that TEMPORAL_* names."""
    _ended(importlib.import_module("worker").main(queue))


@app.command(rich_help_panel=options.SYSTEM)
def api() -> None:
    """Run the API against the Temporal that TEMPORAL_* names."""
    _ended(importlib.import_module("starter.api.server").main())


@app.command(rich_help_panel=options.SYSTEM)
def demo() -> None:
    """Run one major incident from its alert to its closed postmortem, by itself."""
    _ended(importlib.import_module("starter.demo").main())


@app.command(rich_help_panel=options.SYSTEM)
def doctor(ctx: typer.Context, output: options.Output = Format.TABLE) -> None:
    """Look at what Tocsin needs and say what is wrong with it."""
    from starter.cli import doctor

    findings = doctor.examine(session(ctx))
    data = {"checks": [finding._asdict() for finding in findings]}
    emit(data, output, table=lambda: doctor.show_findings(findings), ids=[])
    is_ill = any(finding.state == "failed" for finding in findings)
    leave(ExitCode.FAILED if is_ill else ExitCode.DONE)


@app.command(rich_help_panel=options.SYSTEM)
def version(output: options.Output = Format.TABLE) -> None:
    """Print the version of this program."""
    number = own_version()
    emit({"version": number}, output, table=lambda: print(f"tocsin {number}"), ids=[number])


@status_page.command("show")
def show(ctx: typer.Context, output: options.Output = Format.TABLE) -> None:
    """What the public reads now: components and open incidents."""
    from starter.cli import public_page

    with session(ctx).client() as client:
        page = client.status_page()
    names = [one["id"] for one in page.get("incidents") or []]
    emit(page, output, table=lambda: public_page.summary(page), ids=names)


@status_page.command("publish")
def publish(
    ctx: typer.Context,
    actor: options.Actor = None,
    key: options.Key = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Write the public status page as static files to every place of the policy."""
    from starter.cli import public_page

    write = Write(actor, key, output)
    body = write.body({})
    answer = perform(ctx, write, lambda client, key: client.publish_status_page(body, key))
    finish(answer, output, "status page published", table=public_page.published)


def own_version() -> str:
    """The installed version; a source tree that was never installed has none."""
    try:
        return installed_version("tocsin")
    except PackageNotFoundError:
        return "0+source"


def _ended(code: Any) -> None:
    """End as the called program ended; one that says nothing ended well."""
    leave(ExitCode(code) if code in list(ExitCode) else ExitCode.FAILED if code else ExitCode.DONE)

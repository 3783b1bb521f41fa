"""The program as a process: start-up, signals, watching, a reader that goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.starter.cli.fake_api import TOKEN, FakeApi

PROGRAM = [sys.executable, "-m", "starter.cli"]
HEAVY = ("temporalio", "sqlalchemy", "fastapi", "starlette", "httpx2", "ruamel", "domain.commands")


def _environment(api: FakeApi) -> dict[str, str]:
    return {**os.environ, "TOCSIN_API_URL": api.url, "TOCSIN_API_TOKEN": TOKEN}


def test_starting_loads_nothing_heavy() -> None:
    """A command line that takes a second to start is not used at night."""
    code = (
        "import sys; import starter.cli; "
        f"print([m for m in sys.modules if m.startswith({HEAVY!r})])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _heed_signals() -> None:
    """As from a terminal: a runner in the background hands SIGINT down as ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def _running(api: FakeApi, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program as a process, which is killed where a test fails or it does not end in time."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(api),
        preexec_fn=_heed_signals,
    ) as running:
        guard = threading.Timer(120, running.kill)
        guard.start()
        try:
            yield running
        finally:
            guard.cancel()
            running.kill()


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_watch_ends_by_signal(number: int, code: int, api: FakeApi) -> None:
    """Ctrl-C is 130, SIGTERM 143, and neither shows a traceback."""
    with _running(api, "watch", "checkout-17", "-o", "json") as watching:
        assert json.loads(_line(watching.stdout))["id"] == "checkout-17"
        watching.send_signal(number)
        _, err = watching.communicate(timeout=90)
    assert (watching.returncode, err) == (code, "")


def test_watch_shows_each_change_and_ends_when_it_is_over(api: FakeApi) -> None:
    """A line for each change, none for silence; an API that is away does not end it."""
    with _running(api, "watch", "checkout-17", "-o", "json") as watching:
        assert json.loads(_line(watching.stdout))["status"] == "fixing"
        api.next_answer = (503, {"detail": "Temporal is away"})
        assert "Temporal is away" in _line(watching.stderr)
        api.incidents["checkout-17"] = {**api.incidents["checkout-17"], "status": "closed"}
        assert json.loads(_line(watching.stdout))["status"] == "closed"
        out, _ = watching.communicate(timeout=90)
    assert (watching.returncode, out) == (0, "")


def test_a_reader_that_goes_away(api: FakeApi) -> None:
    """`tocsin timeline … | head -1` ends in silence."""
    with _running(api, "timeline", "checkout-17") as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == ""
        assert running.wait(90) == 0


def test_bytes_that_are_no_text() -> None:
    """An argument that is not UTF-8 is a wrong command line, not a crash."""
    done = subprocess.run(
        [*PROGRAM, "note", "x", b"\xff"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "argument 3 is not valid UTF-8" in done.stderr


def test_a_terminal_without_utf_8(api: FakeApi) -> None:
    """What it cannot show is escaped."""
    api.incidents["checkout-17"]["summary"] = "Zahlung schlägt fehl"
    environment = {**_environment(api), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*PROGRAM, "list"], capture_output=True, text=True, env=environment, check=True
    )
    assert "Zahlung schl\\xe4gt fehl" in done.stdout


def test_up_gets_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Options reach the embedded system; its exit code is ours."""
    from starter import embedded
    from starter.cli.app import run

    seen: list[embedded.UpOptions] = []

    def fake_up(options: embedded.UpOptions) -> int:
        seen.append(options)
        return 2

    monkeypatch.setattr(embedded, "up", fake_up)
    ready = tmp_path / "ready.json"
    line = f"up --policy p.yaml --data-dir {tmp_path} --api-port 0 --temporal-ui-port 5 --ready-file {ready}"
    assert run(line.split()) == 2
    assert seen == [
        embedded.UpOptions(
            policy=Path("p.yaml"),
            data_dir=tmp_path,
            api_port=0,
            temporal_ui_port=5,
            ready_file=ready,
        )
    ]


def test_start_is_quick() -> None:
    """Half a second of a processor at the very most; how long others keep it busy does not count."""
    best = min(_seconds_to_import() for _ in range(3))
    assert best < 0.4


def _seconds_to_import() -> float:
    code = "import starter.cli, time; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)

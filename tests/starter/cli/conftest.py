"""A fake API on a real socket, and the CLI called as a program is, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from starter.cli.app import run
from tests.starter.cli.fake_api import TOKEN, FakeApi, FakeServer, an_incident


class Result(NamedTuple):
    """How a call ended."""

    code: int
    out: str
    err: str


Tocsin = Callable[..., Result]


@pytest.fixture(scope="session")
def server() -> Iterator[FakeApi]:
    api = FakeApi()
    running = FakeServer(api)
    yield api
    running.stop()


@pytest.fixture
def api(server: FakeApi) -> FakeApi:
    """An API with one open incident."""
    server.incidents = {"checkout-17": an_incident()}
    server.requests, server.next_answer = [], None
    server.page_size, server.delay_seconds = 200, 0.0
    return server


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which no Tocsin is known; its data folder comes back."""
    for name in ("TOCSIN_API_URL", "TOCSIN_API_TOKEN", "NO_COLOR", "FORCE_COLOR", "TOCSIN_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def call(alone: Path, capsys: pytest.CaptureFixture[str]) -> Tocsin:
    """Run `tocsin` without any connection given."""

    def _call(*arguments: str) -> Result:
        code = run(list(arguments))
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return _call


@pytest.fixture
def tocsin(call: Tocsin, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Tocsin:
    """Run `tocsin` against the fake API."""
    monkeypatch.setenv("TOCSIN_API_URL", api.url)
    monkeypatch.setenv("TOCSIN_API_TOKEN", TOKEN)
    return call

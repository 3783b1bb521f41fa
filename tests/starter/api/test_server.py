"""The API as a process: starts with Temporal away, says so, and ends in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import httpx2
import pytest

from domain.errors import PolicyError
from starter.api.server import prepare
from starter.settings import SettingsError, load_settings
from tests.patience import a_closed_port, a_port
from tests.starter.conftest import ROOT


@pytest.fixture
def environ(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    with a_closed_port() as nowhere:
        yield kept | {
            "TOCSIN_DATA_DIR": str(tmp_path),
            "TOCSIN_POLICY": str(ROOT / "policy" / "example.yaml"),
            "TOCSIN_API_PORT": str(a_port()),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{nowhere}",
        }


def start(environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "starter.api.server"],
        env=environ,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_it_serves_without_temporal_and_ends_in_order(environ):
    """Reads and health answer, alerts are kept, people's writes are 503, and it ends with exit code 0."""
    url = f"http://127.0.0.1:{environ['TOCSIN_API_PORT']}"
    process = start(environ)
    try:
        with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
            for _ in range(600):
                with suppress(httpx2.TransportError):
                    if client.get("/livez").status_code == 200:
                        break
                assert process.poll() is None, "the process is dead"
                time.sleep(0.1)
            token = (ROOT / environ["TOCSIN_DATA_DIR"] / "token").read_text().strip()
            client.headers["Authorization"] = f"Bearer {token}"
            assert client.get("/readyz").status_code == 503
            assert client.post("/hooks/alertmanager", json={"alerts": [{}]}).status_code == 202
            body = {"service": "checkout", "severity": "SEV1", "summary": "Cards are refused"}
            assert client.post("/api/v1/incidents", json=body).status_code == 503
            with client.stream("GET", "/api/v1/events") as stream:
                lines = stream.iter_lines()
                assert next(lines) == ": listening"
                begun = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert not [line for line in lines if line.startswith("data")]
        assert process.wait(30) == 0
        assert time.monotonic() - begun < 20
    finally:
        process.kill()
        output = process.communicate()[0]
        print(output)  # shown where the test fails
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"TOCSIN_DELIVRY": "live"}, "TOCSIN_DELIVERY"),
        ({"TOCSIN_API_PORT": "x"}, "TOCSIN_API_PORT"),
        ({"TOCSIN_POLICY": "/nowhere.yaml"}, "/nowhere.yaml"),
    ],
)
def test_it_does_not_start_on_mistakes(environ, change, said):
    """Exit code 2 and a sentence."""
    process = start(environ | change)
    output = process.communicate(timeout=90)[0]
    assert process.returncode == 2
    assert said in output
    assert "Traceback" not in output


def test_prepare(tmp_path):
    """The policy is read once and found again; without any there is nothing to serve."""
    environ = {"TOCSIN_DATA_DIR": str(tmp_path), "TOCSIN_POLICY": str(tmp_path / "none.yaml")}
    with pytest.raises(PolicyError):
        prepare(load_settings(environ), environ)
    good = environ | {"TOCSIN_POLICY": str(ROOT / "policy" / "example.yaml")}
    first = prepare(load_settings(good), good).current()[0]
    assert prepare(load_settings(environ), environ).current()[0] == first
    with pytest.raises(SettingsError):
        prepare(load_settings(good), good | {"TOCSIN_X": "1"})

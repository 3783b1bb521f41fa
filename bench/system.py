"""The system that is measured: the tuned server, worker and API as processes, the floor beside them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from temporalio.client import Client

from bench.http import Connection, request_bytes
from bench.policy import SENDERS_KEY, alert_body, policy_text
from bench.receiver import Receiver
from records.policy_file import read_policy
from records.policy_store import PolicyStore
from starter.client import TocsinClient
from starter.embedded import temporal_command
from starter.intake import FORMATS
from starter.processes import Child, Supervisor, free_port
from starter.security import ensure_token
from starter.temporal_setup import start_desks
from workflows.converter import data_converter

START_SECONDS = 60.0
HOOK = "/hooks/alertmanager"
_KEY = "bench-key"


class BenchError(Exception):
    """It cannot be measured: something did not start, or did not answer."""


class System:
    """Everything of one run, in one folder that is thrown away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.receiver = Receiver()
        self._supervisor = Supervisor(lambda line: print(line, file=sys.stderr), lambda: None)
        self._services: list[str] = []
        self._taken = 0

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.intake.close()
        self.api.close()
        self._stop()

    def _stop(self) -> None:
        self._supervisor.stop_all(10.0)
        self.receiver.close()

    async def _start(self) -> None:
        await self.receiver.open()
        self.data.mkdir(parents=True)
        self.policy_file = self.folder / "policy.yaml"
        self.policy_file.write_text(policy_text(["idle-a", "idle-b", "idle-c"]))
        temporal_port, self.api_port = free_port(), free_port()
        address = f"127.0.0.1:{temporal_port}"
        token = ensure_token(self.data)
        logs = self.folder / "logs"
        bare_ready = self.folder / "bare.json"
        environment = self._environment(address)
        receiver = f"http://127.0.0.1:{self.receiver.port}"
        python = sys.executable
        server = temporal_command(temporal_port, None, self.data / "temporal.db")
        bare = [python, "-m", "bench.bare_worker", address, receiver, str(bare_ready)]
        self._run("temporal", server, environment, logs)
        self.client = await self._connected(address)
        self._run("worker", [python, "-m", "worker"], environment, logs)
        self._run("api", [python, "-m", "starter.api.server"], environment, logs)
        self._run("bare", bare, environment, logs)
        await self._until("the worker", (self.data / "run" / "worker.ready").exists)
        await self._until("the API", self._api_is_ready)
        await self._until("the bare worker", bare_ready.exists)
        self.bare_http_port = int(json.loads(bare_ready.read_text())["http_port"])
        self.intake = await Connection.open(self.api_port)
        self.api = TocsinClient(f"http://127.0.0.1:{self.api_port}", token)

    def _environment(self, address: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "TOCSIN_"))}
        return kept | {
            "TEMPORAL_ADDRESS": address,
            "TEMPORAL_NAMESPACE": "default",
            "TOCSIN_DATA_DIR": str(self.data),
            "TOCSIN_POLICY": str(self.policy_file),
            "TOCSIN_API_HOST": "127.0.0.1",
            "TOCSIN_API_PORT": str(self.api_port),
            "TOCSIN_DELIVERY": "live",
            "SENDGRID_API_KEY": "bench",
            "SENDGRID_BASE_URL": f"http://127.0.0.1:{self.receiver.port}",
            "EMAIL_FROM": "tocsin@example.com",
            SENDERS_KEY: _KEY,
            "PYTHONUNBUFFERED": "1",
        }

    def _run(self, name: str, command: list[str], environment: dict[str, str], logs: Path) -> None:
        self._supervisor.start(Child(name, command, environment, logs / f"{name}.log"))

    async def _connected(self, address: str) -> Client:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._require_running()
            try:
                return await Client.connect(address, data_converter=data_converter)
            except RuntimeError as error:
                if time.monotonic() > deadline:
                    raise BenchError(f"the Temporal server does not answer: {error}") from error
            await asyncio.sleep(0.1)

    async def _until(self, what: str, is_so: object) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await asyncio.to_thread(is_so):  # type: ignore[arg-type]
            self._require_running()
            if time.monotonic() > deadline:
                raise BenchError(f"{what} did not come up in {START_SECONDS:.0f} s")
            await asyncio.sleep(0.05)

    def _api_is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.api_port}/readyz"
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _require_running(self) -> None:
        for child in self._supervisor.children:
            if not child.is_running:
                raise BenchError(f"{child.name} ended; its log ends:\n{child.last_lines(20)}")

    @property
    def pids(self) -> dict[str, int]:
        return {child.name: child.pid for child in self._supervisor.children}

    # What rows do with it.

    async def add_services(self, count: int) -> None:
        """Make services that no alert has met yet, their desks running as a worker's start leaves them."""
        fresh = [f"svc-{len(self._services) + index + 1}" for index in range(count)]
        self._services += fresh
        self.policy_file.write_text(policy_text(self._services))
        loaded = read_policy(self.policy_file, formats=tuple(FORMATS))
        PolicyStore(self.data).adopt(loaded)
        await start_desks(self.client, loaded.policy)
        await asyncio.sleep(2.0)

    def next_service(self) -> str:
        """One of them, each once."""
        self._taken += 1
        return self._services[self._taken - 1]

    def alert_request(self, service: str, severity: str = "critical", number: int = 0) -> bytes:
        """An alert of a service as bytes to send; each number is another one."""
        name = f"{service}-fingerprint" + (f"-{number}" if number else "")
        return request_bytes(HOOK, alert_body(service, name, severity), _KEY)

    async def intake_once(self, request: bytes) -> tuple[int, bytes]:
        """Send to the intake over a connection of its own."""
        link = await Connection.open(self.api_port)
        try:
            return await link.send(request)
        finally:
            link.close()

    async def view(self, incident: str) -> dict[str, object]:
        """An incident as the API shows it."""
        return await asyncio.to_thread(self.api.incident, incident)

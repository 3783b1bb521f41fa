"""The peer: Prometheus Alertmanager, where it is installed, notifying the same receiver."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Self

from bench.machine import ALERTMANAGER
from starter.processes import Child, Supervisor, free_port, port_is_free

START_SECONDS = 20.0


class Alertmanager:
    """One Alertmanager that groups by service and waits for nothing."""

    def __init__(self, folder: Path, receiver_port: int) -> None:
        self._folder, self._receiver_port = folder, receiver_port
        self._supervisor = Supervisor(lambda line: print(line, file=sys.stderr), lambda: None)
        self.is_installed = shutil.which(ALERTMANAGER) is not None
        self.port = 0

    async def __aenter__(self) -> Self:
        if not self.is_installed:
            return self
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "alertmanager.yml"
        url = f"http://127.0.0.1:{self._receiver_port}/"
        route = {"receiver": "bench", "group_by": ["service"], "group_wait": "0s"}
        receivers = [{"name": "bench", "webhook_configs": [{"url": url}]}]
        config.write_text(json.dumps({"route": route, "receivers": receivers}))  # JSON is YAML
        self.port = free_port()
        command = [
            ALERTMANAGER,
            f"--config.file={config}",
            f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
        log = self._folder / "alertmanager.log"
        self._supervisor.start(Child("alertmanager", command, dict(os.environ), log))
        await asyncio.to_thread(self._wait)
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while port_is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)

    async def __aexit__(self, *_: object) -> None:
        self._supervisor.stop_all(5.0)

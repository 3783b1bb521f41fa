"""Everything on one machine: `tocsin up` starts the real Temporal server, the worker and the API.

State is kept in the data folder and found again at the next start. For production point `TEMPORAL_*` at
a cluster and run `tocsin worker` and `tocsin api` under your own supervisor instead.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from domain.errors import PolicyError
from records.policy_file import LoadedPolicy, read_policy
from records.policy_store import PolicyStore
from records.roster_files import RosterFiles
from starter.data_folder import DataFolder, FolderError, write_json
from starter.intake import CAN_SIGN
from starter.processes import Child, Supervisor, free_port, port_is_free
from starter.security import closed_integrations, ensure_token
from starter.settings import (
    SettingsError,
    load_settings,
)
from starter.template_check import check_texts
from starter.unknown_settings import refuse_unknown_settings

START_SECONDS = 60.0
"""How long the first start may take; a cold disk and a slow machine included."""
STOP_SECONDS = 9.0
WORKER = Path(__file__).resolve().parent.parent / "worker.py"

# Back-to-back work on the development server meets a 50 ms step per hop unless these are raised; one
# partition keeps urgent-first strict; WAL makes the file database quick and safe against kill -9.
SERVER_TUNING = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)


@dataclass(frozen=True)
class UpOptions:
    """What `tocsin up` was asked for. Port 0 means any free one."""

    policy: Path
    data_dir: Path
    api_port: int | None = None
    """None is that of the settings, which is 8080 by default."""
    temporal_port: int = 7233
    temporal_ui_port: int = 8233
    ready_file: Path | None = None


def say(text: str) -> None:
    """One line for the person at the terminal; that nobody reads it any more must not stop paging."""
    with suppress(OSError):
        print(text, flush=True)


def temporal_command(
    port: int, ui_port: int | None, database: Path | None, extra: tuple[str, ...] = ()
) -> list[str]:
    """The command line of the tuned Temporal server; also what the benchmark starts."""
    command = [str(Path(sys.executable).parent / "temporal"), "server", "start-dev"]
    command += ["--ip", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    command += ["--ui-port", str(ui_port)] if ui_port else ["--headless"]
    for value in (*SERVER_TUNING, *extra):
        command += ["--dynamic-config-value", value]
    if database is not None:
        command += ["--db-filename", str(database)]
        command += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"]
    return command


class Up:
    """One run of `tocsin up`."""

    def __init__(self, options: UpOptions, environment: Mapping[str, str]) -> None:
        self._options = options
        self._environment = dict(environment)
        self._folder = DataFolder(options.data_dir)
        self._supervisor = Supervisor(say, self._write_ready_file)
        self._stop_signal: int | None = None
        self._is_up = False
        self._token = ""

    def run(self) -> int:
        """Start, watch until told to stop, stop.

        Returns:
            The exit code: 0 after Ctrl-C or SIGTERM, 2 for a broken policy, a taken port or folder,
            1 when it could not be brought up.
        """
        try:
            self._settings = load_settings(self._environment)
            files = RosterFiles(self._options.data_dir / "policy")
            texts = check_texts(self._settings.templates, is_fatal=False)
            loaded = read_policy(self._options.policy, formats=CAN_SIGN, files=files, texts=texts)
            refuse_unknown_settings(self._environment, loaded.policy)
        except (PolicyError, SettingsError) as error:
            for problem in error.problems:
                print(f"error: {problem}", file=sys.stderr)
            what = "policy" if isinstance(error, PolicyError) else "settings"
            count = len(error.problems)
            mistakes = "1 mistake" if count == 1 else f"{count} mistakes"
            print(f"{mistakes} in the {what}: nothing was started", file=sys.stderr)
            return 2
        for warning in loaded.warnings:
            say(f"warning: {warning}")
        for line in closed_integrations(loaded.policy, self._environment):
            say(f"note: {line}")
        try:
            with self._folder:
                self._prepare_folder(loaded)
                return self._run_in_folder()
        except FolderError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    def _prepare_folder(self, loaded: LoadedPolicy) -> None:
        """Write what the processes read; only the holder may, so that a refused `up` changes nothing.

        Raises:
            FolderError: something cannot be written. Not retried.
        """
        try:
            PolicyStore(self._folder.path).adopt(loaded)
            self._token = ensure_token(self._folder.path)
        except OSError as error:
            what = f"{self._folder.path} cannot be written: {error.strerror or error}"
            raise FolderError(what) from error
        file = self._options.ready_file
        if file is None:
            return
        try:
            file.unlink(missing_ok=True)  # of an `up` that was killed
            file.parent.mkdir(parents=True, exist_ok=True)
            # Whoever asked for the file waits for it: that it cannot come is told now.
            tempfile.TemporaryFile(dir=file.parent).close()
        except OSError as error:
            what = f"--ready-file {file} cannot be written: {error.strerror or error}"
            raise FolderError(what) from error

    def _run_in_folder(self) -> int:
        if not self._choose_ports():
            return 2
        self._listen_to_signals()
        began = time.monotonic()
        try:
            for child in self._children():
                self._supervisor.start(child)
            if not self._wait_until_ready(began + START_SECONDS):
                return 0 if self._stop_signal else 1
            self._is_up = True
            self._write_ready_file()
            self._banner(time.monotonic() - began)
            while self._stop_signal is None:
                self._supervisor.watch_once()
                time.sleep(0.1)
            say("\nStopping …")
        finally:
            self._supervisor.stop_all(STOP_SECONDS)
            for file in filter(None, (self._folder.endpoint, self._options.ready_file)):
                with suppress(OSError):
                    file.unlink(missing_ok=True)
        say("Stopped. Open incidents and timers go on at the next start.")
        return 0

    def _listen_to_signals(self) -> None:
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup has it ignored
            signal.signal(signal.SIGHUP, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signal = number

    def _choose_ports(self) -> bool:
        wanted = {
            "--api-port": self._settings.api_port
            if self._options.api_port is None
            else self._options.api_port,
            "--temporal-port": self._options.temporal_port,
            "--temporal-ui-port": self._options.temporal_ui_port,
        }
        self._ports = {option: port or free_port() for option, port in wanted.items()}
        taken = [(o, p) for o, p in self._ports.items() if not port_is_free(p)]
        for option, port in taken:
            message = f"port {port} is taken: choose another with {option} N ({option} 0 for any free one)"
            print(f"error: {message}", file=sys.stderr)
        if len(set(self._ports.values())) < len(self._ports):
            print("error: the three ports must differ", file=sys.stderr)
            return False
        return not taken

    # Addresses.

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['--api-port']}"

    @property
    def temporal_address(self) -> str:
        return f"127.0.0.1:{self._ports['--temporal-port']}"

    @property
    def ui_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['--temporal-ui-port']}"

    # Children.

    def _children(self) -> list[Child]:
        data = self._folder.path
        # A profile of somebody's cluster must not lead the embedded system astray.
        inherited = {k: v for k, v in self._environment.items() if not k.startswith("TEMPORAL_")}
        environment = inherited | {
            "TOCSIN_DATA_DIR": str(data),
            "TOCSIN_POLICY": str(self._options.policy.resolve()),
            "TOCSIN_API_HOST": "127.0.0.1",
            "TOCSIN_API_PORT": str(self._ports["--api-port"]),
            "TOCSIN_PUBLIC_URL": self._environment.get("TOCSIN_PUBLIC_URL") or self.api_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": "default",
            "PYTHONUNBUFFERED": "1",
        }
        environment.pop("TOCSIN_API_TOKEN", None)  # the one in the data folder counts
        server = temporal_command(
            self._ports["--temporal-port"], self._ports["--temporal-ui-port"], data / "temporal.db"
        )
        # Ours, whatever stands in the folder that somebody happens to start it from: -P keeps that off
        # the path, and the worker's file is named as it lies beside this package.
        python = [sys.executable, "-P"]
        logs = data / "logs"
        worker = [*python, str(WORKER), "all", "--policy-adopted"]
        return [
            Child("temporal", server, inherited, logs / "temporal.log"),
            Child("worker", worker, environment, logs / "worker.log"),
            Child("api", [*python, "-m", "starter.api.server"], environment, logs / "api.log"),
        ]

    def _wait_until_ready(self, deadline: float) -> bool:
        while self._stop_signal is None:
            self._supervisor.watch_once()
            if self._is_ready():
                return True
            if time.monotonic() > deadline:
                say(f"error: not up after {START_SECONDS:.0f} s")
                for child in self._supervisor.children:
                    state = "running" if child.is_running else "dead"
                    say(f"  {child.name} is {state}; its log ({child.log}) ends:")
                    say("    " + child.last_lines().replace("\n", "\n    "))
                return False
            time.sleep(0.05)
        return False

    def _is_ready(self) -> bool:
        worker = next(c for c in self._supervisor.children if c.name == "worker")
        ready = self._folder.path / "run" / "worker.ready"
        try:
            if ready.read_text().strip() != str(worker.pid):
                return False
            with urllib.request.urlopen(f"{self.api_url}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    # What it tells.

    def _write_ready_file(self) -> None:
        """Say where all is, once all is up, and again whenever a process is another one."""
        if not self._is_up:
            return
        try:
            self._write_where()
        except OSError as error:  # a full disk must not end what pages people
            say(f"warning: where all is cannot be written down: {error}")

    def _write_where(self) -> None:
        pids = {child.name: child.pid for child in self._supervisor.children}
        endpoint = {"api_url": self.api_url, "token": self._token}
        write_json(self._folder.endpoint, endpoint)
        if self._options.ready_file is None:
            return
        content = endpoint | {
            "temporal_address": self.temporal_address,
            "temporal_ui_url": self.ui_url,
            "data_dir": str(self._folder.path),
            "pids": pids,
        }
        write_json(self._options.ready_file, content)

    def _banner(self, seconds: float) -> None:
        notice = self._settings.delivery_notice() or "live: people are paged"
        delivery = notice.removeprefix("delivery is ")
        say(f"Tocsin is up ({seconds:.1f} s). Ctrl-C stops it; state stays in {self._folder.path}")
        say(f"  API          {self.api_url}   (tocsin finds address and token by itself)")
        say(f"  Status page  {self.api_url}/status")
        say(f"  Temporal UI  {self.ui_url}   (server {self.temporal_address})")
        say(f"  Delivery     {delivery}; files are in {self._folder.path}/outbox")
        say('  Try          tocsin declare "Checkout is down" --service checkout --severity SEV1')


def up(options: UpOptions) -> int:
    """Run everything until told to stop; see `Up.run` for the exit code."""
    return Up(options, os.environ).run()

"""Processes of one `tocsin up`: started, watched, restarted, and never left behind.

Each child gets the kernel's word that it ends with its parent (Linux), so that even a killed `up` leaves
nothing running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

FREE_RESTARTS_PER_MINUTE = 10
"""Deaths in one minute that are answered at once; more, and the restarts slow down."""
MAX_WAIT_SECONDS = 30.0
MAX_LOG_BYTES = 20 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


def _die_with_parent(parent: int) -> Callable[[], None]:
    """In the child, before exec: ask for SIGKILL when the parent ends."""

    def prepare() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it ended before the request was made
                os._exit(1)

    return prepare


@dataclass
class Child:
    """One supervised process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    restart_at: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only `up`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with _open_log(self.log) as out:
            self.process = subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),
            )
        self.restart_at = None

    def note_death(self, now: float) -> float:
        """Count a death and decide when to restart.

        Returns:
            Seconds to wait: none for the first ten deaths in a minute.
        """
        self.deaths.append(now)
        recent = sum(1 for at in self.deaths if now - at < 60.0)
        excess = recent - FREE_RESTARTS_PER_MINUTE
        wait = 0.0 if excess <= 0 else min(2.0 ** min(excess - 1, 6), MAX_WAIT_SECONDS)
        self.restart_at = now + wait
        return wait

    def last_lines(self, count: int = 5) -> str:
        """The end of its log, for the sentence that says that it died."""
        try:
            text = self.log.read_bytes()[-4000:].decode(errors="replace")
        except OSError as error:
            return f"(no log: {error})"
        return "\n".join(text.strip().splitlines()[-count:])

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        if self.is_running and self.process is not None:
            self.process.send_signal(sig)


def _open_log(path: Path) -> IO[bytes]:
    """Append; start afresh once the file has grown too large to be read by anybody."""
    large = path.exists() and path.stat().st_size > MAX_LOG_BYTES
    return path.open("wb" if large else "ab")


class Supervisor:
    """Watches children, restarts the dead, ends them all in order."""

    def __init__(self, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._say, self._changed = say, changed
        self.children: list[Child] = []
        self.is_stopping = False

    def start(self, child: Child) -> None:
        child.start()
        self.children.append(child)

    def watch_once(self) -> None:
        """One look at every child."""
        now = time.monotonic()
        for child in self.children:
            if self.is_stopping or child.is_running:
                continue
            if child.restart_at is None:
                code = child.process.returncode if child.process else "?"
                wait = child.note_death(now)
                then = "restarting" if not wait else f"restarting in {wait:.0f} s"
                self._say(f"{child.name} (pid {child.pid}) died with code {code}: {then}")
                if wait:
                    self._say(f"  last words of {child.name}: {child.last_lines(2)}")
            if child.restart_at is not None and now >= child.restart_at:
                self._restart(child, now)

    def _restart(self, child: Child, now: float) -> None:
        """A restart that fails, for want of memory or disk, is no reason for the others to end."""
        try:
            child.start()
        except (OSError, subprocess.SubprocessError) as error:
            wait = max(child.note_death(now), 1.0)
            child.restart_at = now + wait
            self._say(f"{child.name} cannot be started: {error}: trying again in {wait:.0f} s")
            return
        self._changed()
        self._say(f"{child.name} restarted (pid {child.pid})")

    def stop_all(self, within_seconds: float) -> bool:
        """End the children, last started first; kill what is left when time is up.

        Returns:
            Whether every child ended by itself.
        """
        self.is_stopping = True
        deadline = time.monotonic() + within_seconds
        clean = True
        groups = [self.children[1:], self.children[:1]]  # the server goes last
        for index, group in enumerate(groups):
            for child in group:
                child.stop()
            share = deadline if index else deadline - within_seconds / 4
            while any(child.is_running for child in group) and time.monotonic() < share:
                time.sleep(0.05)
            for child in group:
                if child.is_running and child.process is not None:
                    clean = False
                    self._say(f"{child.name} (pid {child.pid}) did not end in time: killed")
                    child.process.kill()
                    child.process.wait()
        return clean


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])

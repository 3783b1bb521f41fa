"""Supervised processes: restarted at once, slowed down when they keep dying, ended in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from starter.processes import Child, Supervisor, free_port, port_is_free

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]
DIES = [sys.executable, "-c", "import sys; print('no database'); sys.exit(3)"]


class Watched:
    """A supervisor, what it said, and how often it told that a process is another one."""

    def __init__(self, tmp_path: Path) -> None:
        self.said: list[str] = []
        self.changes = 0
        self._logs = tmp_path
        self.supervisor = Supervisor(self.said.append, self._count)

    def _count(self) -> None:
        self.changes += 1

    def start(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, dict(os.environ), self._logs / f"{name}.log")
        self.supervisor.start(child)
        return child

    def watch_until(self, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not look():
            assert time.monotonic() < deadline, self.said
            self.supervisor.watch_once()
            time.sleep(0.01)

    def watch(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.supervisor.watch_once()
            time.sleep(0.01)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.supervisor.stop_all(0.0)


def ended(child: Child) -> None:
    """Kill it and wait for its end."""
    assert child.process is not None
    child.process.kill()
    child.process.wait(30)


def test_dead_process_is_restarted_at_once_and_named(watched: Watched) -> None:
    """One look is enough; the line names both ids, and the change is told once."""
    child = watched.start("worker", SLEEPS)
    old = child.pid
    ended(child)
    watched.supervisor.watch_once()
    assert child.is_running
    assert child.pid != old
    assert watched.said == [
        f"worker (pid {old}) died with code -9: restarting",
        f"worker restarted (pid {child.pid})",
    ]
    assert watched.changes == 1


def test_restart_that_fails_is_tried_again_and_ends_nothing(watched: Watched) -> None:
    """No memory, no disk: the others are watched on, and a line says what is wrong."""
    child, other = watched.start("worker", SLEEPS), watched.start("api", SLEEPS)
    ended(child)
    child.command = ["/no/such/program"]
    watched.supervisor.watch_once()
    assert "worker cannot be started" in watched.said[-1]
    assert "trying again in 1 s" in watched.said[-1]
    assert other.is_running
    child.command = SLEEPS
    watched.watch_until(lambda: child.is_running)


def test_living_process_is_left_alone(watched: Watched) -> None:
    """Watching changes nothing while all is well."""
    child = watched.start("worker", SLEEPS)
    old = child.pid
    watched.watch(0.1)
    assert (child.pid, watched.said, watched.changes) == (old, [], 0)


def test_eleventh_death_in_a_minute_waits_and_shows_the_last_words(watched: Watched) -> None:
    """Ten deaths are answered without a wait; then restarts slow down and the log is quoted."""
    child = watched.start("worker", DIES)
    for death in range(1, 12):
        assert child.process is not None
        child.process.wait(30)
        watched.supervisor.watch_once()
        assert watched.changes == min(death, 10)
    assert "worker" in watched.said[-2]
    assert watched.said[-2].endswith("died with code 3: restarting in 1 s")
    assert watched.said[-1] == "  last words of worker: no database\nno database"
    watched.watch_until(lambda: watched.changes > 10)
    assert watched.changes == 11


def test_deaths_of_a_minute_ago_count_no_more() -> None:
    """A process that dies now and then is always restarted at once."""
    child = Child("worker", SLEEPS, {}, Path("unused"))
    assert [child.note_death(at) for at in range(10)] == [0.0] * 10
    assert child.note_death(10.0) == 1.0
    assert child.note_death(11.0) == 2.0
    assert child.note_death(100.0) == 0.0


def test_wait_between_restarts_is_bounded() -> None:
    """However often it dies, somebody tries again within half a minute."""
    child = Child("worker", SLEEPS, {}, Path("unused"))
    assert max(child.note_death(number / 10) for number in range(60)) == 30.0


def test_processes_end_in_order_with_the_first_one_last(watched: Watched) -> None:
    """The server outlives what speaks to it; a stop within the time is a clean one."""
    server, worker = watched.start("temporal", SLEEPS), watched.start("worker", SLEEPS)
    assert watched.supervisor.stop_all(30.0)
    assert not server.is_running
    assert not worker.is_running
    assert watched.said == []
    watched.supervisor.watch_once()
    assert not worker.is_running, "what was stopped is not restarted"


def test_process_that_does_not_end_is_killed_in_time(watched: Watched) -> None:
    """A deaf one costs its share of the time, and a line says so."""
    child = watched.start("worker", STUBBORN)
    deadline = time.monotonic() + 30
    while "deaf" not in child.last_lines() and time.monotonic() < deadline:
        time.sleep(0.01)
    server_less = watched.supervisor
    began = time.monotonic()
    assert not server_less.stop_all(0.4)
    assert time.monotonic() - began < 10
    assert not child.is_running
    assert watched.said == [f"worker (pid {child.pid}) did not end in time: killed"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word is Linux's")
def test_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves nothing running."""
    program = (
        "import sys, time; from pathlib import Path; from starter.processes import Child\n"
        f"child = Child('c', {SLEEPS!r}, {{}}, Path({str(tmp_path / 'log')!r}))\n"
        "child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as out:
        child = int(out.readline())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait(30)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}/cmdline").exists() and time.monotonic() < deadline:
        if not Path(f"/proc/{child}/cmdline").read_bytes():
            break  # it has ended and waits to be reaped
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{child}").exists(), "the child outlived its parent"


def test_log_is_appended_to_and_begins_anew_when_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart keeps the words before it; a log that nobody could read is not kept for ever."""
    log = tmp_path / "logs" / "worker.log"
    child = Child("worker", [sys.executable, "-c", "print('hello')"], dict(os.environ), log)
    for _ in range(2):
        child.start()
        assert child.process is not None
        child.process.wait(30)
    assert child.last_lines() == "hello\nhello"
    monkeypatch.setattr("starter.processes.MAX_LOG_BYTES", 5)
    child.start()
    child.process.wait(30)
    assert log.read_text() == "hello\n"


def test_missing_log_is_said(tmp_path: Path) -> None:
    """The sentence about a death must not fail for want of a log."""
    assert "(no log:" in Child("worker", SLEEPS, {}, tmp_path / "none").last_lines()


def test_port_in_use_is_not_free() -> None:
    """A port counts as taken while somebody listens, and as free afterwards."""

    def is_free_afterwards() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])
            assert not port_is_free(port)
        return port_is_free(port)

    # Others on this machine take ports as well, and may be quicker now and then.
    assert any(is_free_afterwards() for _ in range(5))
    assert any(port_is_free(free_port()) for _ in range(5))

"""When Tocsin itself was away, no monitor is late for it; and a dead job is found all the same."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system import System, a_policy, a_system, eventually, never

JOBS = [f"job{number}" for number in range(6)]


@contextmanager
def jobs(system: System) -> Iterator[list[int]]:
    """Jobs that call in twice a second, whatever they hear; the answers come back."""
    answers: list[int] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.4):
            for job in JOBS:
                answers.append(system.call("POST", f"/heartbeats/{job}").status_code)
                if over.is_set():
                    return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join(30)


def states(system: System) -> set[str]:
    listed = system.ok("GET", "/api/v1/heartbeats")["heartbeats"]
    return {one["state"] for one in listed}


def test_an_outage_longer_than_the_period_makes_nobody_late(tmp_path: Path) -> None:
    """Temporal stands still: 503 meanwhile, no incident after it, and real silence still is one."""
    # Ten seconds: a machine that stands still for five makes no job late.
    heartbeats = {job: {"every": "2s", "grace": "8s", "service": "batch"} for job in JOBS}
    policy = a_policy(tmp_path / "policy.yaml", {"batch": [("ann", "0s")]}, heartbeats=heartbeats)
    with a_system(tmp_path / "up", policy) as system:
        eventually(lambda: states(system) == {"waiting"}, 30, "the monitors")
        with jobs(system) as answers:
            eventually(lambda: states(system) == {"alive"}, 30, "the first beats")
            pid = system.signal("temporal", signal.SIGSTOP)
            time.sleep(13)
            eventually(lambda: 503 in answers, 30, "a 503")
            system.signal("temporal", signal.SIGCONT)
            assert pid == system.pids()["temporal"]
            eventually(lambda: states(system) == {"alive"}, 30, "the beats after the outage")
            never(lambda: system.incidents("batch"), 5, every=0.5)
        # Now the jobs are dead in earnest.
        eventually(lambda: states(system) == {"late"}, 30, "the silence")
        (incident,) = eventually(lambda: system.incidents("batch"), 30, "an incident")
        eventually(lambda: system.outbox(incident["id"], "page"), 30, "its page")

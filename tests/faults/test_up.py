"""`tocsin up` as a person lives with it: started, refused, ended, killed, and started again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system import System, a_policy, environment, eventually, never, up_command

LADDER = {
    "early": [("ann", "0s"), ("bob", "10m")],
    "later": [("ann", "0s"), ("bob", "45s"), ("cyd", "10m")],
}
BROKEN = """\
version: 1
organisation: {catch_all: [person:alise], defalt_severity: SEV2}
people:
  alice: {contacts: [{channel: email, to: alice@example.com}]}
escalation_policies: {payments: {steps: [{page: [person:alcie], after: soon}]}}
services: {checkout: {escalation: paymets}}
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_policy(tmp_path_factory.mktemp("policy") / "policy.yaml", LADDER)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, policy: Path) -> Iterator[System]:
    """Started from a folder with programs of the same names; messages go to files only."""
    folder = tmp_path_factory.mktemp("up")
    for name in ("worker", "domain", "temporalio"):
        (folder / f"{name}.py").write_text("raise SystemExit('somebody else's program was run')")
    running = System(folder, policy)
    try:
        running.start()
        yield running
    finally:
        running.close()
        print(running.said())


def refused(folder: Path, policy: Path, *more: str, **settings: str) -> list[str]:
    """Start one that must refuse; the lines in which it says why."""
    ended = subprocess.run(
        up_command(folder, policy, *more),
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, f"exit {ended.returncode}: {ended.stdout}{ended.stderr}"
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()


def alive(pids: set[int]) -> set[int]:
    """Which of these processes run; what has ended and waits to be reaped does not."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state != "Z":
            found.add(pid)
    return found


def test_broken_policy_is_told_whole_and_nothing_starts(tmp_path: Path) -> None:
    """Every mistake with its line and the nearest valid name; no folder is made."""
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    lines = refused(tmp_path / "data", file)
    for expected in (
        f"{file}:2: organisation.defalt_severity: unknown field; did you mean default_severity?",
        f"{file}:2: organisation.catch_all.0: unknown person 'alise'; did you mean alice?",
        f"{file}:5: escalation_policies.payments.steps.0.page.0: unknown person 'alcie'; "
        "did you mean alice?",
        f"{file}:6: services.checkout.escalation: unknown escalation policy 'paymets'; "
        "did you mean payments?",
    ):
        assert f"error: {expected}" in lines
    assert any(line.startswith(f"error: {file}:5:") and "'soon'" in line for line in lines)
    assert lines[-1] == "5 mistakes in the policy: nothing was started"
    assert not (tmp_path / "data").exists()


def test_unknown_setting_is_refused_with_the_nearest_one(tmp_path: Path, policy: Path) -> None:
    """A typo in a setting would otherwise change nothing, in silence."""
    lines = refused(tmp_path / "data", policy, TOCSIN_DELIVRY="live")
    assert any("TOCSIN_DELIVRY" in one and "did you mean TOCSIN_DELIVERY" in one for one in lines)
    assert not (tmp_path / "data").exists()


def test_taken_ports_are_named_with_their_options(tmp_path: Path, policy: Path) -> None:
    """One sentence for each port that somebody else has, with the option that changes it."""
    options = ("--api-port", "--temporal-port", "--temporal-ui-port")
    with ExitStack() as held:
        taken = {
            option: held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            for option in options
        }
        given = [part for option, port in taken.items() for part in (option, str(port))]
        lines = refused(tmp_path / "data", policy, *given)
        for option, port in taken.items():
            (line,) = [line for line in lines if f"port {port} is taken" in line]
            assert f"{option} N" in line
        one = [*("--api-port", str(taken["--api-port"])), "--temporal-port", "0"]
        (line,) = refused(tmp_path / "data", policy, *one, "--temporal-ui-port", "0")
        assert str(taken["--api-port"]) in line


def test_second_one_on_the_same_folder_is_refused(system: System) -> None:
    """The holder is named, and is left alone."""
    assert system.process is not None
    (line,) = refused(system.data, system.policy)
    assert f"pid {system.process.pid}" in line
    assert "--data-dir" in line
    assert system.call("GET", "/readyz").status_code == 200


def test_ended_by_ctrl_c_it_finds_every_incident_and_timer_again(system: System) -> None:
    """Stopped within ten seconds; at the next start a step due later still fires at its time."""
    early = system.declare("early")
    began = time.monotonic()
    later = system.declare("later")
    eventually(lambda: len(system.outbox(purpose="page")) == 2, 30, "both first pages")
    children = set(system.pids().values())
    code, seconds = system.stop(signal.SIGINT)
    assert code == 0
    assert seconds < 20
    assert not alive(children)
    assert not system.ready_file.exists()
    assert "Stopped." in system.said()

    system.start()
    assert {one["id"] for one in system.ok("GET", "/api/v1/incidents")["incidents"]} == {
        early,
        later,
    }
    pages = len(system.outbox(purpose="page"))
    assert time.monotonic() - began < 44.5, "too slow a start for this story"
    assert pages == 2, "a page was sent again"
    never(lambda: len(system.outbox(purpose="page")) > 2, began + 44.5 - time.monotonic())
    eventually(lambda: len(system.outbox(later, "page")) == 2, 30, "the second step at its time")
    eventually(lambda: len(system.facts(later, "page_sent")) == 2, 30, "what became of it")
    (first, second) = system.facts(later, "page_sent")
    assert [first["data"]["person"], second["data"]["person"]] == ["ann", "bob"]
    assert not second["data"]["late"]
    assert not system.facts(later, "step_skipped")
    assert system.acknowledge(early, "ann")["status"] == "fixing"


def test_killed_itself_it_leaves_no_process_and_the_next_one_works(system: System) -> None:
    """kill -9 of `up` ends server, worker and API with it; the state is found again."""
    known = {one["id"] for one in system.ok("GET", "/api/v1/incidents?status=all")["incidents"]}
    children = system.kill_all()
    eventually(lambda: not alive(children), 30, f"the end of {children}")
    system.start()
    found = system.ok("GET", "/api/v1/incidents?status=all")["incidents"]
    assert {one["id"] for one in found} == known
    incident = system.declare("early", "Afterwards")
    assert incident == "early-2"
    eventually(lambda: system.outbox(incident, "page"), 30, "a page")


def test_closed_terminal_is_a_clean_end(system: System) -> None:
    """The hang-up of a terminal stops all in order, as Ctrl-C does; nothing has to be killed."""
    for _ in range(2):
        before = len(system.said())
        children = set(system.pids().values())
        code, _ = system.stop(signal.SIGHUP)
        assert code == 0
        assert not alive(children)
        killed = [line for line in system.said()[before:].splitlines() if "killed" in line]
        if not killed:
            break
        system.start()  # the machine may have stood still, but hardly twice
    assert not killed

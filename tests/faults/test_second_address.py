"""Two API processes on one data folder, and a sender that knows both addresses: one may go at any moment."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.faults.test_journal import segments, without_temporal
from tests.patience import a_port
from tests.system import System, a_policy, a_system, an_alert_group, environment, eventually, never

SERVICES = ["cart", "pay", "ship"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("two")
    ladders = {service: [(f"p-{service}", "0s")] for service in (*SERVICES, "late")}
    with a_system(folder, a_policy(folder / "policy.json", ladders)) as running:
        yield running


class SecondApi:
    """A `tocsin api` of one's own beside the one of `tocsin up`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port = a_port()
        self.url = f"http://127.0.0.1:{port}"
        settings = {
            "TOCSIN_DATA_DIR": str(self._system.data),
            "TOCSIN_POLICY": str(self._system.policy),
            "TOCSIN_API_PORT": str(port),
            "TEMPORAL_ADDRESS": str(self._system.ready["temporal_address"]),
        }
        with self._system.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "starter.cli", "api"],
                env=environment(**settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(lambda: _lives(self.url), 60, "the second API")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)


@contextmanager
def a_second(system: System) -> Iterator[SecondApi]:
    second = SecondApi(system)
    try:
        second.start()
        yield second
    finally:
        second.kill()


class Sender:
    """Tries its addresses in turn until one answers 202, as a sender with a second receiver does."""

    def __init__(self, system: System, addresses: Callable[[], list[str]]) -> None:
        self._token, self._addresses = system.ready["token"], addresses
        self.taken_by: list[str] = []

    def send(self, service: str, key: str) -> None:
        body, deadline = an_alert_group(service, key), time.monotonic() + 90
        headers = {"Authorization": f"Bearer {self._token}"}
        while True:
            for address in self._addresses():
                url = f"{address}/hooks/alertmanager"
                try:
                    answer = httpx2.post(
                        url, json=body, headers=headers, timeout=3, trust_env=False
                    )
                except httpx2.HTTPError:
                    continue
                assert answer.status_code == 202, answer.text
                self.taken_by.append(address)
                return
            assert time.monotonic() < deadline, f"nobody takes {key}"
            time.sleep(0.05)


def _lives(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/livez", trust_env=False, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def keys_of(system: System, service: str) -> set[str]:
    """Alert keys on the timeline of a service's one incident."""
    (incident,) = system.incidents(service)
    return {fact["data"]["key"] for fact in system.facts(str(incident["id"]), "alert_folded")}


def paged_once(system: System, service: str) -> None:
    (incident,) = system.incidents(service)
    eventually(lambda: system.outbox(incident["id"], "page"), 30, f"the page of {service}")
    never(lambda: len(system.outbox(incident["id"], "page")) > 1, 0.5)


def test_with_one_api_down_the_second_address_takes_everything(system: System) -> None:
    """First it stands still, then it is killed: no alert is lost, one incident and one page each."""
    with a_second(system) as second:
        sender = Sender(system, lambda: [system.api_url, second.url])
        sent: dict[str, set[str]] = {service: set() for service in SERVICES}

        def send(name: str) -> None:
            for service in SERVICES:
                sender.send(service, f"{service}-{name}")
                sent[service].add(f"{service}-{name}")

        send("both")
        with system.frozen("api"):
            send("frozen")
        for turn in range(5):
            old = system.kill("api")
            send(f"killed-{turn}")
            system.restarted("api", old)
        eventually(lambda: _lives(system.api_url), 60, "the first API")
        for service in SERVICES:
            eventually(
                lambda s=service: system.incidents(s) and keys_of(system, s) == sent[s], 60, service
            )
            paged_once(system, service)
        assert set(sender.taken_by) == {system.api_url, second.url}


def test_what_one_api_kept_in_its_journal_the_other_delivers(system: System) -> None:
    """Temporal is away, the second API answers 202 and dies for good: the first one has it delivered."""
    with a_second(system) as second:
        with without_temporal(system):
            sender = Sender(system, lambda: [second.url])
            for number in range(10):
                sender.send("late", f"late-{number}")
            assert segments(system)
            second.kill()
        wanted = {f"late-{number}" for number in range(10)}
        eventually(
            lambda: system.incidents("late") and keys_of(system, "late") == wanted, 60, "ten alerts"
        )
        paged_once(system, "late")
        eventually(lambda: not segments(system), 30, "an empty journal")

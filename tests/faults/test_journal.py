"""Temporal is away and alerts are answered 202: what the journal took is in Temporal soon after, once."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.fakes.sendgrid import SendGridFake
from tests.faults.conftest import live
from tests.system import System, a_policy, a_system, eventually, never

OUTAGE = [f"outage-{n}" for n in range(5)]
ROUNDS = 3
KILLS = [f"kill-{n}" for n in range(ROUNDS)]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, vendor: SendGridFake) -> Iterator[System]:
    """One of its own: its API dies again and again."""
    folder = tmp_path_factory.mktemp("journal")
    ladders = {service: [("ann", "0s")] for service in (*OUTAGE, *KILLS)}
    with a_system(folder, a_policy(folder / "policy.yaml", ladders), **live(vendor)) as running:
        yield running


@contextmanager
def without_temporal(system: System) -> Iterator[None]:
    """It is killed, and the one that `up` starts in its place stands still until the end."""
    old = system.kill("temporal")
    system.restarted("temporal", old)
    system.signal("temporal", signal.SIGSTOP)
    try:
        yield
    finally:
        old = system.kill("temporal")
        system.restarted("temporal", old)


def send(system: System, service: str, key: str) -> None:
    """Post until it is answered, as Alertmanager does; what is answered is 202."""

    def answered() -> bool:
        try:
            answer = system.alert(service, key)
        except httpx2.HTTPError:  # the API is being restarted
            return False
        assert answer.status_code == 202, answer.text
        return True

    eventually(answered, 30, f"an answer for {key}", every=0.05)


def keys_of(system: System, service: str) -> list[str]:
    """Alert keys on the timeline of a service's one incident, in order."""
    (incident,) = system.incidents(service)
    return [fact["data"]["key"] for fact in system.facts(str(incident["id"]), "alert_folded")]


def waiting(system: System) -> int:
    said = system.call("GET", "/metrics").text.splitlines()
    line = next(one for one in said if one.startswith("tocsin_journal_waiting "))
    return int(float(line.split()[1]))


def segments(system: System) -> list[Path]:
    return list((system.data / "journal").glob("*.journal"))


def count_of(system: System, services: list[str]) -> dict[str, list[int]]:
    """Alerts of each incident."""
    return {
        service: [int(one["alert_count"]) for one in system.incidents(service)]
        for service in services
    }


def paged_once(vendor: SendGridFake, incident: str) -> bool:
    """Whether one page leaves, and no other."""
    return len(eventually(lambda: vendor.calls_for(incident), 30, f"the page of {incident}")) == 1


def test_an_outage_loses_doubles_and_disorders_nothing(
    system: System, vendor: SendGridFake
) -> None:
    """50 alerts over 5 services with the API killed in between: 202 each, all replayed within 30 s, one
    incident for each service, as many alerts as were sent."""
    with without_temporal(system):
        began = time.monotonic()
        for number in range(5):
            for service in OUTAGE:
                send(system, service, f"{service}-{number}")
        assert time.monotonic() - began < 20, "every request waits for Temporal"
        assert waiting(system) == 25
        assert system.call("GET", "/readyz").status_code == 503
        old = system.kill("api")
        system.restarted("api", old)
        with ThreadPoolExecutor(5) as senders:
            for number in range(5, 10):
                list(senders.map(lambda s, n=number: send(system, s, f"{s}-{n}"), OUTAGE))
        assert waiting(system) == 50
        checks = system.call("GET", "/readyz?verbose").json()["checks"]
        assert "50 alerts wait for Temporal" in checks["journal"]
    back = time.monotonic()
    eventually(lambda: not segments(system), 60, "the journal to be drained")
    eventually(
        lambda: count_of(system, OUTAGE) == {service: [10] for service in OUTAGE},
        60 - (time.monotonic() - back),
        "all alerts of all incidents",
    )
    assert waiting(system) == 0
    never(lambda: count_of(system, OUTAGE) != {service: [10] for service in OUTAGE}, 1.0, 0.3)
    for service in OUTAGE:
        (incident,) = system.incidents(service)
        assert paged_once(vendor, str(incident["id"]))
        assert keys_of(system, service) == [f"{service}-{number}" for number in range(10)]


def test_the_api_killed_while_it_delivers_loses_and_doubles_nothing(
    system: System, vendor: SendGridFake
) -> None:
    """Temporal is back and the API dies at random moments of the replay, several times."""
    chance = random.Random(4)
    for service in KILLS:
        with without_temporal(system):
            for number in range(12):
                send(system, service, f"{service}-{number}")
        for _ in range(3):
            # A process needs nearly a second until it delivers.
            time.sleep(chance.uniform(0.6, 1.6))
            old = system.kill("api")
            system.restarted("api", old)
        send(system, service, f"{service}-last")
        eventually(lambda: not segments(system), 60, "the journal to be drained")
        eventually(
            lambda s=service: count_of(system, [s]) == {s: [13]}, 30, f"13 alerts of {service}"
        )
    never(lambda: count_of(system, KILLS) != {service: [13] for service in KILLS}, 1.0, 0.3)
    for service in KILLS:
        (incident,) = system.incidents(service)
        assert paged_once(vendor, str(incident["id"]))
        keys = keys_of(system, service)
        assert keys == [*(f"{service}-{number}" for number in range(12)), f"{service}-last"]

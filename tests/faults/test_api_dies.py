"""The API is killed after Temporal has what was asked, and before the answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2
import pytest

from tests.fakes.sendgrid import SendGridFake
from tests.system import System, an_alert_group, eventually, never

LADDERS = {
    "swallowed-hook": [("ann", "0s")],
    "swallowed-call": [("bob", "0s")],
    **{f"hook-{n}": [(f"hook-person-{n}", "0s")] for n in range(3)},
    **{f"call-{n}": [(f"call-person-{n}", "0s")] for n in range(3)},
}
DELAYS = (0.004, 0.015, 0.040)
"""Seconds between a request and the API's death: before, while and after Temporal takes it."""


class SwallowingProxy:
    """Passes requests on, and keeps the answers to itself."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.has_swallowed = threading.Event()
        self._sockets: list[socket.socket] = [self._listener]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                api = socket.create_connection(self._target)
                self._sockets += [caller, api]
                threading.Thread(target=self._pass_on, args=(caller, api), daemon=True).start()
                threading.Thread(target=self._swallow, args=(api,), daemon=True).start()

    def _pass_on(self, caller: socket.socket, api: socket.socket) -> None:
        with suppress(OSError):
            while data := caller.recv(65536):
                api.sendall(data)

    def _swallow(self, api: socket.socket) -> None:
        with suppress(OSError):
            if api.recv(65536):
                self.has_swallowed.set()

    def break_off(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def swallowing(system: System) -> Iterator[SwallowingProxy]:
    proxy = SwallowingProxy(system.api_url)
    try:
        yield proxy
    finally:
        proxy.break_off()


def send(url: str, token: str, path: str, body: object, **headers: str) -> int:
    """One request on a connection of its own; 0 where no answer came."""
    headers = {"Authorization": f"Bearer {token}", **headers}
    try:
        return httpx2.post(
            url + path, json=body, headers=headers, trust_env=False, timeout=30
        ).status_code
    except httpx2.HTTPError:
        return 0


def hook(service: str) -> tuple[str, object, dict[str, str]]:
    return "/hooks/alertmanager", an_alert_group(service, f"{service}-key"), {}


def declaration(service: str) -> tuple[str, object, dict[str, str]]:
    body = {"service": service, "severity": "SEV1", "summary": "Cards are refused"}
    return "/api/v1/incidents", body, {"Idempotency-Key": f"{service}-key"}


def assert_one(system: System, vendor: SendGridFake, services: list[str]) -> None:
    """Each of these services has one incident with one page."""
    ids = []
    for service in services:
        rows = eventually(lambda s=service: system.incidents(s), 30, f"an incident of {service}")
        assert len(rows) == 1, f"{service} has {[row['id'] for row in rows]}"
        ids.append(rows[0]["id"])
    for one in ids:
        eventually(lambda one=one: vendor.calls_for(one), 30, f"the page of {one}")
    never(lambda: [one for one in ids if len(vendor.calls_for(one)) > 1], 0.7)
    for service in services:
        assert len(system.incidents(service)) == 1


@pytest.mark.parametrize(
    ("service", "request_of"),
    [("swallowed-hook", hook), ("swallowed-call", declaration)],
    ids=["webhook", "declaration"],
)
def test_retry_after_a_swallowed_answer_makes_no_second_incident(
    system: System,
    vendor: SendGridFake,
    service: str,
    request_of: Callable[[str], tuple[str, object, dict[str, str]]],
) -> None:
    """What was durable when the API died is not raised again by the sender's retry."""
    path, body, headers = request_of(service)
    token = system.ready["token"]
    answers: list[int] = []
    with swallowing(system) as proxy:
        sender = threading.Thread(
            target=lambda: answers.append(send(proxy.url, token, path, body, **headers))
        )
        sender.start()
        assert proxy.has_swallowed.wait(30), "the API did not answer"
        old = system.kill("api")
        proxy.break_off()
        sender.join(30)
    assert answers == [0], "the sender heard an answer"
    system.restarted("api", old)

    def accepted() -> bool:
        return send(system.api_url, token, path, body, **headers) in (200, 201, 202)

    eventually(accepted, 30, "the retry to be taken", every=0.1)
    assert_one(system, vendor, [service])


def test_api_killed_at_any_moment_loses_and_doubles_nothing(
    system: System, vendor: SendGridFake
) -> None:
    """Whenever the API dies, a sender that repeats until it is answered has one incident."""
    token = system.ready["token"]
    services = []
    for number, delay in enumerate(DELAYS):
        wanted = [hook(f"hook-{number}"), declaration(f"call-{number}")]
        services += [f"hook-{number}", f"call-{number}"]
        senders = [
            threading.Thread(target=until_answered, args=(system, token, *one)) for one in wanted
        ]
        for sender in senders:
            sender.start()
        time.sleep(delay)
        old = system.kill("api")
        system.restarted("api", old)
        for sender in senders:
            sender.join(90)
    assert_one(system, vendor, services)


def until_answered(
    system: System, token: str, path: str, body: object, headers: dict[str, str]
) -> None:
    deadline = time.monotonic() + 60
    while send(system.api_url, token, path, body, **headers) not in (200, 201, 202):
        assert time.monotonic() < deadline, f"{path} is not answered"
        time.sleep(0.05)

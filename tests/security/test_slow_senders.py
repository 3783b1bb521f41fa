"""Slow senders against a real system: five hundred of them hold no responder up."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.system import System, a_policy, a_system, eventually

SLOW = 500
HEAD = b"POST /hooks/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer canary-key\r\n"
"""Without its end."""
BODY = HEAD + b"Content-Length: 100000\r\n\r\n{"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    policy = a_policy(
        tmp_path / "policy.json",
        {"checkout": [("ann", "1h")]},
        integrations={"prometheus": {"format": "alertmanager", "key": "env:AM_KEY"}},
    )
    with a_system(tmp_path, policy, AM_KEY="canary-key") as running:
        yield running


def is_closed(one: socket.socket) -> bool:
    """Whether the other side has closed it; reads what it said before."""
    one.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            try:
                if one.recv(65_536) == b"":
                    return True
            except ConnectionError:
                return True
    return False


def test_five_hundred_slow_sockets(system: System) -> None:
    """Acknowledgements and reads go on as if they were not there, and the slow ones are closed."""
    incidents = [system.declare("checkout", f"Cards are refused {n}") for n in range(10)]
    port = int(system.api_url.rpartition(":")[2])
    with ExitStack() as stack:
        slow = []
        for number in range(SLOW):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            one.sendall((HEAD, BODY)[number % 2])
            slow.append(one)
        opened, took = time.monotonic(), []

        def drip() -> None:
            for one in slow:
                with suppress(OSError):
                    one.send(b"x")

        for incident in incidents:
            drip()
            for ask in (
                lambda one=incident: system.acknowledge(one, "ann"),
                lambda one=incident: system.view(one),
                lambda: system.alert("checkout", "k1").raise_for_status(),
            ):
                began = time.monotonic()
                ask()
                took.append(time.monotonic() - began)
        heads = slow[::2]
        eventually(lambda: all(is_closed(one) for one in heads), 30, "an end of the slow heads")
        assert time.monotonic() - opened < 90
        text = system.call("GET", "/metrics").text
        assert f'tocsin_connections_closed_total{{why="head"}} {len(heads)}.0' in text
    took.sort()
    print(f"longest {took[-1]:.3f} s, median {took[len(took) // 2]:.3f} s")
    assert took[len(took) // 2] < 2.0
    assert took[-3] < 6.0, "two of thirty may be the machine's, which stood still"

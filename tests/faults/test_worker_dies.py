"""The worker is killed, stopped and told to end in the middle of its work.

The deaths of a minute are counted here, so these stories have a system of their own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.sendgrid import Manner, SendGridFake, sendgrid_fake
from tests.faults.conftest import address, live
from tests.faults.paging_world import is_page
from tests.system import System, a_policy, a_system, eventually, never

OWN_LADDERS = {
    "cut": [("ann", "0s")],
    "next": [("bob", "0s")],
    "sending": [("cyd", "0s")],
    "known": [("dan", "0s")],
    "hooked": [("eve", "0s")],
    "called": [("fay", "0s")],
    "after": [("gil", "0s")],
}


@dataclass(frozen=True)
class CutOff:
    """A page that the vendor took from a worker that was killed before it could say so."""

    incident: str
    at: float
    old_pid: int


@pytest.fixture(scope="module")
def vendor() -> Iterator[SendGridFake]:
    with sendgrid_fake() as fake:
        yield fake
        assert fake.refused == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, vendor: SendGridFake) -> Iterator[System]:
    """Of these stories only."""
    folder = tmp_path_factory.mktemp("up")
    policy = a_policy(folder / "policy.yaml", OWN_LADDERS)
    with a_system(folder, policy, **live(vendor)) as running:
        yield running


@pytest.fixture(scope="module")
def cut_off(shared: System, vendor: SendGridFake) -> CutOff:
    """The kill comes first; what it leads to shows while other stories go on."""
    vendor.manners[address("ann")] = Manner(mood="accept_then_hang", times=1)
    incident = shared.declare("cut")
    eventually(lambda: vendor.calls_for(incident, accepted=True), 30, "the page at the vendor")
    return CutOff(incident, time.monotonic(), shared.kill("worker"))


def test_killed_worker_is_restarted_at_once_and_pages(
    cut_off: CutOff, shared: System, vendor: SendGridFake
) -> None:
    """A line says so, the ready file names the new process, and the next page leaves in time."""
    new = shared.restarted("worker", cut_off.old_pid)
    eventually(lambda: f"worker restarted (pid {new})" in shared.said(), 30, "a line that says so")
    assert f"worker (pid {cut_off.old_pid}) died with code -9: restarting\n" in shared.said()
    assert shared.alert("next").status_code == 202
    eventually(lambda: vendor.sent_to(address("bob")), 30, "a page from the new worker")


def test_worker_told_to_end_during_sends_loses_and_repeats_nothing(
    system: System, vendor: SendGridFake
) -> None:
    """SIGTERM while pages are on their way: each arrives, each exactly once."""
    vendor.manners[address("cyd")] = Manner(delay_seconds=1.0)
    body = {"service": "sending", "severity": "SEV1", "summary": "Baskets are lost"}
    with ThreadPoolExecutor(8) as people:
        # A worker that came up a moment ago may only accept them: that is enough here.
        def asked(number: int) -> int:
            key = {"Idempotency-Key": f"sending-{number}"}
            return system.call("POST", "/api/v1/incidents", body, **key).status_code

        def accepted(number: int) -> bool:
            return eventually(lambda: asked(number) in (201, 202), 30, "an answer")

        assert all(people.map(accepted, range(8)))
    eventually(lambda: len(vendor.sent_to(address("cyd"))) >= 4, 30, "pages on their way")
    old = system.signal("worker", signal.SIGTERM)
    system.restarted("worker", old)
    rows = eventually(lambda: len(r := system.incidents("sending")) == 8 and r, 30, "incidents")
    incidents = [row["id"] for row in rows]
    for incident in incidents:
        # A task that the ending worker had just been given comes again after 10 s.
        eventually(lambda one=incident: system.facts(one, "page_sent"), 60, f"page of {incident}")
    calls = [call for incident in incidents for call in vendor.calls_for(incident)]
    assert len(calls) == len({call.key for call in calls}) == 8
    assert all(len(system.facts(incident, "page_sent")) == 1 for incident in incidents)


def test_without_a_worker_everything_is_accepted_and_done_once_later(
    system: System, vendor: SendGridFake
) -> None:
    """Intake and commands are kept and reads answer from the records; then all is done, once."""
    known = system.declare("known")
    eventually(lambda: vendor.calls_for(known, accepted=True), 30, "its page")
    eventually(lambda: len(system.recorded(known)) >= 2, 30, "its records")
    with system.frozen("worker"):
        assert system.alert("hooked", "k1").status_code == 202
        began = time.monotonic()
        declared = system.call(
            *("POST", "/api/v1/incidents"),
            {"service": "called", "severity": "SEV1", "summary": "Stock is gone"},
        )
        assert 1.5 < time.monotonic() - began < 20
        assert (declared.status_code, declared.json()) == (202, {"accepted": True})
        acknowledged = system.call(
            "POST", f"/api/v1/incidents/{known}/acknowledge", {"actor": "dan"}
        )
        assert (acknowledged.status_code, acknowledged.json()) == (202, {"accepted": True})
        assert system.view(known)["status"] == "raised"
        assert [one["id"] for one in system.incidents("known")] == [known]
        assert system.facts(known, "raised")
        assert system.call("GET", "/livez").status_code == 200
    raised = {s: eventually(lambda s=s: system.incidents(s), 30) for s in ("hooked", "called")}
    assert [len(rows) for rows in raised.values()] == [1, 1]
    ids = [rows[0]["id"] for rows in raised.values()]
    for incident in ids:
        eventually(lambda one=incident: vendor.calls_for(one, accepted=True), 30, "its page")
    eventually(lambda: system.view(known)["status"] == "fixing", 30, "the acknowledgement")
    assert len(system.facts(known, "acknowledged")) == 1

    def repeated() -> list[Any]:
        return [one for one in ids if len(vendor.calls_for(one)) > 1]

    never(repeated, 1.0)


def test_page_survives_a_worker_killed_after_the_vendor_took_it(
    system: System, vendor: SendGridFake, cut_off: CutOff
) -> None:
    """Killed between accept and record: not lost, at most two sends, one key, the record catches up."""
    incident = cut_off.incident
    # The attempt that was cut is given up after 12 s, and comes again two seconds later.
    eventually(lambda: system.facts(incident, "page_sent"), 60, "the page on the timeline")
    sent = vendor.calls_for(incident, address("ann"))
    assert len(sent) == 2
    assert len({call.key for call in sent}) == 1
    assert sent[1].at - cut_off.at < 40
    eventually(
        lambda: [e for e in system.recorded(incident) if e["fact"] == "page_sent"],
        30,
        "the records to catch up",
    )
    assert [message["state"] for message in system.outbox(incident, "page")] == ["sent"]
    assert len(system.facts(incident, "page_sent")) == 1
    assert system.acknowledge(incident, "ann")["status"] == "fixing"
    pages = [call for call in vendor.calls_for(incident, address("ann")) if is_page(call.key)]
    assert len(pages) == 2  # what else left tells ann of the role


def test_ten_quick_deaths_are_answered_at_once(system: System, vendor: SendGridFake) -> None:
    """Ten deaths in a minute are answered within a second, without back-off, and the system pages."""
    took = []
    for _ in range(10 - 2):  # two died in the stories above
        began = time.monotonic()
        pid = system.kill("worker")
        system.restarted("worker", pid)
        took.append(time.monotonic() - began)
    assert min(took) < 1, "none of them within a second"
    assert "restarting in" not in system.said()
    assert system.alert("after").status_code == 202
    eventually(lambda: vendor.sent_to(address("gil")), 30, "a page after ten deaths")

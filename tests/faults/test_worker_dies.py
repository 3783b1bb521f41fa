"""The worker is killed, stopped and told to end in the middle of its work."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.fakes.sendgrid import Manner, SendGridFake
from tests.faults.conftest import address
from tests.system import System, eventually, never

LADDERS = {
    "cut": [("ann", "0s")],
    "next": [("bob", "0s")],
    "sending": [("cyd", "0s")],
    "known": [("dan", "0s")],
    "hooked": [("eve", "0s")],
    "called": [("fay", "0s")],
    "after": [("gil", "0s")],
}


def test_page_survives_a_worker_killed_after_the_vendor_took_it(
    system: System, vendor: SendGridFake
) -> None:
    """Killed between accept and record: not lost, at most two sends, one key, the record catches up."""
    vendor.manners[address("ann")] = Manner(mood="accept_then_hang", times=1)
    incident = system.declare("cut")
    eventually(lambda: vendor.calls_for(incident, accepted=True), 5, "the page at the vendor")
    old = system.kill("worker")
    new = system.restarted("worker", old, within=1.0)
    eventually(lambda: f"worker restarted (pid {new})" in system.said(), 1, "a line that says so")
    assert f"worker (pid {old}) died with code -9: restarting" in system.said()
    assert system.alert("next").status_code == 202
    eventually(lambda: vendor.sent_to(address("bob")), 15, "a page from the new worker")
    # The attempt that was cut is given up after 12 s, and comes again at once under its key.
    eventually(lambda: system.facts(incident, "page_sent"), 20, "the page on the timeline")
    sent = vendor.calls_for(incident, address("ann"), accepted=True)
    assert len(sent) == 2
    assert len({call.key for call in sent}) == 1
    eventually(
        lambda: [e for e in system.recorded(incident) if e["fact"] == "page_sent"],
        10,
        "the records to catch up",
    )
    assert [message["state"] for message in system.outbox(incident, "page")] == ["sent"]
    assert len(system.facts(incident, "page_sent")) == 1
    never(lambda: len(vendor.calls_for(incident)) > 2, 1.0)
    assert system.acknowledge(incident, "ann")["status"] == "fixing"


def test_worker_told_to_end_during_sends_loses_and_repeats_nothing(
    system: System, vendor: SendGridFake
) -> None:
    """SIGTERM while pages are on their way: each arrives, each exactly once."""
    vendor.manners[address("cyd")] = Manner(delay_seconds=1.0)
    with ThreadPoolExecutor(8) as people:
        incidents = list(people.map(lambda n: system.declare("sending", f"{n}"), range(8)))
    eventually(
        lambda: len([c for one in incidents for c in vendor.calls_for(one)]) >= 6, 5, "sends"
    )
    old = system.signal("worker", signal.SIGTERM)
    system.restarted("worker", old, within=8.0)
    for incident in incidents:
        eventually(lambda one=incident: system.facts(one, "page_sent"), 15, f"page of {incident}")
    calls = [call for incident in incidents for call in vendor.calls_for(incident)]
    assert len(calls) == len({call.key for call in calls}) == 8
    assert all(len(system.facts(incident, "page_sent")) == 1 for incident in incidents)


def test_without_a_worker_everything_is_accepted_and_done_once_later(
    system: System, vendor: SendGridFake
) -> None:
    """Intake and commands are kept and reads answer from the records; then all is done, once."""
    known = system.declare("known")
    eventually(lambda: vendor.calls_for(known, accepted=True), 5, "its page")
    eventually(lambda: len(system.recorded(known)) >= 2, 5, "its records")
    with system.frozen("worker"):
        assert system.alert("hooked", "k1").status_code == 202
        began = time.monotonic()
        declared = system.call(
            *("POST", "/api/v1/incidents"),
            {"service": "called", "severity": "SEV1", "summary": "Stock is gone"},
        )
        assert 1.5 < time.monotonic() - began < 4
        assert (declared.status_code, declared.json()) == (202, {"accepted": True})
        acknowledged = system.call(
            "POST", f"/api/v1/incidents/{known}/acknowledge", {"actor": "dan"}
        )
        assert (acknowledged.status_code, acknowledged.json()) == (202, {"accepted": True})
        assert system.view(known)["status"] == "raised"
        assert [one["id"] for one in system.incidents("known")] == [known]
        assert system.facts(known, "raised")
        assert system.call("GET", "/livez").status_code == 200
    raised = {s: eventually(lambda s=s: system.incidents(s), 15) for s in ("hooked", "called")}
    assert [len(rows) for rows in raised.values()] == [1, 1]
    ids = [rows[0]["id"] for rows in raised.values()]
    for incident in ids:
        eventually(lambda one=incident: vendor.calls_for(one, accepted=True), 15, "its page")
    eventually(lambda: system.view(known)["status"] == "fixing", 10, "the acknowledgement")
    assert len(system.facts(known, "acknowledged")) == 1

    def repeated() -> list[Any]:
        return [one for one in ids if len(vendor.calls_for(one)) > 1]

    never(repeated, 1.0)


def test_ten_quick_deaths_are_answered_at_once(system: System, vendor: SendGridFake) -> None:
    """Ten deaths in a minute are restarted without back-off, and the system pages afterwards."""
    for _ in range(10 - 2):  # two died in the stories above
        pid = system.kill("worker")
        system.restarted("worker", pid, within=1.0)
    assert system.alert("after").status_code == 202
    eventually(lambda: vendor.sent_to(address("gil")), 15, "a page after ten deaths")

"""The vendor hangs, fails, asks for patience, or breaks off after it took the page."""

from __future__ import annotations

import re
import time
from itertools import pairwise

from tests.fakes.sendgrid import Call, Manner, SendGridFake
from tests.faults.conftest import address
from tests.system import System, eventually, never

FAULTS = {
    "hangs": Manner(mood="hang"),
    "fails": Manner(status=500),
    "limits": Manner(status=429, headers={"Retry-After": "2"}),
    "drops": Manner(mood="drop"),
    "refuses": Manner(status=400),
}
PEOPLE = {
    name: {
        "contacts": [
            {"channel": "email", "to": address(f"{name}-first")},
            {"channel": "email", "to": address(f"{name}-second")},
        ]
    }
    for name in FAULTS
}
LADDERS = {name: [(name, "0s")] for name in FAULTS} | {
    "dark": [("dark", "0s"), ("eve", "10m")],
    "patient": [("patient", "0s"), ("eve", "10m")],
    "lost": [("lost", "0s"), ("eve", "10m")],
}

PAGE = re.compile(r"/p\d+/r\d+/")


def attempts(calls: list[Call]) -> list[float]:
    """Seconds between one attempt and the next."""
    return [round(b.at - a.at, 2) for a, b in pairwise(calls)]


def test_next_contact_is_tried_at_once_and_then_nothing_more_is_sent(
    system: System, vendor: SendGridFake
) -> None:
    """Whatever is wrong with the first contact, the second one has the page in time, once."""
    for name, manner in FAULTS.items():
        vendor.manners[address(f"{name}-first")] = manner
    incidents = {name: system.declare(name) for name in FAULTS}
    for name, incident in incidents.items():
        eventually(
            lambda i=incident, n=name: vendor.calls_for(i, address(f"{n}-second")),
            30,
            f"the second contact where the first one {name}",
        )
        eventually(lambda i=incident: system.facts(i, "page_sent"), 30, "the page on the timeline")
        # The first contact's second try may be due before the second contact's page has left.
        failed = system.facts(incident, "page_failed")
        assert 1 <= len(failed) <= 2
        assert {fact["data"]["person"] for fact in failed} == {name}
    before = len(vendor.log)
    of_these = set(incidents.values())
    never(lambda: [call for call in vendor.log[before:] if call.incident in of_these], 2.5)
    for name, incident in incidents.items():
        assert len(vendor.calls_for(incident, accepted=True)) == 1, name
        assert {call.to for call in vendor.calls_for(incident)} == {
            address(f"{name}-first"),
            address(f"{name}-second"),
        }
        assert len({call.key for call in vendor.calls_for(incident)}) == 2, "one key per contact"


def test_a_page_that_cannot_leave_is_retried_until_somebody_acknowledges(
    system: System, vendor: SendGridFake
) -> None:
    """Retries go on under one key, patience is given where it is asked for, acknowledging ends all."""
    vendor.manners[address("dark")] = Manner(status=503)
    vendor.manners[address("patient")] = Manner(status=429, headers={"Retry-After": "3"})
    vendor.manners[address("lost")] = Manner(mood="accept_then_drop", times=1)
    dark, patient, lost = (system.declare(name) for name in ("dark", "patient", "lost"))

    eventually(lambda: len(vendor.calls_for(lost, address("lost"))) == 2, 30, "the page again")
    assert len({call.key for call in vendor.calls_for(lost)}) == 1
    eventually(lambda: system.facts(lost, "page_sent"), 30, "the page on the timeline")
    eventually(lambda: len(vendor.calls_for(dark, address("dark"))) >= 2, 30, "a retry")
    eventually(lambda: len(vendor.calls_for(patient, address("patient"))) >= 2, 30, "a retry")
    assert all(wait >= 1.8 for wait in attempts(vendor.calls_for(dark, address("dark"))))
    assert all(wait >= 2.8 for wait in attempts(vendor.calls_for(patient, address("patient"))))
    assert len({call.key for call in vendor.calls_for(dark, address("dark"))}) == 1

    for incident in (dark, patient, lost):
        system.acknowledge(incident, "carol")
    time.sleep(1.5)  # what was leaving that moment has arrived
    before = {one: len(vendor.calls_for(one)) for one in (dark, patient, lost)}

    def paged_again() -> list[Call]:
        calls = [vendor.calls_for(one)[before[one] :] for one in before]
        return [call for found in calls for call in found if PAGE.search(call.key)]

    never(paged_again, 3.5)

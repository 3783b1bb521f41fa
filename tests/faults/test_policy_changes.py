"""The policy file is changed under a running system: badly, well, and for an incident under way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.fakes.sendgrid import SendGridFake
from tests.faults.conftest import address
from tests.system import System, eventually, never

LADDERS = {"reloaded": [("ivy", "0s"), ("jon", "17s")]}
"""The second step waits for as long as a slow machine needs to be told of another policy."""


@pytest.fixture(autouse=True)
def policy_as_it_was(system: System) -> Iterator[None]:
    """Whatever a story writes into the policy file is taken back."""
    before = system.policy.read_text()
    yield
    system.policy.write_text(before)
    system.ok("POST", "/api/v1/policy/reload", {})


def write_ladder(system: System, *people: str) -> None:
    """Let the service page these people instead."""
    policy = json.loads(system.policy.read_text())
    for person in people:
        policy["people"][person] = {"contacts": [{"channel": "email", "to": address(person)}]}
    policy["escalation_policies"]["reloaded"]["steps"] = [
        {"page": [f"person:{person}"], "after": "0s" if not number else "10m"}
        for number, person in enumerate(people)
    ]
    system.policy.write_text(json.dumps(policy, indent=1))


def test_broken_policy_keeps_the_last_good_one_and_says_so(
    system: System, vendor: SendGridFake
) -> None:
    """Every mistake is named with its line, and incidents go on by the policy before."""
    before = system.ok("GET", "/api/v1/policy")["version"]
    text = system.policy.read_text()
    broken = text.replace('"person:ivy"', '"person:ivi"').replace(
        '"after": "17s"', '"after": "soon"'
    )
    assert broken != text
    system.policy.write_text(broken)
    refused = system.call("POST", "/api/v1/policy/reload", {})
    assert refused.status_code == 422
    problem = refused.json()
    assert "the last good one stays in force" in problem["detail"]
    found = {(one["pointer"].split(".")[-2], tuple(one["near"])) for one in problem["errors"]}
    assert len(problem["errors"]) == 2
    assert ("page", ("ivy",)) in found
    assert all(one["line"] > 1 for one in problem["errors"])
    assert system.ok("GET", "/api/v1/policy")["version"] == before
    incident = system.declare("reloaded")
    eventually(lambda: vendor.calls_for(incident, address("ivy"), accepted=True), 30, "the page")
    system.acknowledge(incident, "ivy")


def test_good_policy_is_used_by_the_next_incident_and_on_demand_by_an_open_one(
    system: System, vendor: SendGridFake
) -> None:
    """An open incident keeps its policy until `apply-policy`; then the new one pages at once."""
    old = system.declare("reloaded")
    raised = time.monotonic()
    eventually(lambda: vendor.calls_for(old, address("ivy"), accepted=True), 30, "the old page")
    write_ladder(system, "kim", "lea")
    answer = system.ok("POST", "/api/v1/policy/reload", {})
    assert answer["is_changed"]
    new = system.declare("reloaded")
    eventually(lambda: vendor.calls_for(new, address("kim"), accepted=True), 30, "the new page")
    assert not vendor.calls_for(new, address("ivy"))
    assert not vendor.calls_for(old, address("kim")), "an open incident changed by itself"

    system.command(old, "apply_policy", "carol")
    eventually(
        lambda: vendor.calls_for(old, address("kim"), accepted=True), 30, "the re-planned page"
    )
    assert system.view(old)["policy_version"] == answer["version"]
    # The old second step's time passes.
    never(lambda: vendor.calls_for(old, address("jon")), raised + 18 - time.monotonic())
    assert len(vendor.calls_for(old, address("kim"))) == 1

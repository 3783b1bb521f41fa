"""Temporal is away for longer: somebody is paged past it, and a journal that is full says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.sendgrid import Call, SendGridFake
from tests.faults.conftest import address, live
from tests.faults.test_journal import segments, waiting, without_temporal
from tests.system import System, a_policy, a_system, an_alert_group, eventually, never

WORDS = "orchestrator down, possible duplicate"
LADDERS_HERE = {
    "pay": [("ann", "0s")],
    "cart": [("ann", "0s")],
    "mail": [("bob", "0s")],
    "noise": [("dov", "0s")],
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, vendor: SendGridFake) -> Iterator[System]:
    """One that waits three seconds instead of a minute, with little room."""
    folder = tmp_path_factory.mktemp("fallback")
    policy = a_policy(folder / "policy.yaml", LADDERS_HERE)
    settings = {"TOCSIN_FALLBACK_AFTER": "3", "TOCSIN_JOURNAL_MB": "1"}
    with a_system(folder, policy, **live(vendor), **settings) as running:
        yield running


def post(system: System, service: str, key: str, severity: str, description: str = "") -> Any:
    payload = an_alert_group(service, key)
    payload["alerts"] = [an_alert(service, key, severity, description)]
    return system.call("POST", "/hooks/alertmanager", payload)


def an_alert(service: str, key: str, severity: str, description: str = "") -> dict[str, Any]:
    (alert,) = an_alert_group(service, key)["alerts"]
    labels = alert["labels"] | {"severity": severity}
    said = {"summary": f"{service} is ill: {key}", "description": description}
    return {**alert, "labels": labels, "annotations": said}


def direct(vendor: SendGridFake, person: str) -> list[Call]:
    return [
        call for call in vendor.log if call.to == address(person) and WORDS in call.subject.lower()
    ]


def checked(system: System) -> str:
    """What readiness says of the journal."""
    return str(system.call("GET", "/readyz?verbose").json()["checks"]["journal"])


def test_a_critical_alert_that_waits_pages_past_temporal_once(
    system: System, vendor: SendGridFake
) -> None:
    """With the workers dead too: one page for each person with the words, none for what is minor; when
    Temporal is back the incident pages as ever and says on its timeline who was paged before."""
    with system.frozen("worker"), without_temporal(system):
        began = time.monotonic()
        assert post(system, "mail", "m1", "warning").status_code == 202
        # In one post, so that they have waited too long at the same time.
        payload = an_alert_group("pay", "p1")
        critical = (("pay", "p1"), ("pay", "p2"), ("cart", "c1"))
        payload["alerts"] = [an_alert(service, key, "critical") for service, key in critical]
        assert system.call("POST", "/hooks/alertmanager", payload).status_code == 202
        eventually(lambda: direct(vendor, "ann"), 30, "a page past Temporal")
        assert time.monotonic() - began > 2.5
        never(lambda: len(direct(vendor, "ann")) > 1 or direct(vendor, "bob"), 4.0)
    eventually(lambda: not segments(system), 30, "the journal to be drained")
    for service, keys in (("pay", ["p1", "p2"]), ("cart", ["c1"])):
        rows = eventually(lambda s=service: system.incidents(s), 30, f"an incident of {service}")
        incident = str(rows[0]["id"])
        said = eventually(
            lambda i=incident, n=len(keys): (
                len(found := system.facts(i, "paged_while_away")) >= n and found
            ),
            30,
            "the page on the timeline",
        )
        assert len(said) == len(keys)
        assert all("ann was paged directly by email" in fact["text"] for fact in said)
        assert all(WORDS in fact["text"] for fact in said)
        eventually(lambda i=incident: vendor.calls_for(i), 30, f"the page of {incident}")
    (minor,) = eventually(lambda: system.incidents("mail"), 30, "the minor incident")
    assert system.facts(str(minor["id"]), "paged_while_away") == []
    assert len(direct(vendor, "ann")) == 1


def test_a_full_journal_is_a_503_and_heals_by_itself(system: System) -> None:
    """What it has no room for is refused with when to come again; the worst still finds room; afterwards
    everything that was answered 202 has been attributed."""
    taken = 0
    with without_temporal(system):
        for number in range(400):
            answer = post(system, "noise", f"n{number}", "warning", "x" * 12_000)
            if answer.status_code != 202:
                break
            taken += 1
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert "TOCSIN_JOURNAL_MB" in answer.json()["detail"]
        assert 20 < taken < 400
        assert "full" in checked(system)
        assert post(system, "noise", "worst", "critical").status_code == 202
        assert waiting(system) == taken + 1
    eventually(lambda: not segments(system), 30, "the journal to be drained")

    def counted() -> int:
        return sum(int(one["alert_count"]) for one in system.incidents("noise"))

    eventually(lambda: counted() == taken + 1, 30, f"{taken + 1} alerts")
    assert post(system, "noise", "n0", "warning").status_code == 202
    eventually(lambda: checked(system) == "ok", 30, "a journal that is well")

"""Words that carry no more than a key reach the right incident, whatever became of the API in between."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.system import System, a_policy, a_system, eventually, never

PD_KEY = "0123456789abcdef0123456789abcdef"
GENIE_KEY = "f1e2d3c4-0000-4000-8000-000000000001"
SERVICES = ("resolved", "closed", "acked", "lost-a", "lost-b")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A real `tocsin up` with integrations of PagerDuty and Opsgenie."""
    folder = tmp_path_factory.mktemp("up")
    policy = a_policy(
        folder / "policy.yaml",
        {service: [("ann", "0s")] for service in SERVICES},
        integrations={
            "pd": {"format": "pagerduty", "key": "env:PD_KEY"},
            "genie": {"format": "opsgenie", "key": "env:GENIE_KEY"},
        },
    )
    with a_system(folder, policy, PD_KEY=PD_KEY, GENIE_KEY=GENIE_KEY) as running:
        yield running


def event(own: System, action: str, key: str, service: str = "") -> httpx2.Response:
    body: dict[str, Any] = {"routing_key": PD_KEY, "event_action": action, "dedup_key": key}
    if service:
        payload = {"summary": f"{service} is ill", "source": "test", "severity": "critical"}
        body["payload"] = payload | {"custom_details": {"service": service}}
    answer = own.call("POST", "/v2/enqueue", body)
    assert answer.status_code == 202, answer.text
    return answer


def genie(own: System, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = own.call(method, f"/v2/alerts{path}", body, Authorization=f"GenieKey {GENIE_KEY}")
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json())


def incident_of(own: System, service: str) -> str:
    (row,) = eventually(lambda: own.incidents(service), 30, f"an incident of {service}")
    eventually(lambda: own.outbox(row["id"], "page"), 30, "its page")
    return str(row["id"])


def restart_api(own: System) -> None:
    own.kill("api")
    eventually(lambda: is_ready(own), 30, "readiness")


def is_ready(own: System) -> bool:
    try:
        return own.call("GET", "/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_resolved_after_a_restart(own: System) -> None:
    """Trigger, restart of the API, resolve by the key alone: cleared; another key is not."""
    key, other = uuid.uuid4().hex, uuid.uuid4().hex
    event(own, "trigger", key, "resolved")
    event(own, "trigger", other, "resolved")
    incident = incident_of(own, "resolved")
    eventually(lambda: own.view(incident)["alert_count"] == 2, 30, "both alerts")
    restart_api(own)
    event(own, "resolve", key)
    eventually(lambda: own.facts(incident, "alert_partly_cleared"), 30, "the clearing")
    never(lambda: own.facts(incident, "alert_cleared"), 0.5)
    event(own, "resolve", other)
    eventually(lambda: own.facts(incident, "alert_cleared"), 30, "the last clearing")
    assert len(own.incidents("resolved")) == 1
    assert len(own.outbox(incident, "page")) == 1


def test_closed_by_its_id_after_a_restart(own: System) -> None:
    """What Opsgenie's client was told of its request and its alert still holds."""
    alias = uuid.uuid4().hex
    body = {"message": "ill", "alias": alias, "priority": "P1", "details": {"service": "closed"}}
    asked = genie(own, "POST", "", body)["requestId"]
    incident = incident_of(own, "closed")
    before = genie(own, "GET", f"/requests/{asked}")["data"]
    restart_api(own)
    assert genie(own, "GET", f"/requests/{asked}")["data"] == before
    alert = genie(own, "GET", f"/{before['alertId']}")["data"]
    assert (alert["alias"], alert["status"]) == (alias, "open")
    genie(own, "POST", f"/{before['alertId']}/close", {"note": "Restarted by hand"})
    eventually(lambda: own.facts(incident, "alert_cleared"), 30, "the clearing")
    (noted,) = own.facts(incident, "noted")
    assert "Restarted by hand" in noted["text"]
    assert len(own.outbox(incident, "page")) == 1


def test_acknowledged_by_a_person_of_the_policy(own: System) -> None:
    """By their address: theirs is a real acknowledgement, and the incident is theirs."""
    alias = uuid.uuid4().hex
    body = {"message": "ill", "alias": alias, "priority": "P1", "details": {"service": "acked"}}
    genie(own, "POST", "", body)
    incident = incident_of(own, "acked")
    path = f"/{alias}/acknowledge?identifierType=alias"
    genie(own, "POST", path, {"user": "stranger@else.example"})
    eventually(lambda: own.facts(incident, "alert_acknowledged"), 30, "the sender's word")
    assert own.view(incident)["status"] == "raised", "nobody of ours has it yet"
    genie(own, "POST", path, {"user": "ann@example.com"})
    eventually(lambda: own.view(incident)["status"] == "fixing", 30, "the acknowledgement")
    assert own.view(incident)["incident_manager"] == "ann"


def test_notes_of_the_door_are_lost(own: System) -> None:
    """Every desk with an open incident is asked; one that does not know the key does nothing."""
    key = uuid.uuid4().hex
    event(own, "trigger", key, "lost-a")
    event(own, "trigger", uuid.uuid4().hex, "lost-b")
    incident, other = incident_of(own, "lost-a"), incident_of(own, "lost-b")
    own.kill("api")
    shutil.rmtree(own.data / "intake")
    eventually(lambda: is_ready(own), 30, "readiness")
    event(own, "resolve", key)
    eventually(lambda: own.facts(incident, "alert_cleared"), 30, "the clearing")
    never(lambda: own.facts(other, "alert_cleared", "alert_partly_cleared"), 0.5)
    assert {len(own.incidents(service)) for service in ("lost-a", "lost-b")} == {1}

"""Journal, mapping, grouping, a storm and words by key alone, all at once: each keeps to its part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_journal import segments, without_temporal
from tests.system import System, a_policy, a_system, an_alert_group, eventually, never

AM_KEY, PD_KEY = "key-of-alertmanager", "0123456789abcdef0123456789abcdef"
TEAMS, LIMIT = 24, 3


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Teams are services by a rule; one service is grouped by cluster; unsigned commands are refused."""
    services = [f"s-{n}" for n in range(TEAMS)]
    rules = [{"when": {"team": f"t-{n}"}, "set": {"service": f"s-{n}"}} for n in range(TEAMS)]
    am = {"format": "alertmanager", "key": "env:AM_KEY", "map": {"key": ["team"]}, "rules": rules}
    policy = a_policy(
        tmp_path / "policy.json",
        {name: [("ann", "0s")] for name in (*services, "grouped")},
        limits={"storm": LIMIT},
        access={"unsigned": "refuse"},
        integrations={"am": am, "pd": {"format": "pagerduty", "key": "env:PD_KEY"}},
    )
    whole = json.loads(policy.read_text())
    whole["services"]["grouped"]["grouping"] = {"labels": ["cluster"]}
    policy.write_text(json.dumps(whole))
    with a_system(tmp_path, policy, AM_KEY=AM_KEY, PD_KEY=PD_KEY) as running:
        yield running


def of_team(system: System, number: int, name: str, status: str = "firing") -> None:
    """An alert that says its team, under a fingerprint that is new each time."""
    payload = an_alert_group("nothing", f"{number}-{name}", status)
    payload["alerts"][0]["labels"] = {"team": f"t-{number}", "severity": "critical"}
    headers = {"Authorization": f"Bearer {AM_KEY}"}
    answer = system.call("POST", "/hooks/alertmanager", payload, **headers)
    assert answer.status_code == 202, answer.text


def event(system: System, action: str, cluster: str, **more: Any) -> None:
    """An event of the grouped service; only the trigger says more than its key."""
    body = {"routing_key": PD_KEY, "event_action": action, "dedup_key": cluster, **more}
    if action == "trigger":
        details = {"service": "grouped", "cluster": cluster}
        payload = {"summary": f"{cluster} is ill", "source": "test", "severity": "critical"}
        body["payload"] = payload | {"custom_details": details}
    answer = system.call("POST", "/v2/enqueue", body)
    assert answer.status_code == 202, answer.text


def views(system: System) -> dict[str, dict[str, Any]]:
    found = system.ok("GET", "/api/v1/incidents?status=all&limit=200")["incidents"]
    return {one["id"]: one for one in found}


def test_what_was_kept_without_temporal_is_mapped_grouped_folded_and_answered(
    system: System,
) -> None:
    """Twice each team, two clusters, one acknowledged and one over by its key: each where it belongs."""
    with without_temporal(system):
        for name in ("first", "again"):
            for number in range(TEAMS):
                of_team(system, number, name)
        for cluster in ("eu", "us"):
            event(system, "trigger", cluster)
        event(system, "acknowledge", "us", client="ann")
        event(system, "resolve", "eu")
        of_team(system, 0, "over", "resolved")
    sent = 2 * TEAMS + 2
    eventually(
        lambda: sum(one["alert_count"] for one in views(system).values()) == sent, 90, f"{sent}"
    )
    eventually(lambda: not segments(system), 30, "an empty journal")
    eventually(
        lambda: sum(one["firing_count"] for one in views(system).values()) == TEAMS, 60, "clearings"
    )
    found = views(system)
    own = [name for name in found if name.startswith("s-")]
    assert LIMIT <= len(own) < TEAMS  # on a busy machine the storm begins a little later
    eu, us = sorted(name for name in found if name.startswith("grouped-"))
    (storm,) = set(found) - {*own, eu, us}
    assert storm.startswith("unknown-")
    assert all(found[name]["alert_count"] == 2 for name in own)
    assert found[storm]["alert_count"] == 2 * (TEAMS - len(own))
    # In this mode a sender's word about a person is on the timeline, and pages go on.
    assert [found[name]["firing_count"] for name in (eu, us)] == [0, 1]
    assert [found[name]["status"] for name in (eu, us)] == ["raised", "raised"]
    (said,) = system.facts(us, "alert_acknowledged")
    assert "ann" in said["text"]
    (apart,) = system.facts(us, "raised_apart")
    assert "cluster=us here, cluster=eu there" in apart["text"]
    for name in found:
        eventually(lambda n=name: system.outbox(n, "page"), 30, f"the page of {name}")
    never(lambda: [n for n in found if len(system.outbox(n, "page")) > 1], 0.5)
    assert system.acknowledge(storm, "ann")["incident_manager"] == "ann"

"""The real Alertmanager drives a real Tocsin."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from starter.processes import free_port
from tests.e2e.conftest import KEYS
from tests.system import System, environment, eventually, never

PROGRAM = shutil.which("prometheus-alertmanager")
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Alertmanager here (Debian: prometheus-alertmanager)"
)


class Alertmanager:
    """Takes alerts as Prometheus posts them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx2.Client(base_url=url, trust_env=False, timeout=30)

    def is_up(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    def post(self, service: str, *instances: str, ends_at: datetime | None = None) -> None:
        """Say that alerts fire, or that they have ended."""
        now = datetime.now(UTC)
        alerts = [
            {
                "labels": {
                    "alertname": "HighErrorRate",
                    "service": service,
                    "instance": instance,
                    "severity": "critical",
                },
                "annotations": {"summary": f"{service} returns errors on {instance}"},
                "startsAt": (now - timedelta(minutes=1)).isoformat(),
                "endsAt": (ends_at or now + timedelta(hours=1)).isoformat(),
            }
            for instance in instances
        ]
        self._http.post("/api/v2/alerts", json=alerts).raise_for_status()

    def notifications(self, *, failed: bool = False, by: str = "webhook") -> int:
        """How many it has sent by one kind of receiver, or how many of them were not taken."""
        name = (
            "alertmanager_notifications_failed_total"
            if failed
            else ("alertmanager_notifications_total")
        )
        text = self._http.get("/metrics").text
        found = re.findall(rf'^{name}\{{integration="{by}"[^}}]*\}} (\d+)$', text, re.MULTILINE)
        return sum(map(int, found))

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def alertmanager(
    system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Alertmanager]:
    """One that groups by service, repeats every second and sends to Tocsin with its token."""
    with an_alertmanager(tmp_path_factory, {"webhook_configs": [webhook(system)]}) as running:
        yield running


@pytest.fixture(scope="module")
def everywhere(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """One that sends by its webhook and by its receivers of PagerDuty and Opsgenie.

    But for addresses and keys they are as Alertmanager has them.
    """
    receivers = {
        "webhook_configs": [webhook(system)],
        "pagerduty_configs": [
            {"routing_key": KEYS["PD_KEY"], "url": f"{system.api_url}/v2/enqueue"}
        ],
        "opsgenie_configs": [{"api_key": KEYS["GENIE_KEY"], "api_url": f"{system.api_url}/"}],
    }
    with an_alertmanager(tmp_path_factory, receivers) as running:
        yield running


def webhook(system: System) -> dict[str, Any]:
    return {
        "url": f"{system.api_url}/hooks/alertmanager",
        "send_resolved": True,
        "http_config": {"authorization": {"credentials": system.ready["token"]}},
    }


@contextmanager
def an_alertmanager(
    tmp_path_factory: pytest.TempPathFactory, receivers: dict[str, Any]
) -> Iterator[Alertmanager]:
    """One that groups by service and repeats every second."""
    folder = tmp_path_factory.mktemp("alertmanager")
    config = {
        "route": {
            "receiver": "tocsin",
            "group_by": ["service"],
            "group_wait": "100ms",
            "group_interval": "500ms",
            "repeat_interval": "1s",
        },
        "receivers": [{"name": "tocsin", **receivers}],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    port = free_port()
    command = [
        *(str(PROGRAM), f"--config.file={folder / 'alertmanager.yml'}"),
        *(f"--storage.path={folder / 'state'}", f"--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=",
    ]
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment(), cwd=Path(folder)
        )
    manager = Alertmanager(f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: manager.is_up(), 30, f"Alertmanager ({log})")
        yield manager
    finally:
        manager.close()
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
        print(log.read_text(errors="replace"))


def test_firing_repeating_and_resolved_are_one_incident_with_one_page(
    system: System, alertmanager: Alertmanager
) -> None:
    """Two alerts of one service, said again and again, then over: one incident, one page, all told."""
    alertmanager.post("checkout", "web-1", "web-2")
    (row,) = eventually(lambda: system.incidents("checkout"), 30, "an incident")
    incident = row["id"]
    eventually(lambda: system.outbox(incident, "page"), 30, "the page")
    assert row["severity"] == "SEV1"
    assert "checkout returns errors on web-" in row["summary"]

    sent = alertmanager.notifications()
    eventually(lambda: alertmanager.notifications() >= sent + 3, 30, "repeats")
    assert [one["id"] for one in system.incidents("checkout")] == [incident]
    assert len(system.outbox(incident, "page")) == 1
    assert system.view(incident)["status"] == "raised"

    alertmanager.post("checkout", "web-1", "web-2", ends_at=datetime.now(UTC))
    eventually(lambda: system.facts(incident, "alert_cleared"), 30, "resolved on the timeline")
    assert system.view(incident)["status"] == "raised", "an incident ends when a person says so"
    assert alertmanager.notifications(failed=True) == 0
    never(lambda: len(system.outbox(incident, "page")) > 1, 1.0)
    assert len(system.incidents("checkout")) == 1


def test_alert_that_fires_after_resolution_is_a_new_incident(
    system: System, alertmanager: Alertmanager
) -> None:
    """The first one is over; what fires again is linked to it."""
    alertmanager.post("search", "web-1")
    (row,) = eventually(lambda: system.incidents("search"), 30, "an incident")
    system.acknowledge(row["id"], "cyd")
    system.command(row["id"], "resolve", "cyd", summary="Restarted")
    rows = eventually(
        lambda: len(found := system.incidents("search")) == 2 and found, 30, "a second incident"
    )
    (new,) = [one for one in rows if one["id"] != row["id"]]
    assert {"target": row["id"], "kind": "related"} in [
        {"target": link["target"], "kind": link["kind"]} for link in new["links"]
    ]
    alertmanager.post("search", "web-1", ends_at=datetime.now(UTC))
    eventually(lambda: system.facts(new["id"], "alert_cleared"), 30, "the end")


def test_every_receiver_of_alertmanager_at_once(system: System, everywhere: Alertmanager) -> None:
    """One group by webhook, PagerDuty and Opsgenie: one incident, one page, every key cleared at the end."""
    everywhere.post("billing", "web-1", "web-2")
    (row,) = eventually(lambda: system.incidents("billing"), 30, "an incident")
    incident = row["id"]
    eventually(lambda: system.view(incident)["firing_count"] == 4, 30, "all four keys")
    kinds = ("webhook", "pagerduty", "opsgenie")
    sent = {kind: everywhere.notifications(by=kind) for kind in kinds}
    eventually(
        lambda: all(everywhere.notifications(by=kind) > sent[kind] + 1 for kind in kinds),
        30,
        "repeats",
    )
    assert system.view(incident)["severity"] == "SEV1"
    assert system.view(incident)["firing_count"] == 4

    everywhere.post("billing", "web-1", "web-2", ends_at=datetime.now(UTC))
    eventually(lambda: system.facts(incident, "alert_cleared"), 30, "the end of the last one")
    assert system.view(incident)["firing_count"] == 0
    assert len(system.facts(incident, "alert_partly_cleared")) == 3
    assert [everywhere.notifications(by=kind, failed=True) for kind in kinds] == [0, 0, 0]
    never(lambda: len(system.outbox(incident, "page")) > 1, 1.0)
    assert len(system.outbox(incident, "page")) == 1
    assert len(system.incidents("billing")) == 1
    assert system.ok("GET", "/api/v1/intake/refused")["count"] == 0

"""The worker is killed while an incident is being started."""

from __future__ import annotations

import time

from tests.fakes.sendgrid import SendGridFake
from tests.system import System, eventually

DELAYS = (0.002, 0.005, 0.008, 0.012, 0.018, 0.03)
"""Seconds between an alert and the worker's death: before, while and after the incident is started."""
LADDERS = {f"raising-{n}": [(f"raised-{n}", "0s")] for n in range(len(DELAYS))}


def test_worker_killed_while_incidents_are_raised_doubles_and_loses_nothing(
    system: System, vendor: SendGridFake
) -> None:
    """Whenever it dies, each service has one incident with all its alerts, and one page under one key."""
    for number, delay in enumerate(DELAYS):
        service = f"raising-{number}"
        assert system.alert(service, "first").status_code == 202
        time.sleep(delay)
        old = system.kill("worker")
        for key in ("second", "third"):
            assert system.alert(service, key).status_code == 202
        system.restarted("worker", old)
    for number in range(len(DELAYS)):
        service = f"raising-{number}"
        listed = eventually(lambda s=service: system.incidents(s), 90, f"{service} in the records")
        incident = str(listed[0]["id"])
        eventually(
            lambda one=incident: vendor.calls_for(one, accepted=True), 60, f"page {incident}"
        )
        eventually(
            lambda one=incident: system.view(one)["alert_count"] == 3, 60, f"all of {incident}"
        )
        assert [one["id"] for one in system.incidents(service)] == [incident]
        calls = vendor.calls_for(incident, accepted=True)
        assert len({call.key for call in calls}) == 1
        assert len(calls) <= 2

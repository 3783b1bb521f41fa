"""A storm at the door of a running Tocsin: ten thousand alerts, and workers that die in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.system import System, a_policy, a_system, an_alert_group, eventually

GROUPS, POSTS, ALERTS = 200, 5, 10
"""Groups, and for each so many posts of so many alerts: ten thousand in all."""
LIMIT = 20


@contextmanager
def a_shop(folder: Path, services: list[str]) -> Iterator[System]:
    """Its pages go to the outbox; the folding is on, as it is by default."""
    policy = a_policy(folder / "policy.yaml", {name: [(f"p-{name}", "0s")] for name in services})
    with a_system(folder, policy) as system:
        yield system


def post(system: System, service: str, keys: list[str], status: str = "firing") -> float:
    """A group of alerts as Alertmanager sends it, again until it is taken; how long the last post took."""
    payload = an_alert_group(service, keys[0], status)
    (one,) = payload["alerts"]
    payload["alerts"] = [one | {"fingerprint": key} for key in keys]

    def taken() -> float:
        began = time.monotonic()
        answer = system.call("POST", "/hooks/alertmanager", payload)
        return time.monotonic() - began if answer.status_code == 202 else 0.0

    return eventually(taken, 120, f"a 202 for {service}", every=0.2)


def every_incident(system: System) -> list[str]:
    """All incidents that the records know."""
    found: list[str] = []
    cursor = ""
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        page = system.ok("GET", f"/api/v1/incidents?status=all&limit=200{more}")
        found += [one["id"] for one in page["incidents"]]
        cursor = page.get("next_cursor") or ""
        if not cursor:
            return found


def on_timeline(system: System, incident: str) -> int:
    """Alerts of an incident, counted from its facts."""
    counted, cursor = 0, "0"
    while cursor:
        path = f"/api/v1/incidents/{incident}/timeline?limit=1000&cursor={cursor}"
        page = system.ok("GET", path)
        counted += sum(e["data"]["count"] for e in page["entries"] if e["fact"] == "alert_folded")
        cursor = page["next_cursor"] or ""
    return counted


def attributed(system: System, sent: int, within: float) -> list[str]:
    """All incidents, once as many alerts stand on their timelines as were sent; never more."""

    def look() -> list[str]:
        known = every_incident(system)
        views = sum(system.view(one)["alert_count"] for one in known)
        assert views <= sent, f"{views} alerts are counted, {sent} were sent"
        return known if views == sent else []

    found = eventually(look, within, f"{sent} alerts", every=0.5)
    # Thousands of facts reach the records in batches.
    eventually(
        lambda: sum(on_timeline(system, one) for one in found) == sent, within, "facts", every=1
    )
    return found


def pages(system: System) -> dict[str, set[str]]:
    """Idempotency keys of the pages that left, by incident."""
    found: dict[str, set[str]] = {}
    for message in system.outbox(purpose="page"):
        found.setdefault(message["incident"], set()).add(message["idempotency_key"])
    return found


def test_ten_thousand_alerts_on_two_hundred_groups_are_one_storm(tmp_path: Path) -> None:
    """The first page within 30 s, few incidents beside the one storm, and every alert attributed."""
    services = [f"shop-{number}" for number in range(GROUPS)]
    with a_shop(tmp_path, services) as system:
        began, took = time.monotonic(), []
        work = [
            (service, [f"{service}-{turn}-{n}" for n in range(ALERTS)])
            for turn in range(POSTS)
            for service in services
        ]
        with ThreadPoolExecutor(20) as pool:
            posting = [pool.submit(post, system, *one) for one in work]
            first = eventually(lambda: system.outbox(purpose="page"), 30, "the first page")
            paged_after = time.monotonic() - began
            asked = time.monotonic()
            system.acknowledge(first[0]["incident"], "carol")
            acknowledged_after = time.monotonic() - asked
            took = sorted(one.result() for one in posting)
        sent_after = time.monotonic() - began
        found = attributed(system, GROUPS * POSTS * ALERTS, 180)
        done_after = time.monotonic() - began
        p99 = took[int(len(took) * 0.99)]
        print(
            f"first page {paged_after:.2f} s, ack {acknowledged_after:.2f} s, accepted {sent_after:.1f} s, "
            f"attributed {done_after:.1f} s, post p50 {took[len(took) // 2]:.3f} s p99 {p99:.3f} s, "
            f"{len(found)} incidents"
        )
        storms = [one for one in found if one.startswith("unknown-")]
        assert len(storms) == 1
        # On a busy machine the first answer takes seconds: until then incidents are raised as usual.
        assert LIMIT < len(found) <= GROUPS // 2
        eventually(lambda: set(pages(system)) >= set(found), 90, "a page of each")
        assert all(len(keys) == 1 for keys in pages(system).values())
        services_named = GROUPS - (len(found) - 1)
        assert f"on {services_named} services" in system.view(storms[0])["summary"]


def test_a_worker_killed_in_a_storm_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Whenever it dies, each alert is part of exactly one incident, and each incident pages under one key."""
    services = [f"shop-{number}" for number in range(90)]
    with a_shop(tmp_path, services) as system:
        for number, delay in enumerate((0.05, 0.15, 0.4)):
            with ThreadPoolExecutor(10) as pool:
                chosen = services[number * 30 : (number + 1) * 30]
                posting = [pool.submit(post, system, one, [f"{one}-a"]) for one in chosen]
                time.sleep(delay)
                old = system.kill("worker")
                for one in posting:
                    one.result()
            system.restarted("worker", old)
        found = attributed(system, len(services), 120)
        assert len([one for one in found if one.startswith("unknown-")]) == 1
        eventually(lambda: set(pages(system)) >= set(found), 60, "a page of each")
        assert all(len(keys) == 1 for keys in pages(system).values()), pages(system)
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda one: post(system, one, [f"{one}-a"], "resolved"), services))
        eventually(
            lambda: not sum(system.view(one)["firing_count"] for one in found), 90, "all clear"
        )

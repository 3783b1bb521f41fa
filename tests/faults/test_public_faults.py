"""What is said in public is said once: the vendor is away, answers nothing, or took what nobody noted.

A system of its own, which speaks to an Atlassian Statuspage of ours and publishes to a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.sendgrid import SendGridFake, sendgrid_fake
from tests.fakes.statuspage import CHECKOUT, KEY, PAGE, Page, statuspage_fake
from tests.fakes.vendor import VendorFake
from tests.faults.conftest import live
from tests.system import System, a_policy, a_system, eventually, never

SERVICES = ("away", "silent", "killed")
ATLASSIAN = {"hears": "external", "to": [{"channel": "statuspage", "to": PAGE}]}


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


@pytest.fixture(scope="module")
def atlassian(page: Page) -> Iterator[VendorFake]:
    with statuspage_fake(page) as fake:
        yield fake
        assert fake.refused == []


@pytest.fixture(scope="module")
def vendor() -> Iterator[SendGridFake]:
    with sendgrid_fake() as fake:
        yield fake


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("www")


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    atlassian: VendorFake,
    vendor: SendGridFake,
    site: Path,
) -> Iterator[System]:
    """Of these stories only."""
    folder = tmp_path_factory.mktemp("up")
    policy = a_policy(
        folder / "policy.yaml",
        {service: [("ann", "0s")] for service in SERVICES},
        audiences={"atlassian": ATLASSIAN},
        status_page={
            "publish_to": [{"folder": str(site)}],
            "statuspage_components": {"killed": CHECKOUT},
        },
        limits={"storm": "none"},
    )
    settings = {
        **live(vendor),
        "STATUSPAGE_API_KEY": KEY,
        "STATUSPAGE_BASE_URL": atlassian.url,
        "STATUSPAGE_PACE": "0",
    }
    with a_system(folder, policy, **settings) as system:
        yield system


@pytest.fixture
def system(running: System, page: Page, atlassian: VendorFake) -> System:
    """The running system; the vendor is well, and its page empty."""
    eventually(lambda: running.call("GET", "/readyz").status_code == 200, 30, "readiness")
    page.incidents.clear()
    page.reads = atlassian.mood = "answer"
    atlassian.status = atlassian.calls = 0
    return running


def an_incident(system: System, service: str) -> str:
    """One that ann manages."""
    incident = system.declare(service)
    eventually(lambda: system.facts(incident, "step_paged"), 30, "its page")
    system.acknowledge(incident, "ann")
    return incident


def say(system: System, incident: str, text: str) -> None:
    system.command(incident, "publish_update", "ann", audience="external", text=text)


def sent_by(system: System, incident: str, channel: str) -> list[dict[str, Any]]:
    facts = system.facts(incident, "message_sent")
    found = [one for fact in facts for one in fact["data"]["deliveries"]]
    return [one for one in found if one["channel"] == channel]


def test_a_vendor_that_is_away_has_the_update_once_it_is_back(
    system: System, page: Page, atlassian: VendorFake, site: Path
) -> None:
    """Refused and tried again until it is out, once; our own page had it at once."""
    incident = an_incident(system, "away")
    atlassian.status = 503
    say(system, incident, "Orders are late")
    eventually(lambda: system.facts(incident, "message_failed"), 30, "the failure")
    page_of_ours = site / "index.html"
    eventually(lambda: "Orders are late" in page_of_ours.read_text(), 30, "it on our own page")
    assert page.bodies() == []
    atlassian.status = 0
    eventually(lambda: sent_by(system, incident, "statuspage"), 60, "the update at Statuspage")
    never(lambda: len(page.bodies()) > 1, 6)
    assert len(sent_by(system, incident, "folder")) == 1


def test_a_vendor_that_answers_nothing_leaves_it_to_a_person(
    system: System, page: Page, atlassian: VendorFake
) -> None:
    """Nobody can tell whether it is out: held, a person is told, nothing is sent before their verdict."""
    incident = an_incident(system, "silent")
    atlassian.mood = "hang"
    say(system, incident, "Search is slow")
    eventually(lambda: atlassian.calls, 30, "the update on its way")
    page.reads = "away"
    (held,) = eventually(lambda: system.facts(incident, "message_held"), 60, "that it is held")
    told = eventually(
        lambda: [
            m for m in system.outbox(incident, "reminder") if held["data"]["message"] in m["text"]
        ],
        30,
        "the reminder",
    )
    assert [message["person"] for message in told] == ["ann"]
    atlassian.mood = page.reads = "answer"
    never(lambda: atlassian.calls > 1, 8)
    (shown,) = eventually(lambda: system.view(incident)["held"], 30, "it in the view")
    system.command(incident, "release_message", "ann", message=shown["id"], verdict="send_again")
    eventually(page.bodies, 30, "the update at Statuspage")
    never(lambda: len(page.bodies()) > 1, 6)
    eventually(lambda: system.view(incident)["held"] == [], 30, "that nothing is held any more")


def test_a_worker_killed_after_the_vendor_took_it_says_nothing_twice(
    system: System, page: Page, atlassian: VendorFake
) -> None:
    """Killed between the vendor's yes and our note of it: the next worker reads back, and that is all."""
    incident = an_incident(system, "killed")
    atlassian.mood = "accept_then_hang"
    say(system, incident, "Cards are refused")
    eventually(page.bodies, 30, "the update at Statuspage")
    old = system.kill("worker")
    atlassian.mood = "answer"
    system.restarted("worker", old)
    (sent,) = eventually(lambda: sent_by(system, incident, "statuspage"), 150, "that it is out")
    assert "read back" in sent["detail"]
    assert (len(page.bodies()), atlassian.calls) == (1, 1)
    assert page.components[CHECKOUT] == "major_outage"
    say(system, incident, "We have found the cause")
    eventually(lambda: len(page.bodies()) == 2, 30, "the next update")
    assert len(page.incidents) == 1

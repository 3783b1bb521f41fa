"""A critical alert that waits too long pages somebody past Temporal: once, and then every five minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.alert import AlertStatus
from tests.fakes.desks import an_alert
from tests.patience import until


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.at = 1_796_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def durable(processes, desks, clock, monkeypatch):
    """A process that looks when it is told to, and never by itself beside that."""
    monkeypatch.setattr("starter.reception.durable.LOOK_SECONDS", 3600.0)
    desks.is_away = True
    return await processes.begin(fallback_after=60.0, now=clock)


def asked(processes: Any) -> list[dict[str, list[str]]]:
    """Alert keys of each page, by service."""
    return [
        {one["service"]: [alert["key"] for alert in one["alerts"]] for one in page["services"]}
        for page in processes.pages
    ]


async def test_it_pages_after_a_minute_and_again_after_five(processes, durable, clock):
    """One page names all critical alerts of all services; what is less urgent, or over, is no reason."""
    await durable.deliver("checkout", [an_alert("a"), an_alert("b")])
    await durable.deliver("search", [an_alert("c", "search"), an_alert("over", "search")])
    await durable.deliver("search", [an_alert("over", "search", status=AlertStatus.RESOLVED)])
    await durable.deliver("mail", [an_alert("minor", "mail", severity="SEV3")])
    clock.at += 59
    await durable.direct.look(durable.journal)
    assert processes.pages == []
    clock.at += 1
    await durable.direct.look(durable.journal)
    await durable.direct.look(durable.journal)
    assert asked(processes) == [{"checkout": ["a", "b"], "search": ["c"]}]
    assert [one["round"] for one in processes.pages[0]["services"]] == [1, 1]
    clock.at += 299
    await durable.direct.look(durable.journal)
    assert len(processes.pages) == 1
    clock.at += 1
    await durable.direct.look(durable.journal)
    assert [one["round"] for one in processes.pages[1]["services"]] == [2, 2]
    first, second = (page["services"][0]["key"] for page in processes.pages)
    assert first == second


async def test_a_new_alert_of_the_same_service_rides_along(processes, durable, clock):
    """It waits its own minute, and no page follows the one before within a minute."""
    await durable.deliver("checkout", [an_alert("a")])
    clock.at += 60
    await durable.direct.look(durable.journal)
    await durable.deliver("checkout", [an_alert("b")])
    clock.at += 59
    await durable.direct.look(durable.journal)
    assert len(processes.pages) == 1
    clock.at += 1
    await durable.direct.look(durable.journal)
    assert asked(processes)[1] == {"checkout": ["a", "b"]}


async def test_the_alert_says_later_who_was_paged(processes, durable, desks, clock):
    """Also when the process that paged has died since; nobody is paged anew for the restart."""
    await durable.deliver("checkout", [an_alert("a")])
    await durable.deliver("checkout", [an_alert("a")])
    await durable.deliver("checkout", [an_alert("b", severity="SEV3")])
    clock.at += 60
    await durable.direct.look(durable.journal)
    await processes.kill(durable)
    durable = await processes.begin(fallback_after=60.0, now=clock)
    await durable.direct.look(durable.journal)
    assert len(processes.pages) == 1
    desks.is_away = False
    await until(durable.journal.is_empty)
    assert [(alert.key, alert.paged_directly) for alert in desks.taken["checkout"]] == [
        ("a", ["ann was paged directly"]),
        ("a", []),
        ("b", []),
    ]


async def test_a_page_that_fails_is_tried_again_soon(processes, durable, clock, said):
    """It is in the log and in readyz, and half a minute later it is tried again."""
    processes.page_error = RuntimeError("page-directly ended with 1")
    await durable.deliver("checkout", [an_alert("a")])
    clock.at += 60
    await durable.direct.look(durable.journal)
    assert "nobody could be paged directly about checkout" in durable.standing().sentence()
    assert "paging.directly_failed" in [line["event"] for line in said]
    processes.page_error = None
    clock.at += 29
    await durable.direct.look(durable.journal)
    assert len(processes.pages) == 1
    clock.at += 1
    await durable.direct.look(durable.journal)
    assert len(processes.pages) == 2


async def test_delivery_waits_a_moment_for_a_page_that_is_under_way(
    processes, durable, desks, clock
):
    """Temporal comes back while somebody is being paged: the incident must say so, but not wait long."""
    gate = asyncio.Event()

    async def slow(request: dict[str, Any]) -> dict[str, Any]:
        await gate.wait()
        return {"said": {"checkout": ["ann was paged directly"]}}

    durable.direct._page = slow
    await durable.deliver("checkout", [an_alert("a")])
    await durable.deliver("search", [an_alert("b", "search", severity="SEV3")])
    clock.at += 60
    look = asyncio.create_task(durable.direct.look(durable.journal))
    await asyncio.sleep(0)
    desks.is_away = False
    await until(lambda: desks.keys("search") == ["b"])
    assert desks.keys() == []
    gate.set()
    await look
    await until(durable.journal.is_empty)
    assert desks.taken["checkout"][0].paged_directly == ["ann was paged directly"]


async def test_nobody_is_paged_about_what_was_delivered(processes, durable, desks, clock):
    """Temporal was back in time."""
    await durable.deliver("checkout", [an_alert("a")])
    desks.is_away = False
    await until(durable.journal.is_empty)
    clock.at += 600
    await durable.direct.look(durable.journal)
    assert processes.pages == []

"""The records' database is locked, and replaced by a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.fakes.sendgrid import SendGridFake
from tests.system import System, eventually, quickly

LADDERS = {
    "locked": [("ann", "0s"), ("bob", "1s")],
    "replaced": [("cyd", "0s"), ("dan", "1s")],
    "restarted": [("eve", "0s")],
}


@contextmanager
def locked(system: System) -> Iterator[None]:
    """Nobody else can write to the database."""
    path = system.data / "records.db"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def replaced_by_a_folder(system: System) -> Iterator[None]:
    """Somebody has moved the database away and made a folder of its name."""
    path, away = system.data / "records.db", system.data / "records.db.away"
    path.rename(away)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        away.rename(path)


@pytest.mark.parametrize(
    ("service", "fault", "first", "second"),
    [
        ("locked", locked, "ann", "bob"),
        ("replaced", replaced_by_a_folder, "cyd", "dan"),
    ],
    ids=["locked", "replaced by a folder"],
)
def test_pages_and_acknowledgements_go_on_without_the_records(
    system: System, vendor: SendGridFake, service: str, fault: object, first: str, second: str
) -> None:
    """Declared, paged, escalated and acknowledged in time; afterwards the records hold all of it."""
    assert callable(fault)
    with fault(system):
        # One that waits for the records does so until the fault is over, or for five seconds.
        declared = quickly(lambda: system.declare(service), 8)
        *others, incident = declared
        for other in others:
            system.command(other, "cancel", "carol", reason="the machine stood still")
        eventually(
            lambda: vendor.calls_for(incident, f"{first}@example.com", accepted=True),
            30,
            "the page",
        )
        eventually(
            lambda: vendor.calls_for(incident, f"{second}@example.com", accepted=True),
            30,
            "the escalation",
        )
        views = quickly(lambda: system.acknowledge(incident, second), 6)
        assert {view["status"] for view in views} == {"fixing"}
        eventually(lambda: system.view(incident)["status"] == "fixing", 30, "its status")
        assert system.alert(service, "during the fault").status_code == 202
    eventually(lambda: system.facts(incident, "alert_folded"), 30, "the alert")
    wanted = [(fact["seq"], fact["fact"]) for fact in system.facts(incident)]
    eventually(
        lambda: (
            [(fact["seq"], fact["fact"]) for fact in system.recorded(incident)][: len(wanted)]
            == wanted
        ),
        90,  # the last attempt was up to half a minute ago
        "the gap to be filled",
    )
    facts = [name for _, name in wanted]
    assert {"raised", "page_sent", "acknowledged", "alert_folded"} <= set(facts)
    eventually(lambda: {one["id"] for one in system.incidents(service)} == set(declared), 90)
    assert len(vendor.calls_for(incident, f"{first}@example.com")) >= 1


def test_worker_that_starts_while_the_records_are_locked_pages_in_time(
    system: System, vendor: SendGridFake
) -> None:
    """A restart does not wait for the database before it takes pages."""
    with locked(system):
        old = system.kill("worker")
        system.restarted("worker", old)
        assert system.alert("restarted").status_code == 202
        eventually(lambda: vendor.sent_to("eve@example.com"), 60, "the page")
    (row,) = eventually(lambda: system.incidents("restarted"), 90, "the incident in the records")
    eventually(lambda: system.recorded(row["id"]), 90, "its timeline")

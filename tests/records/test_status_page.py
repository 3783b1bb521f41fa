"""The status page read from the records: what it reads, how it knows of changes, and what is newer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from domain.policy.model import Policy
from records.reads import RecordsReader
from records.status_page import StatusPageReader
from records.writes import RecordsWriter
from tests.records.conftest import a_batch, a_view

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
POLICY = Policy.model_validate({"services": {"checkout": {"name": "Checkout"}, "search": {}}})


@pytest.fixture
def pages(reader: RecordsReader) -> StatusPageReader:
    return StatusPageReader(reader)


def told(id: str, *texts: str, status: str | None = None, **changes: Any) -> dict[str, Any]:
    """The view of an incident that the public has heard of."""
    at = changes.pop("at", NOW - timedelta(minutes=30))
    updates = [
        {"at": at.isoformat(), "audience": "external", "text": one, "status": status, "actor": "a"}
        for one in texts
    ]
    service = id.rpartition("-")[0]
    dates = {"raised_at": at.isoformat()}
    return a_view(id, service=service, updates=updates, status="fixing") | dates | changes


def write(writer: RecordsWriter, view: dict[str, Any], version: int = 1) -> None:
    writer.write(a_batch(id=view["id"], view=view, version=version))


def test_incidents_that_were_told_of_are_read(
    writer: RecordsWriter, pages: StatusPageReader
) -> None:
    """Open and ended ones, each with its texts; those of which nothing was said are not there."""
    write(writer, told("checkout-1", "one", "two"))
    write(writer, told("checkout-2"))
    ended = told("search-1", "over", status="resolved") | {"status": "closed"}
    write(writer, ended | {"closed_at": NOW.isoformat(), "resolved_at": NOW.isoformat()})
    page = pages.page(POLICY, {}, NOW)
    assert [[update.text for update in one.updates] for one in page.open] == [["one", "two"]]
    assert [one.service for one in page.ended] == ["search"]


def test_what_was_just_published_counts_more_than_the_records(
    writer: RecordsWriter, pages: StatusPageReader
) -> None:
    """Of two views of one incident the newer; one that the records do not have yet is added."""
    write(writer, told("checkout-1", "old"), version=5)
    for version, text in ((4, "old"), (5, "new"), (6, "new")):
        overlay = [told("checkout-1", "new") | {"version": version}]
        page = pages.page(POLICY, {}, NOW, overlay)
        assert page.open[0].last.text == text, version
    unknown = told("search-7", "first") | {"version": 1}
    assert len(pages.page(POLICY, {}, NOW, [unknown]).open) == 2


def test_long_over_is_not_read(writer: RecordsWriter, pages: StatusPageReader) -> None:
    """After more than a year; one that still lasts is read however old it is."""
    old = NOW - timedelta(days=800)
    over = told("checkout-1", "old", at=old) | {"status": "closed", "closed_at": old.isoformat()}
    write(writer, over | {"resolved_at": old.isoformat()})
    write(writer, told("search-1", "lasting", at=old))
    assert [one.service for one in pages.page(POLICY, {}, NOW).incidents] == ["search"]
    assert pages.mark(NOW).startswith("1/")


def test_every_change_has_another_mark(writer: RecordsWriter, pages: StatusPageReader) -> None:
    """An incident more, or one with a new version; without a change it is the same."""
    marks = [pages.mark(NOW)]
    write(writer, told("checkout-1"), version=1)
    marks.append(pages.mark(NOW))
    write(writer, told("search-1", "x"), version=1)
    marks.append(pages.mark(NOW))
    write(writer, told("checkout-1", "y"), version=2)
    marks.append(pages.mark(NOW))
    assert len(set(marks)) == 4
    assert pages.mark(NOW) == marks[-1]


def test_it_reads_by_an_engine_as_well(writer: RecordsWriter, engine: Engine) -> None:
    """For a process that has no other reader."""
    write(writer, told("checkout-1", "one"))
    assert len(StatusPageReader(engine).page(POLICY, {}, NOW).open) == 1

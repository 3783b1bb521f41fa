"""What reaches the records: nothing twice, nothing older over something newer, nothing half."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, select

from domain.timeline import Entry
from records.database import RecordsUnavailableError, open_database
from records.reads import RecordsReader
from records.tables import actions, metadata
from records.writes import RecordsWriter
from tests.records.conftest import a_batch, a_delivery, a_view, an_entry


def everything(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }


@contextmanager
def somebody_holding_the_tables(url: str) -> Iterator[None]:
    """Another program in the middle of a long write."""
    other = open_database(url)
    with other.connect() as connection:
        if other.dialect.name == "sqlite":
            connection.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin()
        else:
            connection.exec_driver_sql("LOCK TABLE incidents IN EXCLUSIVE MODE")
        yield
    other.dispose()


def test_an_older_projection_never_overwrites_a_newer_one(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """A batch that was long on its way does not take a resolved incident back to raised."""
    writer.write(a_batch(version=7, view=a_view(status="resolved", summary="new")))
    writer.write(a_batch(version=3, view=a_view(status="raised", summary="old")))
    incident = reader.incident("checkout-1")
    assert incident is not None
    assert (incident["status"], incident["summary"], incident["version"]) == ("resolved", "new", 7)
    assert reader.incidents(status="open") == ([], None)
    assert reader.stored_version("checkout-1") == 7


def test_a_late_batch_still_brings_its_facts(writer: RecordsWriter, reader: RecordsReader) -> None:
    """Facts are kept although the view beside them is too old to be."""
    writer.write(a_batch(version=7))
    assert writer.write(a_batch(an_entry(1), an_entry(2), version=2)).up_to_seq == 2
    assert [entry.seq for entry in reader.timeline("checkout-1")] == [1, 2]


def test_an_answered_command_is_stored_under_the_same_guard(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """The API's own write is seen by the next read, and loses against anything newer."""
    assert writer.store_incident_view(a_view(status="fixing"), 5)
    assert not writer.store_incident_view(a_view(status="raised"), 5)
    assert not writer.store_incident_view(a_view(status="raised"), 4)
    writer.write(a_batch(version=4))
    incident = reader.incident("checkout-1")
    assert incident is not None
    assert incident["status"] == "fixing"


def test_writing_a_batch_twice_changes_nothing(engine: Engine, writer: RecordsWriter) -> None:
    """An activity that is tried again after its answer was lost leaves the records as they are."""
    paged = an_entry(1, data={"purpose": "page", "deliveries": [a_delivery("checkout-1/page/1")]})
    incident = a_batch(paged, an_entry(2), results={"key-1": {"status": "fixing"}})
    view = {"incident_id": "checkout-1", "status": "draft", "actions": [{"id": "a1", "text": "x"}]}
    postmortem = a_batch(an_entry(1), subject="postmortem", view=view)
    first = [writer.write(incident), writer.write(postmortem)]
    before = everything(engine)
    assert [writer.write(incident), writer.write(postmortem)] == first
    assert everything(engine) == before
    of_others = {"subscribers", "subscriber_messages"}
    assert all(rows for name, rows in before.items() if name not in of_others)


def test_a_fact_is_never_rewritten(writer: RecordsWriter, reader: RecordsReader) -> None:
    """What stands on the timeline stays as it was first written."""
    writer.write(a_batch(an_entry(1, text="first")))
    writer.write(a_batch(an_entry(1, text="second"), version=9))
    assert [entry.text for entry in reader.timeline("checkout-1")] == ["first"]


def test_batches_out_of_order_leave_up_to_seq_at_the_gap(writer: RecordsWriter) -> None:
    """The workflow may forget a fact only when every fact before it is stored too."""
    cases = {
        "none-1": ([[]], [0]),
        "whole-1": ([[1, 2, 3]], [3]),
        "headless-1": ([[2, 3]], [0]),
        "gap-1": ([[1, 2], [4, 5]], [2, 2]),
        "backwards-1": ([[4, 5], [1, 2], [3]], [0, 2, 5]),
        "mixed-1": ([[1], [3], [5], [2], [4]], [1, 1, 1, 3, 5]),
    }
    for incident_id, (written, up_to_seq) in cases.items():
        batches = [a_batch(*map(an_entry, seqs), id=incident_id) for seqs in written]
        assert [writer.write(batch).up_to_seq for batch in batches] == up_to_seq, incident_id


def test_a_postmortem_numbers_its_facts_by_itself(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """Facts and answers of the postmortem stand beside those of the incident, not among them."""
    writer.write(a_batch(*map(an_entry, range(1, 6)), results={"key": {"of": "incident"}}))
    postmortem = a_batch(
        an_entry(1, fact="postmortem_started"),
        subject="postmortem",
        view={"incident_id": "checkout-1", "status": "draft", "owner": "bob", "due_at": None},
        results={"key": {"of": "postmortem"}},
    )
    assert writer.write(postmortem).up_to_seq == 1
    facts = [entry.fact for entry in reader.timeline("checkout-1/postmortem")]
    assert facts == ["postmortem_started"]
    assert len(reader.timeline("checkout-1")) == 5
    assert reader.result("checkout-1", "key") == {"of": "incident"}
    assert reader.result("checkout-1/postmortem", "key") == {"of": "postmortem"}


def test_the_actions_of_a_postmortem_follow_its_newest_view(
    engine: Engine, writer: RecordsWriter
) -> None:
    """An action that was done or dropped is so in the counts, whichever batch comes last."""

    def write(version: int, *listed: dict[str, Any]) -> None:
        view = {"incident_id": "checkout-1", "status": "draft", "actions": list(listed)}
        writer.write(a_batch(version=version, subject="postmortem", view=view))

    write(1, {"id": "a1", "text": "add an alert"}, {"id": "a2", "text": "dropped"})
    write(3, {"id": "a1", "text": "add an alert", "done_at": "2026-12-01T09:00:00Z"}, {"id": "a3"})
    write(2, {"id": "a1", "text": "add an alert"})
    with engine.connect() as connection:
        query = select(actions.c.action_id, actions.c.done_at).order_by(actions.c.action_id)
        rows = connection.execute(query).all()
    assert [(row.action_id, row.done_at is not None) for row in rows] == [
        ("a1", True),
        ("a3", False),
    ]


def test_a_message_keeps_its_newest_outcome(writer: RecordsWriter, reader: RecordsReader) -> None:
    """The ledger says what became of a message last, in whatever order the outcomes arrive."""

    def outcome(seq: int, state: str) -> Entry:
        delivery = a_delivery("checkout-1/page/alice", state, reason=None)
        return an_entry(seq, data={"purpose": "page", "deliveries": [delivery]})

    writer.write(a_batch(outcome(2, "failed"), outcome(3, "sent")))
    writer.write(a_batch(outcome(1, "sending")))
    assert [(m["state"], m["seq"], m["purpose"]) for m in reader.messages("checkout-1")] == [
        ("sent", 3, "page")
    ]


def test_a_delivery_of_another_shape_does_not_hold_up_the_others(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """A fact that an old release wrote reaches the timeline, and the good messages the ledger."""
    deliveries = ["sms", {"key": 1}, a_delivery("good")]
    entries = [an_entry(1, data={"deliveries": deliveries}), an_entry(2, data={"deliveries": "x"})]
    assert writer.write(a_batch(*entries)).up_to_seq == 2
    assert [message["key"] for message in reader.messages("checkout-1")] == ["good"]


def test_concurrent_writers_agree(
    url: str, opened: Callable[..., Engine], reader: RecordsReader
) -> None:
    """Workers and API write the same incidents at once: every fact is there, the newest view wins."""
    writers = [RecordsWriter(opened(url, limit_seconds=30)) for _ in range(3)]
    batches = [
        a_batch(
            an_entry(seq, data={"deliveries": [a_delivery("m/1"), a_delivery(f"m/{seq}")]}),
            id=f"checkout-{number}",
            version=seq,
            view=a_view(f"checkout-{number}", summary=f"version {seq}"),
        )
        for number in (1, 2)
        for seq in range(1, 21)
    ] * 2
    random.Random(7).shuffle(batches)
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(lambda job: writers[job[0] % 3].write(job[1]), enumerate(batches)))
    for incident_id in ("checkout-1", "checkout-2"):
        incident = reader.incident(incident_id)
        assert incident is not None
        assert (incident["summary"], incident["version"]) == ("version 20", 20)
        assert [entry.seq for entry in reader.timeline(incident_id)] == list(range(1, 21))


def test_a_locked_database_is_unavailable_within_the_limit(
    url: str, opened: Callable[..., Engine], writer: RecordsWriter, reader: RecordsReader
) -> None:
    """A writer gives up in time, a reader does not even wait, and afterwards all goes on."""
    writer.write(a_batch(version=1))
    hurried = RecordsWriter(opened(url, limit_seconds=0.3))
    with somebody_holding_the_tables(url):
        took: list[float] = []
        while len(took) < 3 and min(took, default=9.0) > 4.5:  # the machine may stand still
            began = time.monotonic()
            with pytest.raises(RecordsUnavailableError) as raised:
                hurried.write(a_batch(version=2))
            took.append(time.monotonic() - began)
        assert 0.2 < min(took) < 4.5
        assert raised.value.__cause__ is not None
        assert reader.stored_version("checkout-1") == 1
    hurried.write(a_batch(version=2))
    assert reader.stored_version("checkout-1") == 2


def test_a_file_replaced_by_a_folder_is_noticed_and_filled_again(
    tmp_path: Path, opened: Callable[..., Engine]
) -> None:
    """Nothing is written into a deleted file; when the place is free again a new one is begun."""
    path = tmp_path / "gone.sqlite"
    writer = RecordsWriter(opened(f"sqlite:///{path}"))
    assert writer.write(a_batch(an_entry(1))).up_to_seq == 1
    for leftover in tmp_path.glob("gone.sqlite*"):
        leftover.unlink()
    path.mkdir()
    with pytest.raises(RecordsUnavailableError):
        writer.write(a_batch(an_entry(2)))
    path.rmdir()
    assert writer.write(a_batch(an_entry(1), an_entry(2))).up_to_seq == 2
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM timeline").fetchone() == (2,)
    connection.close()


def test_a_database_that_comes_up_empty_is_filled(
    empty_url: str, opened: Callable[..., Engine]
) -> None:
    """The first write to a database that was away at the start makes its tables."""
    engine = opened(empty_url)
    with pytest.raises(RecordsUnavailableError):
        RecordsReader(engine).incident("checkout-1")
    assert RecordsWriter(engine).write(a_batch(an_entry(1))).up_to_seq == 1


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.sqlite", "postgresql://nobody@127.0.0.1:1/none"], ids=str
)
def test_a_database_that_is_away_is_unavailable(url: str, opened: Callable[..., Engine]) -> None:
    """Nobody who reads or writes sees an error of the database's own."""
    engine = opened(url, limit_seconds=0.5)
    with pytest.raises(RecordsUnavailableError):
        RecordsWriter(engine).store_incident_view(a_view(), 1)
    with pytest.raises(RecordsUnavailableError):
        RecordsReader(engine).open_incidents()


def test_a_view_that_is_no_incident_is_refused(
    engine: Engine, writer: RecordsWriter, reader: RecordsReader
) -> None:
    """A view without a status, or with a time of no zone, is a mistake of ours and stores nothing."""
    with pytest.raises(ValidationError, match="status"):
        writer.write(a_batch(an_entry(1), view={"id": "checkout-1", "raised_at": "2026-11-23"}))
    with pytest.raises(ValueError, match="aware"):
        writer.write(a_batch(an_entry(1, at="2026-11-23T10:00:00")))
    assert not any(everything(engine).values())

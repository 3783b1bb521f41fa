"""Who was paged for what, as the ledger of messages tells it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domain.load import RecentLoad
from domain.recording import RecordBatch
from domain.timeline import Entry
from records.reads import RecordsReader
from records.writes import RecordsWriter
from tests.factories import HOUR, T0, minutes
from tests.records.conftest import a_view


def a_page(
    incident: str, at: datetime = T0, *, person: str = "alice", seq: int = 1, **fields: Any
) -> Entry:
    """The fact that a page left."""
    delivery = {
        "key": f"{incident}/p1/r{seq}/s1/{person}/sms-0", "recipient": f"person:{person}",
        "channel": "sms", "state": "sent", "at": at.isoformat(), **fields,
    }  # fmt: skip
    data = {"person": person, "purpose": "page", "deliveries": [delivery]}
    return Entry(seq=seq, at=at, fact="page_sent", actor="tocsin", text="paged", data=data)


def write(writer: RecordsWriter, incident: str, *entries: Entry, **view: Any) -> list[RecentLoad]:
    """Write an incident's facts; answers the loads that the records know now."""
    version = max(entry.seq for entry in entries)
    batch = RecordBatch(
        subject="incident", id=incident, version=version, entries=list(entries),
        view=a_view(id=incident, version=version, **view),
    )  # fmt: skip
    return writer.write(batch).loads


def test_a_write_tells_the_last_shift_of_whoever_was_paged(writer: RecordsWriter) -> None:
    """Each incident once, oldest first; what is older than twelve hours is over."""
    write(writer, "cart-1", a_page("cart-1", T0 - 13 * HOUR))
    write(writer, "search-1", a_page("search-1", T0 - 2 * HOUR), a_page("search-1", T0, seq=2))
    write(writer, "api-1", a_page("api-1", T0 - HOUR, person="bob"))
    (load,) = write(writer, "checkout-1", a_page("checkout-1"))
    assert load.person == "alice"
    assert list(load.incidents) == ["search-1", "checkout-1"]
    assert load.incidents["search-1"] == T0 - 2 * HOUR
    assert load.told_at is None


def test_a_write_tells_when_it_was_last_said_that_somebody_has_too_much(
    writer: RecordsWriter,
) -> None:
    """The word about another person does not count."""

    def told(person: str, seq: int, at: datetime) -> Entry:
        return Entry(
            seq=seq, at=at, fact="overloaded", actor="tocsin", text="t", data={"person": person}
        )

    write(writer, "search-1", told("alice", 1, T0 - 3 * HOUR), told("bob", 2, T0 - HOUR))
    (load,) = write(writer, "checkout-1", a_page("checkout-1"))
    assert load.told_at == T0 - 3 * HOUR


def test_what_is_no_page_tells_no_load(writer: RecordsWriter) -> None:
    """Notes, failures and reminders count nobody's pages."""
    failed = a_page("checkout-1", state="failed").model_copy(update={"fact": "page_failed"})
    noted = Entry(seq=2, at=T0, fact="noted", actor="alice", text="n", data={"person": "alice"})
    assert write(writer, "checkout-1", failed, noted) == []


def test_pages_of_a_span_with_their_bundles(writer: RecordsWriter, reader: RecordsReader) -> None:
    """Only what left for a person, oldest first; the end does not belong to the span."""
    write(
        writer, "checkout-1", a_page("checkout-1", bundle="alice/1"),
        a_page("checkout-1", T0 + HOUR, seq=2), a_page("checkout-1", T0 + minutes(5), seq=3, state="failed"),
    )  # fmt: skip
    write(writer, "search-1", a_page("search-1", T0 + minutes(1), bundle="alice/1"))
    found = reader.pages_sent(T0, T0 + HOUR)
    assert [(p.person, p.incident, p.at, p.bundle) for p in found] == [
        ("alice", "checkout-1", T0, "alice/1"),
        ("alice", "search-1", T0 + minutes(1), "alice/1"),
    ]
    assert reader.pages_sent(T0 - timedelta(days=2), T0) == []
    assert reader.last_page("alice", "checkout-1") == T0 + HOUR
    assert reader.last_page("bob", "checkout-1") is None
    assert reader.incidents_of_bundle("alice/1") == ["checkout-1", "search-1"]
    assert reader.incidents_of_bundle("alice/2") == []
    key = "checkout-1/p1/r1/s1/alice/sms-0"
    assert reader.bundled_with(key) == [("search-1", "search-1/p1/r1/s1/alice/sms-0")]
    assert reader.bundled_with("of/no/page") == []
    assert reader.bundled_with("checkout-1/p1/r2/s1/alice/sms-0") == []


def test_a_receipt_that_comes_later_leaves_the_page_in_its_message(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """The vendor says that it has arrived: the ledger still knows which message held it."""
    write(writer, "checkout-1", a_page("checkout-1", bundle="alice/1"))
    arrived = a_page("checkout-1", state="delivered").model_copy(
        update={"fact": "page_delivered", "seq": 2}
    )
    write(writer, "checkout-1", arrived)
    (row,) = reader.messages("checkout-1")
    assert (row["state"], row["bundle"]) == ("delivered", "alice/1")


def test_the_open_incidents_of_a_person(writer: RecordsWriter, reader: RecordsReader) -> None:
    """Those that paged them and those that they manage, while they are open; nobody else's."""
    write(writer, "checkout-1", a_page("checkout-1"), status="raised", incident_manager=None)
    write(writer, "search-1", a_page("search-1", person="bob"), incident_manager="alice")
    write(writer, "cart-1", a_page("cart-1", person="bob"), incident_manager="bob")
    write(writer, "api-1", a_page("api-1"), status="resolved", incident_manager="alice")
    assert sorted(one.id for one in reader.incidents_of("alice")) == ["checkout-1", "search-1"]
    assert reader.incidents_of("nobody") == []


def test_a_write_tells_in_how_many_other_open_incidents_each_responder_is(
    writer: RecordsWriter,
) -> None:
    """Those that they manage or were paged for, each once; not this one, and none that is over."""
    write(
        writer, "search-1", a_page("search-1"), a_page("search-1", seq=2), incident_manager="alice"
    )
    write(writer, "cart-1", a_page("cart-1", person="bob"), incident_manager="alice")
    write(writer, "api-1", a_page("api-1", state="failed"))  # it never reached her
    write(writer, "old-1", a_page("old-1"), incident_manager="alice", status="resolved")
    responders = [{"person": "alice"}, {"person": "bob"}, {"person": "carol"}]
    batch = RecordBatch(
        subject="incident", id="checkout-1", version=1, entries=[a_page("checkout-1")],
        view=a_view(id="checkout-1", version=1, incident_manager="alice", responders=responders),
    )  # fmt: skip
    assert writer.write(batch).elsewhere == {"alice": 2, "bob": 1, "carol": 0}
    alone = batch.model_copy(update={"view": a_view(id="checkout-1", version=2)})
    assert writer.write(alone).elsewhere == {}

"""What the records answer: lists, order, old facts, and exactly what was written."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, func, select

from domain.priority import rank_among
from domain.timeline import Entry
from records.reads import RecordsReader
from records.tables import incidents, timeline
from records.writes import RecordsWriter
from tests.records.conftest import RAISED_AT, a_batch, a_delivery, a_view, an_entry

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def raise_incident(
    writer: RecordsWriter, incident_id: str, minute: int = 0, **view: object
) -> None:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    writer.store_incident_view(a_view(incident_id, **{"raised_at": at} | view), 1)


def ids(reader: RecordsReader, **filters: object) -> list[str]:
    return [incident["id"] for incident in reader.incidents(**filters)[0]]  # type: ignore[arg-type]


def test_what_was_never_recorded_is_unknown(reader: RecordsReader) -> None:
    """An id that never was is answered as unknown, not as an error."""
    for incident_id in ("checkout-1", "", "a\x00b", "\ud800", "x" * 5000):
        assert reader.incident(incident_id) is None
        assert reader.postmortem(incident_id) is None
        assert reader.stored_version(incident_id) is None
        assert reader.result(incident_id, "key") is None
        assert reader.timeline(incident_id) == []
        assert reader.messages(incident_id) == []
        assert reader.highest_number(incident_id) == 0
    assert reader.incidents() == ([], None)
    assert reader.open_incidents() == []
    assert reader.open_for_services([]) == []


def test_a_view_comes_back_as_it_was_written(writer: RecordsWriter, reader: RecordsReader) -> None:
    """Keys, their order and every script and sign are kept."""
    view = a_view(
        summary="Zahlung schlägt fehl 🔥 支付失败 ‏عربي", roles=[{"role": "tech_lead", "x": None}]
    )
    writer.store_incident_view(view, 4)
    stored = reader.incident("checkout-1")
    assert stored == view | {"version": 4, "rank": {"position": 1, "of": 1}}
    assert list(stored) == [*view, "version"]


def test_long_notes_come_back_whole(writer: RecordsWriter, reader: RecordsReader) -> None:
    """The longest note that the API takes, and what stands beside it, survive."""
    entry = an_entry(1, text="ü🔥" * 2730 + "end!", data={"nested": {"list": [1, 2.5, None, "x"]}})
    assert len(entry.text.encode()) == 16 * 1024
    writer.write(a_batch(entry))
    assert reader.timeline("checkout-1") == [entry]


def test_what_no_database_stores_is_replaced(writer: RecordsWriter, reader: RecordsReader) -> None:
    """A NUL, half a surrogate pair or a number that is none keeps no incident out of the records."""
    entry = an_entry(1, text="a\x00b", data={"k\x00": ["\ud83d", float("nan"), float("inf")]})
    writer.write(a_batch(entry, view=a_view(summary="a\x00b"), results={"k\x00": {"x": "\x00"}}))
    (stored,) = reader.timeline("checkout-1")
    assert (stored.text, stored.data) == ("a\ufffdb", {"k\ufffd": ["\ufffd", None, None]})
    assert reader.result("checkout-1", "k\x00") == {"x": "\ufffd"}


def test_times_come_back_aware_and_equal(
    engine: Engine, writer: RecordsWriter, reader: RecordsReader
) -> None:
    """A time means the same instant on both databases, to the microsecond, and says its zone."""
    west = timezone(timedelta(hours=-11, minutes=-30))
    for version, at in enumerate(
        [
            datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC),
            datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1))),
            datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=west),
        ],
        start=1,
    ):
        entry = an_entry(version, at=at)
        writer.write(a_batch(entry, version=version, view=a_view(raised_at=at)))
        with engine.connect() as connection:
            found = [
                connection.scalar(select(timeline.c.at).where(timeline.c.seq == version)),
                connection.scalar(select(func.max(incidents.c.raised_at))),
                reader.timeline("checkout-1", after_seq=version - 1)[0].at,
                reader.open_incidents()[0].raised_at,
            ]
        assert found == [at] * len(found)
        assert {time.utcoffset() for time in found if time} == {timedelta(0)}


def test_lists_show_the_newest_first_and_open_ones_by_default(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """Open is raised or fixing; every other status has its own list, and `all` has them all."""
    for minute, status in enumerate(["raised", "fixing", "resolved", "closed", "cancelled"]):
        raise_incident(writer, f"checkout-{minute}", minute, status=status)
    assert ids(reader) == ["checkout-1", "checkout-0"]
    assert ids(reader, status="resolved") == ["checkout-2"]
    assert ids(reader, status="closed") == ["checkout-3"]
    assert ids(reader, status="cancelled") == ["checkout-4"]
    assert ids(reader, status="all") == [f"checkout-{n}" for n in (4, 3, 2, 1, 0)]
    with pytest.raises(ValueError, match="unknown status 'fixing'; it is one of open"):
        reader.incidents(status="fixing")


def test_lists_are_narrowed_by_service_severity_and_prefix(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """Filters go together, and a prefix is taken letter by letter."""
    raise_incident(writer, "checkout-1", 1)
    raise_incident(writer, "checkout-12", 2, severity="SEV2")
    raise_incident(writer, "check_out-1", 3)
    raise_incident(writer, "search-1", 4, severity="SEV2")
    assert ids(reader, service="checkout") == ["checkout-12", "checkout-1"]
    assert ids(reader, severity="SEV2") == ["search-1", "checkout-12"]
    assert ids(reader, service="checkout", severity="SEV2") == ["checkout-12"]
    assert ids(reader, prefix="checkout-1") == ["checkout-12", "checkout-1"]
    assert ids(reader, prefix="check_") == ["check_out-1"]
    assert ids(reader, prefix="Check") == []
    assert ids(reader, prefix="%") == []


def test_a_limit_is_lowered_not_refused(
    engine: Engine, writer: RecordsWriter, reader: RecordsReader
) -> None:
    """Whoever asks for too much gets a full page and the cursor of the next one."""
    writer.write(a_batch(*map(an_entry, range(1, 1003))))
    with engine.begin() as connection:
        row = connection.execute(select(incidents)).mappings().one()
        connection.execute(incidents.insert(), [{**row, "id": f"x-{n}"} for n in range(200)])
    for limit, shown in ((-1, 1), (0, 1), (1, 1), (200, 200), (9999, 200)):
        page, cursor = reader.incidents(limit=limit)
        assert len(page) == shown
        assert cursor is not None
    assert len(reader.timeline("checkout-1", limit=0)) == 1
    assert len(reader.timeline("checkout-1", limit=9999)) == 1000


def test_cursors_walk_all_rows_once_while_new_ones_come_in(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """Reading page by page in a storm shows each incident that was there at the start once."""
    for number in range(11):
        raise_incident(writer, f"checkout-{number}", minute=number // 3)
    seen, cursor = [], None
    for page_number in range(99):
        page, cursor = reader.incidents(limit=2, cursor=cursor)
        seen += [incident["id"] for incident in page]
        raise_incident(writer, f"new-{page_number}", minute=60 + page_number)
        if cursor is None:
            break
    assert sorted(seen) == sorted(f"checkout-{number}" for number in range(11))


def test_a_cursor_that_was_not_given_out_is_refused(reader: RecordsReader) -> None:
    """The refusal says what to pass instead."""
    without_zone = base64.urlsafe_b64encode(b'["2026-11-23T10:00:00", "x"]').decode()
    for cursor in ("", "x", "no cursor", "é", "W10", without_zone):
        with pytest.raises(ValueError, match="unknown cursor: pass the `next_cursor`"):
            reader.incidents(cursor=cursor)


def test_the_rank_is_as_of_now(writer: RecordsWriter, reader: RecordsReader) -> None:
    """A rank counts today's open incidents, whatever the view said when it was written."""
    raise_incident(writer, "a-1", 0, priority="P2", rank={"position": 1, "of": 1})
    raise_incident(writer, "b-1", 1, priority="P1", severity="SEV2")
    raise_incident(writer, "c-1", 2, priority="P1", severity="SEV1")
    raise_incident(writer, "d-1", 3, status="closed", rank={"position": 1, "of": 1})
    listed = {row["id"]: row["rank"] for row in reader.incidents(status="all")[0]}
    everyone = reader.open_incidents()
    assert [row.id for row in everyone] == ["c-1", "b-1", "a-1"]
    for row in everyone:
        rank = rank_among(row, everyone)
        assert listed[row.id] == {"position": rank.position, "of": rank.of}
    assert listed["d-1"] is None
    one = reader.incident("a-1")
    assert one is not None
    assert one["rank"] == {"position": 3, "of": 3}


def test_open_incidents_of_a_services_dependencies(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """The assessment is offered what is open next door, oldest first."""
    raise_incident(writer, "payments-2", 5)
    raise_incident(writer, "database-9", 1, severity="SEV2")
    raise_incident(writer, "database-8", 0, status="resolved")
    raise_incident(writer, "search-1", 0)
    assert reader.open_for_services(["database", "payments", "none"]) == [
        {
            "id": "database-9",
            "service": "database",
            "summary": "Cards are refused",
            "severity": "SEV2",
            "priority": "P1",
            "raised_at": "2026-11-23T12:01:00Z",
        },
        {
            "id": "payments-2",
            "service": "payments",
            "summary": "Cards are refused",
            "severity": "SEV1",
            "priority": "P1",
            "raised_at": "2026-11-23T12:05:00Z",
        },
    ]


def test_the_highest_number_is_a_number(writer: RecordsWriter, reader: RecordsReader) -> None:
    """A new desk counts on from 10, not from 9, also for a service with a dash in its name."""
    for incident_id in ("checkout-9", "checkout-10", "checkout-eu-99", "checkout-eu-²"):
        raise_incident(writer, incident_id, status="closed")
    assert reader.highest_number("checkout") == 10
    assert reader.highest_number("checkout-eu") == 99


def test_the_timeline_is_read_in_order_and_in_parts(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """Facts written in any order are read in theirs, from wherever the reader left off."""
    writer.write(a_batch(*map(an_entry, (12, 2, 10, 1, 11))))

    def seqs(entries: list[Entry]) -> list[int]:
        return [entry.seq for entry in entries]

    assert seqs(reader.timeline("checkout-1")) == [1, 2, 10, 11, 12]
    assert seqs(reader.timeline("checkout-1", after_seq=2, limit=2)) == [10, 11]
    assert seqs(reader.timeline("checkout-1", after_seq=-5)) == [1, 2, 10, 11, 12]
    assert seqs(reader.timeline("checkout-1", after_seq=10**30)) == []


def test_messages_are_listed_with_their_outcome(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """The ledger shows oldest first to whom each message went and what became of it."""
    late = a_delivery("k/2", "failed", reason="timed_out", at="2026-11-23T10:05:00Z")
    data = {"purpose": "page", "deliveries": [late, a_delivery("k/1", channel="email")]}
    writer.write(a_batch(an_entry(1, data=data)))
    first, second = reader.messages("checkout-1")
    assert first == {
        "key": "k/1",
        "incident_id": "checkout-1",
        "purpose": "page",
        "channel": "email",
        "recipient": "person:alice",
        "state": "sent",
        "reason": None,
        "at": RAISED_AT,
        "seq": 1,
        "bundle": None,
    }
    assert (second["state"], second["reason"]) == ("failed", "timed_out")
    assert second["at"] == "2026-11-23T10:05:00Z"


def test_pages_to_a_person_are_found_with_their_incidents(
    writer: RecordsWriter, reader: RecordsReader
) -> None:
    """The latest first: pages only, theirs only, of open incidents and of those raised lately."""
    raise_incident(writer, "checkout-7", minute=0, status="resolved")
    raise_incident(writer, "checkout-8", minute=1)
    raise_incident(writer, "checkout-9", minute=2, status="closed")
    for seq, (incident, key, at, changes) in enumerate(
        [
            ("checkout-8", "one", "2026-11-23T12:05:00Z", {}),
            ("checkout-8", "two", "2026-11-23T12:06:00Z", {"channel": "email", "state": "failed"}),
            ("checkout-9", "three", "2026-11-23T12:07:00Z", {}),
            ("checkout-7", "four", "2026-11-23T12:08:00Z", {}),
            ("checkout-8", "bobs", "2026-11-23T12:09:00Z", {"recipient": "person:bob"}),
        ],
        start=1,
    ):
        data = {"purpose": "page", "deliveries": [a_delivery(key, at=at, **changes)]}
        writer.write(a_batch(an_entry(seq, data=data), id=incident, view={}))
    told = {"purpose": "role", "deliveries": [a_delivery("role", at="2026-11-23T12:10:00Z")]}
    writer.write(a_batch(an_entry(9, data=told), id="checkout-8", view={}))
    found = reader.pages_to("alice", NOON + timedelta(minutes=1, seconds=30))
    assert [(row["key"], row["state"]) for row in found] == [
        ("three", "sent"), ("two", "failed"), ("one", "sent"),
    ]  # fmt: skip
    assert found[-1] == {
        "key": "one", "channel": "sms", "state": "sent", "at": "2026-11-23T12:05:00Z",
        "incident_id": "checkout-8", "bundle": None, "number": 8, "status": "raised", "severity": "SEV1",
        "summary": "Cards are refused", "incident_manager": None,
    }  # fmt: skip
    assert len(reader.pages_to("alice", NOON - timedelta(days=1))) == 4
    assert reader.pages_to("nobody", NOON) == []


def test_a_postmortem_is_read_back(writer: RecordsWriter, reader: RecordsReader) -> None:
    """Owner, due date and actions are there long after the workflow is gone."""
    action = {"id": "a1", "text": "add an alert", "owner": "bob", "due_at": RAISED_AT}
    view = {
        "incident_id": "checkout-1",
        "status": "in_review",
        "owner": "alice",
        "due_at": "2026-11-26T10:00:00Z",
        "actions": [action | {"done_at": None, "kind": "prevent"}],
    }
    writer.write(a_batch(version=3, subject="postmortem", view=view))
    assert reader.postmortem("checkout-1") == view | {"version": 3}
    assert reader.stored_version("checkout-1/postmortem") == 3
    assert reader.incident("checkout-1") is None

"""How much each person was paged, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.recording import RecordBatch
from domain.timeline import Entry

LOAD = "/api/v1/oncall/load"


def a_page(incident, person, at, key="", **fields):
    """A batch with the fact that a page left."""
    delivery = {
        "key": key or f"{incident}/p1/r1/s1/{person}/sms-0", "recipient": f"person:{person}",
        "channel": "sms", "state": "sent", "at": at.isoformat(), **fields,
    }  # fmt: skip
    data = {"person": person, "purpose": "page", "deliveries": [delivery]}
    fact = Entry(seq=1, at=at, fact="page_sent", actor="tocsin", text="t", data=data)
    return RecordBatch(subject="incident", id=incident, version=1, entries=[fact])


def test_load_is_counted_from_the_ledger(api, records):
    """Three incidents in one shift are too many for alice; bob's one page, long ago, is not shown."""
    now = datetime.now(UTC)
    for number in range(3):
        at = now - timedelta(hours=number)
        records._writer.write(a_page(f"checkout-{number}", "alice", at))
    records._writer.write(a_page("search-1", "bob", now - timedelta(days=40)))
    records._writer.write(a_page("search-2", "carol", now - timedelta(days=2)))
    body = api.get(LOAD).json()
    assert body["limit"] == 2
    alice, carol = body["people"]
    assert (alice["person"], alice["name"], alice["pages"]) == ("alice", "Alice Ng", 3)
    assert (alice["incidents"], alice["per_shift"], alice["is_over"]) == (3, 3, True)
    assert (carol["person"], carol["is_over"]) == ("carol", False)
    assert [one["person"] for one in api.get(f"{LOAD}?days=1").json()["people"]] == ["alice"]
    assert [one["person"] for one in api.get(f"{LOAD}?days=60").json()["people"]] == [
        "alice", "bob", "carol",
    ]  # fmt: skip


def test_nobody_was_paged(api):
    """A quiet month is an empty list, not an error."""
    assert api.get(LOAD).json()["people"] == []


def test_a_wrong_span_is_refused(api):
    """Days that are none, and parameters that there are not."""
    for query in ("days=0", "days=x", "days=367", "weeks=1"):
        assert api.get(f"{LOAD}?{query}").status_code == 422, query


def test_load_needs_a_token(stranger):
    """Who was woken when is nobody's business outside."""
    assert stranger.get(LOAD).status_code == 401


def test_records_that_are_away(api, records, tmp_path):
    """A clear 503; paging goes on without it."""
    (tmp_path / "records.db").write_bytes(b"this is no database" * 100)
    answer = api.get(LOAD)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"

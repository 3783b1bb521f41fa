"""Which incident a chat room belongs to, as the records know it."""

from __future__ import annotations

from sqlalchemy import Engine

from records.rooms import incident_in_room
from records.writes import RecordsWriter
from tests.records.conftest import a_view


def stored(writer: RecordsWriter, incident: str, ref: str | None, **changes: object) -> None:
    places = {"communications": {"room": incident, "room_ref": ref}}
    writer.store_incident_view(a_view(incident, **places, **changes), 1)


def test_a_room_names_its_incident(engine: Engine, writer: RecordsWriter) -> None:
    """Open or resolved; one that is over gives no room away, and one without a room has none."""
    stored(writer, "checkout-1", "C0ONE", status="fixing")
    stored(writer, "checkout-2", "C0TWO", status="resolved")
    stored(writer, "checkout-3", "C0THREE", status="closed")
    stored(writer, "checkout-4", None, status="fixing")
    writer.store_incident_view(a_view("checkout-5"), 1)  # as the first version wrote it
    assert incident_in_room(engine, "C0ONE") == "checkout-1"
    assert incident_in_room(engine, "C0TWO") == "checkout-2"
    for ref in ("C0THREE", "C0OTHER", "", "None", "null", "%", "C0ONE' OR '1'='1"):
        assert incident_in_room(engine, ref) is None


def test_the_newest_incident_has_the_room(engine: Engine, writer: RecordsWriter) -> None:
    """Should two ever name the same one."""
    stored(writer, "checkout-1", "C0ONE", raised_at="2026-11-23T10:00:00Z")
    stored(writer, "checkout-2", "C0ONE", raised_at="2026-11-24T10:00:00Z")
    assert incident_in_room(engine, "C0ONE") == "checkout-2"

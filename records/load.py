"""Who was paged for what, read from the ledger of messages: for load, for rank, for answers to a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from domain.load import SHIFT, RecentLoad, SentPage
from domain.messages import DeliveryState, Purpose
from domain.priority import OpenIncident
from domain.timeline import Entry
from records.tables import UtcDateTime, incidents, messages, timeline

OPEN = ("raised", "fixing")
LEFT = (DeliveryState.SENT.value, DeliveryState.DELIVERED.value)
COUNTED = 50
"""Incidents of one person that are told apart; more is too much in any case."""
LOAD_LIMIT = 100_000
"""Pages that one report counts."""
_PERSON = "person:"


def recent_loads(connection: Connection, entries: Iterable[Entry]) -> list[RecentLoad]:
    """The last twelve hours of everybody to whom a page left by one of these facts."""
    last: dict[str, datetime] = {}
    for entry in entries:
        person = entry.data.get("person")
        if entry.fact == "page_sent" and isinstance(person, str):
            last[person] = max(entry.at, last.get(person, entry.at))
    if not last:
        return []
    since = min(last.values()) - SHIFT
    told = {
        str(data.get("person")): at
        for at, data in connection.execute(
            select(timeline.c.at, timeline.c.data)
            .where(timeline.c.fact == "overloaded", timeline.c.at > since)
            .order_by(timeline.c.at)
        )
    }
    found = []
    for person, at in last.items():
        first = func.min(messages.c.at, type_=UtcDateTime).label("first")
        rows = connection.execute(
            select(messages.c.incident_id, first)
            .where(_pages_to(person), messages.c.at > at - SHIFT)
            .group_by(messages.c.incident_id)
            .order_by(first, messages.c.incident_id)
            .limit(COUNTED)
        )
        incidents_at = {row.incident_id: row.first for row in rows}
        found.append(RecentLoad(person=person, incidents=incidents_at, told_at=told.get(person)))
    return found


def pages_sent(connection: Connection, since: datetime, until: datetime) -> list[SentPage]:
    """Every page that left for a person in a span of time, oldest first; the newest 100,000."""
    query = (
        select(messages.c.recipient, messages.c.incident_id, messages.c.at, messages.c.bundle)
        .where(
            messages.c.recipient.startswith(_PERSON, autoescape=True),
            _is_page(),
            messages.c.at >= since,
            messages.c.at < until,
        )
        .order_by(messages.c.at.desc(), messages.c.key)
        .limit(LOAD_LIMIT)
    )
    rows = connection.execute(query).all()
    return [
        SentPage(
            person=row.recipient.removeprefix(_PERSON),
            incident=row.incident_id,
            at=row.at,
            bundle=row.bundle,
        )
        for row in reversed(rows)
    ]


def incidents_of(connection: Connection, person: str) -> list[OpenIncident]:
    """The open incidents that a person was paged for or manages."""
    paged = select(messages.c.incident_id).where(_pages_to(person))
    names = ("id", "priority", "severity", "raised_at", "summary")
    query = select(*(incidents.c[name] for name in names)).where(
        incidents.c.status.in_(OPEN),
        or_(incidents.c.incident_manager == person, incidents.c.id.in_(paged)),
    )
    return [OpenIncident.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def elsewhere(connection: Connection, incident_id: str, view: Mapping[str, Any]) -> dict[str, int]:
    """How many other open incidents each responder of a view manages or was paged for."""
    responders = view.get("responders")
    people = [one.get("person") for one in responders] if isinstance(responders, list) else []
    found = {}
    for person in people[:COUNTED]:
        paged = select(messages.c.incident_id).where(_pages_to(person))
        query = select(func.count()).where(
            incidents.c.status.in_(OPEN),
            incidents.c.id != incident_id,
            or_(incidents.c.incident_manager == person, incidents.c.id.in_(paged)),
        )
        found[person] = connection.execute(query).scalar_one()
    return found


def last_page(connection: Connection, person: str, incident: str) -> datetime | None:
    """When the last page of an incident left for a person; None where none has."""
    last = func.max(messages.c.at, type_=UtcDateTime)
    query = select(last).where(_pages_to(person), messages.c.incident_id == incident)
    found: datetime | None = connection.execute(query).scalar_one()
    return found


def incidents_of_bundle(connection: Connection, bundle: str) -> list[str]:
    """Ids of the incidents that one message held pages of; those that are over too."""
    query = (
        select(messages.c.incident_id, func.min(messages.c.at))
        .where(messages.c.bundle == bundle)
        .group_by(messages.c.incident_id)
        .order_by(messages.c.incident_id)
    )
    return [row.incident_id for row in connection.execute(query)]


def bundled_with(connection: Connection, key: str) -> list[tuple[str, str]]:
    """Incident and key of the other pages of the message that held the page `key`."""
    bundle = select(messages.c.bundle).where(messages.c.key == key).scalar_subquery()
    query = (
        select(messages.c.incident_id, messages.c.key)
        .where(messages.c.bundle == bundle, messages.c.key != key)
        .order_by(messages.c.key)
    )
    return [(row.incident_id, row.key) for row in connection.execute(query)]


def _pages_to(person: str) -> ColumnElement[bool]:
    return (messages.c.recipient == f"{_PERSON}{person}") & _is_page()


def _is_page() -> ColumnElement[bool]:
    return (messages.c.purpose == Purpose.PAGE.value) & messages.c.state.in_(LEFT)

"""Reading the records: lists, old facts, the rank of open incidents, what Temporal no longer has.

Views come back as the API shows them, with their `version` and with a `rank` as of now.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter
from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, func, or_, select

from domain.load import SentPage
from domain.priority import OpenIncident, rank_key
from domain.recording import postmortem_timeline_id
from domain.timeline import Entry
from records import load
from records.database import database_errors
from records.tables import Words, incidents, messages, postmortems, results, timeline

OPEN = ("raised", "fixing")
STATUSES = ("open", "resolved", "closed", "cancelled", "all")
INCIDENTS_LIMIT = 200
TIMELINE_LIMIT = 1000
PAGES_LIMIT = 500
_LARGEST_INTEGER = 2**63 - 1
_CURSOR = TypeAdapter(tuple[AwareDatetime, str])

View = dict[str, Any]


class RecordsReader:
    """Reads the records. Blocking: call it from a thread.

    Every method raises `RecordsUnavailableError` when the database does not answer.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """For other readers of the same records."""
        return self._engine

    def incident(self, incident_id: str) -> View | None:
        """The incident as last recorded."""
        query = select(incidents.c.view, incidents.c.version).where(incidents.c.id == incident_id)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            return _ranked([_view(row)], _open_incidents(connection))[0]

    def incidents(
        self,
        status: str = "open",
        service: str | None = None,
        severity: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        prefix: str | None = None,
    ) -> tuple[list[View], str | None]:
        """One page of incidents, the newest first, and the cursor of the next page.

        Args:
            status: one of `STATUSES`; open is raised or fixing.
            limit: at most `INCIDENTS_LIMIT`; a larger one is lowered.
            cursor: from the page before.
            prefix: how the id begins.

        Raises:
            ValueError: a status or a cursor that does not exist.
        """
        conditions = [
            *_has_status(status),
            *([incidents.c.service == service] if service is not None else []),
            *([incidents.c.severity == severity] if severity is not None else []),
            *([_begins(prefix)] if prefix else []),
            *([_after(cursor)] if cursor is not None else []),
        ]
        limit = max(1, min(limit, INCIDENTS_LIMIT))
        query = (
            select(incidents.c.view, incidents.c.version, incidents.c.raised_at, incidents.c.id)
            .where(*conditions)
            .order_by(incidents.c.raised_at.desc(), incidents.c.id.desc())
            .limit(limit + 1)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
            page = _ranked([_view(row) for row in rows[:limit]], _open_incidents(connection))
        more = rows[limit - 1] if len(rows) > limit else None
        return page, _cursor(more.raised_at, more.id) if more else None

    def timeline(self, timeline_id: str, after_seq: int = 0, limit: int = 1000) -> list[Entry]:
        """Facts in order, from the one after `after_seq`.

        Args:
            timeline_id: the incident's id, or `<id>/postmortem`.
            limit: at most `TIMELINE_LIMIT`; a larger one is lowered.
        """
        query = (
            select(timeline)
            .where(
                timeline.c.incident_id == timeline_id,
                timeline.c.seq > max(0, min(after_seq, _LARGEST_INTEGER)),
            )
            .order_by(timeline.c.seq)
            .limit(max(1, min(limit, TIMELINE_LIMIT)))
        )
        with self._reading() as connection:
            return [Entry.model_validate(dict(row)) for row in connection.execute(query).mappings()]

    def open_incidents(self) -> list[OpenIncident]:
        """Every open incident, first in rank first."""
        with self._reading() as connection:
            return _open_incidents(connection)

    def open_for_services(self, services: Collection[str]) -> list[dict[str, Any]]:
        """The open incidents of some services, oldest first: what may be behind a new one."""
        names = ("id", "service", "summary", "severity", "priority", "raised_at")
        query = (
            select(*(incidents.c[name] for name in names))
            .where(incidents.c.status.in_(OPEN), incidents.c.service.in_(services))
            .order_by(incidents.c.raised_at, incidents.c.id)
        )
        return self._rows(query)

    def services_with_open(self) -> list[str]:
        """The services that have an open incident."""
        query = select(incidents.c.service).where(incidents.c.status.in_(OPEN)).distinct()
        return [str(row["service"]) for row in self._rows(query)]

    def highest_number(self, service: str) -> int:
        """The number of the service's latest incident; 0 where it never had one."""
        query = select(func.max(incidents.c.number)).where(incidents.c.service == service)
        with self._reading() as connection:
            return int(connection.scalar(query) or 0)

    def postmortem(self, incident_id: str) -> View | None:
        """The postmortem of an incident as last recorded."""
        query = select(postmortems.c.view, postmortems.c.version).where(
            postmortems.c.incident_id == incident_id
        )
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return _view(row) if row else None

    def messages(self, incident_id: str) -> list[dict[str, Any]]:
        """Every message of an incident and of its postmortem with its outcome, oldest first."""
        query = (
            select(messages)
            .where(messages.c.incident_id == incident_id)
            .order_by(messages.c.at, messages.c.key)
        )
        return self._rows(query)

    def pages_to(self, person: str, since: datetime) -> list[dict[str, Any]]:
        """The pages to a person, the latest first, each with its incident: `key, channel, state, at,
        incident_id, bundle, number, status, severity, summary, incident_manager`.

        Args:
            since: incidents that are over count only when they were raised after this; open ones always.
        """
        mine = (messages.c.recipient == f"person:{person}") & (messages.c.purpose == "page")
        query = (
            select(
                *(
                    messages.c[name]
                    for name in ("key", "channel", "state", "at", "incident_id", "bundle")
                ),
                *(incidents.c[name] for name in ("number", "status", "severity", "summary")),
                incidents.c.incident_manager,
            )
            .join(incidents, incidents.c.id == messages.c.incident_id)
            .where(or_(incidents.c.status.in_(OPEN), incidents.c.raised_at >= since), mine)
            .order_by(messages.c.at.desc(), messages.c.seq.desc())
            .limit(PAGES_LIMIT)
        )
        return self._rows(query)

    def pages_sent(self, since: datetime, until: datetime) -> list[SentPage]:
        """Every page that left for a person, from `since` on and before `until`, oldest first."""
        with self._reading() as connection:
            return load.pages_sent(connection, since, until)

    def incidents_of(self, person: str) -> list[OpenIncident]:
        """The open incidents that a person was paged for or manages."""
        with self._reading() as connection:
            return load.incidents_of(connection, person)

    def last_page(self, person: str, incident: str) -> datetime | None:
        """When the last page of an incident left for a person."""
        with self._reading() as connection:
            return load.last_page(connection, person, incident)

    def incidents_of_bundle(self, bundle: str) -> list[str]:
        """Ids of the incidents that one bundled message held pages of."""
        with self._reading() as connection:
            return load.incidents_of_bundle(connection, bundle)

    def bundled_with(self, key: str) -> list[tuple[str, str]]:
        """Incident and key of the other pages that left in the same message as the page `key`."""
        with self._reading() as connection:
            return load.bundled_with(connection, key)

    def result(self, timeline_id: str, key: str) -> dict[str, Any] | None:
        """What was answered to a command, by the id that its caller chose."""
        query = select(results.c.result).where(
            results.c.incident_id == timeline_id, results.c.key == key
        )
        with self._reading() as connection:
            answer: dict[str, Any] | None = connection.scalar(query)
        return answer

    def stored_version(self, timeline_id: str) -> int | None:
        """The version of the recorded view of an incident, or of its `<id>/postmortem`."""
        incident_id = timeline_id.removesuffix(postmortem_timeline_id(""))
        query = select(incidents.c.version).where(incidents.c.id == incident_id)
        if incident_id != timeline_id:
            query = select(postmortems.c.version).where(postmortems.c.incident_id == incident_id)
        with self._reading() as connection:
            version: int | None = connection.scalar(query)
        return version

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with database_errors(), self._engine.connect() as connection:
            yield connection

    def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [{name: _wire(value) for name, value in row.items()} for row in rows]


_RANKED = ("id", "priority", "severity", "raised_at", "summary")
_OPEN_INCIDENTS = select(*(incidents.c[name] for name in _RANKED)).where(
    incidents.c.status.in_(OPEN)
)


def _open_incidents(connection: Connection) -> list[OpenIncident]:
    # Each first page waits for this, however many are open: rows as they come, nothing checked twice.
    rows = connection.execute(_OPEN_INCIDENTS).all()
    found = [
        OpenIncident.model_construct(None, **dict(zip(_RANKED, row, strict=True))) for row in rows
    ]
    return sorted(found, key=rank_key)


def _ranked(views: list[View], in_order: list[OpenIncident]) -> list[View]:
    """Give each view its rank as of now: sorted once, where `rank_among` sorts for each."""
    position = {row.id: index for index, row in enumerate(in_order, start=1)}
    for view in views:
        here = position.get(view["id"])
        view["rank"] = {"position": here, "of": len(in_order)} if here else None
    return views


def _view(row: Any) -> View:
    return dict(row.view) | {"version": row.version}


def _wire(value: Any) -> Any:
    """Times as the views write them."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _has_status(status: str) -> Iterable[ColumnElement[bool]]:
    if status not in STATUSES:
        raise ValueError(f"unknown status {status!r}; it is one of {', '.join(STATUSES)}")
    if status == "all":
        return []
    return [incidents.c.status.in_(OPEN if status == "open" else (status,))]


def _begins(prefix: str) -> ColumnElement[bool]:
    # Not LIKE: SQLite's does not see the difference between upper and lower case.
    return func.substr(incidents.c.id, 1, len(prefix), type_=Words) == prefix


def _cursor(raised_at: datetime, incident_id: str) -> str:
    text = _CURSOR.dump_json((raised_at, incident_id))
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _after(cursor: str) -> ColumnElement[bool]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        raised_at, incident_id = _CURSOR.validate_json(text)
    except ValueError:
        raise ValueError(
            "unknown cursor: pass the `next_cursor` of the page before as it is, or none"
        ) from None
    return or_(
        incidents.c.raised_at < raised_at,
        and_(incidents.c.raised_at == raised_at, incidents.c.id < incident_id),
    )

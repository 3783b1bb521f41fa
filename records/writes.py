"""Writing the records: idempotent, in any order, by any number of writers.

An older view never replaces a newer one, a fact is stored once, a message keeps its newest outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from domain.recording import (
    IncidentColumns,
    PostmortemColumns,
    RecordBatch,
    Recorded,
    deliveries_in,
    number_of,
)
from records.database import (
    RecordsUnavailableError,
    database_errors,
    is_without_tables,
    migrate,
    writing,
)
from records.load import elsewhere, recent_loads
from records.tables import actions, incidents, messages, postmortems, results, timeline

T = TypeVar("T")
Row = dict[str, Any]


class RecordsWriter:
    """Writes to the records. Blocking: call it from a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write(self, batch: RecordBatch) -> Recorded:
        """Store a batch, whole or not at all.

        Raises:
            RecordsUnavailableError: nothing was stored; write the batch again later.
            ValueError: the view lacks what an incident or a postmortem must have. Not retried.
        """
        return self._transaction(lambda connection: _write_batch(connection, batch))

    def store_incident_view(self, view: Row, version: int) -> bool:
        """Store an incident as it was just answered, so that the next read shows it.

        Returns:
            False where the records already hold this version or a newer one.

        Raises:
            RecordsUnavailableError: nothing was stored; the workflow's own batch will bring it.
        """
        return self._transaction(
            lambda connection: _store_incident(connection, str(view["id"]), view, version)
        )

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            return self._attempt(work)
        except RecordsUnavailableError as error:
            if not is_without_tables(error):
                raise
        migrate(self._engine)
        return self._attempt(work)

    def _attempt(self, work: Callable[[Connection], T]) -> T:
        with database_errors(), writing(self._engine) as connection:
            return work(connection)


def _write_batch(connection: Connection, batch: RecordBatch) -> Recorded:
    # The view first: its row makes writers of the same incident take turns, also on PostgreSQL.
    if batch.view and batch.subject == "incident":
        _store_incident(connection, batch.id, batch.view, batch.version)
    elif batch.view:
        _store_postmortem(connection, batch.id, batch.view, batch.version)
    _store_entries(connection, batch)
    _store_messages(connection, batch)
    _store_results(connection, batch)
    return Recorded(
        up_to_seq=_contiguous(connection, batch.timeline_id),
        loads=recent_loads(connection, batch.entries),
        elsewhere=elsewhere(connection, batch.id, batch.view)
        if batch.subject == "incident"
        else {},
    )


def _store_incident(connection: Connection, incident_id: str, view: Row, version: int) -> bool:
    columns = IncidentColumns.model_validate(view).model_dump()
    identity = {"id": incident_id, "number": number_of(incident_id)}
    row = identity | columns | {"version": version, "view": view}
    return bool(_upsert_newer(connection, incidents, [row], newer_by="version"))


def _store_postmortem(connection: Connection, incident_id: str, view: Row, version: int) -> None:
    columns = PostmortemColumns.model_validate(view)
    row = columns.model_dump(exclude={"actions"})
    row |= {"incident_id": incident_id, "version": version, "view": view}
    if not _upsert_newer(connection, postmortems, [row], newer_by="version"):
        return
    connection.execute(delete(actions).where(actions.c.incident_id == incident_id))
    rows = {
        action.id: action.model_dump(exclude={"id"})
        | {"incident_id": incident_id, "action_id": action.id}
        for action in columns.actions
    }
    if rows:
        connection.execute(actions.insert(), list(rows.values()))


def _store_entries(connection: Connection, batch: RecordBatch) -> None:
    rows = [entry.model_dump() | {"incident_id": batch.timeline_id} for entry in batch.entries]
    if rows:
        connection.execute(
            _insert(connection.dialect.name, timeline).on_conflict_do_nothing(), rows
        )


def _store_messages(connection: Connection, batch: RecordBatch) -> None:
    rows: dict[str, Row] = {}
    for entry in sorted(batch.entries, key=lambda entry: entry.seq):
        for delivery in deliveries_in(entry):
            rows[delivery.key] = {
                "key": delivery.key,
                "incident_id": batch.id,
                "purpose": entry.data.get("purpose"),
                "channel": delivery.channel,
                "recipient": delivery.recipient,
                "state": delivery.state.value,
                "reason": delivery.reason,
                "at": delivery.at or entry.at,
                "seq": entry.seq,
                "bundle": delivery.bundle,
            }
    _upsert_newer(connection, messages, rows.values(), newer_by="seq")


def _store_results(connection: Connection, batch: RecordBatch) -> None:
    identity = {"incident_id": batch.timeline_id, "seq": batch.version}
    rows = [identity | {"key": key, "result": result} for key, result in batch.results.items()]
    _upsert_newer(connection, results, rows, newer_by="seq")


def _upsert_newer(connection: Connection, table: Table, rows: Iterable[Row], newer_by: str) -> int:
    """Insert rows, or update those whose stored `newer_by` is lower; tell how many were written."""
    statement = _upsert(connection.dialect.name, table, newer_by)
    return sum(len(connection.execute(statement, row).all()) for row in rows)


@cache
def _upsert(dialect: str, table: Table, newer_by: str) -> Executable:
    """Made once: to put it together costs more than to execute it."""
    insert = _insert(dialect, table)
    keys = list(table.primary_key.columns)
    return insert.on_conflict_do_update(
        index_elements=keys,
        set_={
            # Whoever tells later what became of a message does not say which message it was in.
            c.name: func.coalesce(insert.excluded[c.name], c)
            if c is messages.c.bundle
            else insert.excluded[c.name]
            for c in table.columns
            if not c.primary_key
        },
        where=insert.excluded[newer_by] > table.c[newer_by],
    ).returning(keys[0])


@cache
def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _contiguous(connection: Connection, timeline_id: str) -> int:
    """The last fact before the first gap."""
    mine = (timeline.c.incident_id == timeline_id) & (timeline.c.seq >= 1)
    count, last = connection.execute(
        select(func.count(), func.coalesce(func.max(timeline.c.seq), 0)).where(mine)
    ).one()
    if count == last:
        return int(last)
    following = timeline.alias()
    ends = select(func.min(timeline.c.seq)).where(
        mine,
        ~select(following.c.seq)
        .where(following.c.incident_id == timeline_id, following.c.seq == timeline.c.seq + 1)
        .exists(),
    )
    starts = select(timeline.c.seq).where(mine, timeline.c.seq == 1).exists()
    return int(connection.scalar(ends.where(starts)) or 0)

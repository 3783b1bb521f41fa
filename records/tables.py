"""The tables of the records, and three column types that behave the same on SQLite and PostgreSQL.

Writing stands in `writes.py`, reading in `reads.py`, how tables change in `migrations/`.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

# PostgreSQL stores no NUL in a text, and neither database half a surrogate pair. One such character
# in a note must not keep an incident out of the records for ever.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def storable(value: Any) -> Any:
    """Replace what no database takes: in texts by U+FFFD, numbers that are not finite by null."""
    match value:
        case str():
            return _UNSTORABLE.sub(_REPLACEMENT, value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {storable(key): storable(item) for key, item in value.items()}
        case list():
            return [storable(item) for item in value]
        case _:
            return value


class Words(TypeDecorator[str]):
    """Text that can always be stored and looked up, whatever somebody sent."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(storable(value))


class Document(TypeDecorator[Any]):
    """JSON, kept as it is written: the keys of a view come back in the order of the API.

    Not JSONB: it sorts the keys, and nothing is searched inside a document.
    """

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return storable(to_jsonable_python(value))


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no zones: the time goes in as UTC and comes back aware."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the records take aware times only, not {value.isoformat()}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Words, primary_key=True),
    Column("service", Words, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("status", Words, nullable=False),
    Column("severity", Words, nullable=False),
    Column("priority", Words, nullable=False),
    Column("type", Words, nullable=False),
    Column("major", Boolean, nullable=False),
    Column("incident_manager", Words),
    Column("summary", Words, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("version", BigInteger, nullable=False),
    Column("view", Document, nullable=False),
    Index(None, "raised_at", "id"),
    Index(None, "status", "raised_at"),
    Index(None, "service", "raised_at"),
    Index(None, "service", "number"),
)

timeline = Table(
    "timeline",
    metadata,
    # No foreign key: the facts of a postmortem stand here under an id of their own.
    Column("incident_id", Words, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("fact", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("data", Document, nullable=False),
)
_IS_OVERLOAD = text("fact = 'overloaded'")
Index(
    "ix_timeline_overloaded_at",
    timeline.c.at,
    sqlite_where=_IS_OVERLOAD,
    postgresql_where=_IS_OVERLOAD,
)

messages = Table(
    "messages",
    metadata,
    Column("key", Words, primary_key=True),
    Column("incident_id", Words, nullable=False),
    Column("purpose", Words),
    Column("channel", Words, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words),
    Column("at", UtcDateTime, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("bundle", Words),
    Index(None, "incident_id", "at"),
    Index(None, "recipient", "at"),
)

postmortems = Table(
    "postmortems",
    metadata,
    # No foreign key: a postmortem may reach the records before the last state of its incident does.
    Column("incident_id", Words, primary_key=True),
    Column("status", Words, nullable=False),
    Column("owner", Words),
    Column("due_at", UtcDateTime),
    Column("version", BigInteger, nullable=False),
    Column("view", Document, nullable=False),
    Index(None, "status", "due_at"),
)

actions = Table(
    "actions",
    metadata,
    Column(
        "incident_id",
        Words,
        ForeignKey("postmortems.incident_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("action_id", Words, primary_key=True),
    Column("text", Words, nullable=False),
    Column("owner", Words),
    Column("due_at", UtcDateTime),
    Column("done_at", UtcDateTime),
    Column("kind", Words),
    Index(None, "done_at", "due_at"),
)

results = Table(
    "results",
    metadata,
    Column("incident_id", Words, primary_key=True),
    Column("key", Words, primary_key=True),
    Column("result", Document, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("components", Document),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),
    Column("invites", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Index(None, "kind", "address", unique=True),
    Index(None, "state", "created_at"),
)

subscriber_messages = Table(
    "subscriber_messages",
    metadata,
    # No foreign key: that somebody was told stays known when they have left.
    Column("update_key", Words, primary_key=True),
    Column("subscriber_id", Words, primary_key=True),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "update_key", "state"),
    Index(None, "at"),
)

"""The connection to the records: SQLite in a file, or PostgreSQL by URL; both behave the same.

Every error of a database leaves this package as `RecordsUnavailableError`: the records are a
projection, and whoever asks them must be able to go on without. Tables stand in `tables.py`.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

POSTGRESQL = "postgresql+psycopg"
_POSTGRESQL_NAMES = {"postgres", "postgresql", POSTGRESQL}
_POOL_SIZE = 5
_MIGRATION_LOCK = 0x746F6373  # "tocs": any number, as long as every Tocsin uses the same
_UNDEFINED_TABLE = "42P01"  # PostgreSQL's SQLSTATE


class RecordsUnavailableError(Exception):
    """The records cannot be read or written now; the cause is chained. Writers retry."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn whatever a database, its driver or its pool raises into `RecordsUnavailableError`.

    Raises:
        RecordsUnavailableError: as said.
        ValueError: a value that cannot be stored, such as a time without a zone. Not retried.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise _in_our_words(error) from error


def open_database(url: str, *, limit_seconds: float = 5.0) -> Engine:
    """Prepare the database without connecting to it: one that is away is noticed by its users.

    Args:
        url: `sqlite:///path`, or `postgresql://…`.
        limit_seconds: how long to wait for a lock, a free connection or a statement; also for
            PostgreSQL to accept a connection, but there in whole seconds and at least two.

    Raises:
        ValueError: the URL is none of the two.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Without the cause: it quotes the URL, and the URL may hold a password.
        raise ValueError(_wanted("this is no database URL")) from None
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, limit_seconds)
    if parsed.drivername in _POSTGRESQL_NAMES:
        return _open_postgresql(parsed.set(drivername=POSTGRESQL), limit_seconds)
    raise ValueError(_wanted(f"{parsed.drivername!r} is not supported"))


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest form. Safe when several processes and threads start together.

    Raises:
        RecordsUnavailableError: the database does not answer, or a newer Tocsin has written it.
    """
    config = Config()
    config.set_main_option("script_location", "records:migrations")
    config.set_main_option("path_separator", "os")
    try:
        with database_errors():
            if engine.dialect.name == "sqlite":
                Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
            with writing(engine) as connection:
                _wait_for_turn(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            if engine.dialect.name == "sqlite":
                _use_write_ahead_log(engine)
    except CommandError as error:
        raise RecordsUnavailableError(f"the records cannot be migrated: {error}") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that takes SQLite's write lock at once, so that waiting for it obeys the limit.

    A transaction that first reads and then writes is refused without waiting when another one wrote
    in between.
    """
    with engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        yield connection


def is_without_tables(error: RecordsUnavailableError) -> bool:
    """Whether the database answers but was never migrated: it came up late, or was replaced."""
    cause = error.__cause__
    if not isinstance(cause, DBAPIError):
        return False
    return (
        str(cause.orig).startswith("no such table")
        if isinstance(cause.orig, sqlite3.Error)
        else getattr(cause.orig, "sqlstate", None) == _UNDEFINED_TABLE
    )


def _in_our_words(error: Exception) -> Exception:
    cause = error.orig if isinstance(error, StatementError) and error.orig else error
    if isinstance(cause, ValueError):
        return ValueError(str(cause))
    reason = " ".join(str(cause).split()) or type(cause).__name__
    return RecordsUnavailableError(f"the records are not available: {reason}")


def _wanted(problem: str) -> str:
    return f"{problem}; the records take sqlite:///path/to/file or postgresql://user@host/name"


def _open_sqlite(url: URL, limit_seconds: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ValueError(_wanted("a database in memory would forget the incidents"))
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        poolclass=QueuePool,
        pool_size=_POOL_SIZE,
        pool_timeout=limit_seconds,
        connect_args={"timeout": limit_seconds, "isolation_level": None},
    )
    path = Path(url.database)

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        # The workflow forgets facts that are recorded: they must survive a power cut, which WAL
        # with synchronous=NORMAL does not promise.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()
        entry.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def still_the_file(
        connection: DBAPIConnection, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection
    ) -> None:
        # SQLite goes on writing to a file that was deleted or replaced, and all of it is lost.
        if entry.info.get("file") != _identity(path):
            raise DisconnectionError("the database file was replaced")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_postgresql(url: URL, limit_seconds: float) -> Engine:
    milliseconds = math.ceil(limit_seconds * 1000)
    defaults: dict[str, Any] = {
        "connect_timeout": max(2, math.ceil(limit_seconds)),
        "tcp_user_timeout": milliseconds,
        "application_name": "tocsin",
    }
    engine = create_engine(
        url,
        pool_size=_POOL_SIZE,
        pool_timeout=limit_seconds,
        pool_pre_ping=True,
        connect_args={key: value for key, value in defaults.items() if key not in url.query},
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Per transaction: a start-up option or a session setting does not survive a pooler such as
        # PgBouncer. Waiting for locks counts as part of the statement.
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")

    return engine


def _wait_for_turn(connection: Connection) -> None:
    """Let one process migrate at a time. On SQLite the write lock of the transaction does it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")


def _use_write_ahead_log(engine: Engine) -> None:
    """Let reads go on beside a write. The mode stays with the file, so it is set here, once."""
    # Refused while another process is using the file: that one sets it, or the next start does.
    with (
        closing(engine.raw_connection()) as connection,
        closing(connection.cursor()) as cursor,
        suppress(sqlite3.OperationalError),
    ):
        cursor.execute("PRAGMA journal_mode=WAL")

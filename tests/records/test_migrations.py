"""The tables on disk are the tables in the code, however they came to be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from records.database import RecordsUnavailableError, migrate, open_database
from records.tables import metadata

MIGRATE = """
import sys
from records.database import migrate, open_database
print("ready", flush=True)
sys.stdin.readline()
engine = open_database(sys.argv[1], limit_seconds=60)
migrate(engine)
engine.dispose()
"""


def test_models_and_migrations_agree(empty_url: str, opened: Callable[..., Engine]) -> None:
    """A column added to the tables without a migration is found here, not in production."""
    engine = opened(empty_url)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        names = {
            table: {index["name"] for index in inspect(connection).get_indexes(table)}
            for table in metadata.tables
        }
    assert names == {t.name: {i.name for i in t.indexes} for t in metadata.sorted_tables}


def test_processes_that_start_together_migrate_once(
    empty_url: str, opened: Callable[..., Engine]
) -> None:
    """Worker and API of a first start do not get in each other's way."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-c", MIGRATE, empty_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    started = [subprocess.Popen(command, cwd=root, text=True, **pipes) for _ in range(3)]
    try:
        said = [process.stdout.readline() for process in started if process.stdout]
        assert said == ["ready\n"] * 3
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=120)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert [process.returncode for process in started] == [0, 0, 0], outputs
    with opened(empty_url).connect() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_threads_migrate_one_after_another(empty_url: str, opened: Callable[..., Engine]) -> None:
    """Writers that all find an empty database at once make its tables once."""
    engine = opened(empty_url)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [engine] * 4))
    with engine.connect() as connection:
        assert inspect(connection).has_table("incidents")


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    """Every start migrates; on an up-to-date database that is nothing."""
    migrate(engine)
    migrate(engine)


def test_records_of_a_newer_release_are_left_alone(engine: Engine) -> None:
    """A release that is rolled back says that it cannot read these records, and changes nothing."""
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RecordsUnavailableError, match="9999"):
        migrate(engine)


def test_a_failed_migration_leaves_nothing_behind(
    empty_url: str, opened: Callable[..., Engine]
) -> None:
    """Half a migration is taken back as a whole, so that the next start can try again."""
    engine = opened(empty_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE results (x INTEGER)")
    with pytest.raises(RecordsUnavailableError, match="results"):
        migrate(engine)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["results"]


def test_sqlite_is_kept_for_readers_beside_a_writer(
    tmp_path: Path, opened: Callable[..., Engine]
) -> None:
    """The file is in WAL mode, foreign keys hold, writes are flushed, its folder is made."""
    engine = opened(f"sqlite:///{tmp_path / 'new' / 'folder' / 'records.sqlite'}")
    migrate(engine)
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "busy_timeout": 5000,
    }


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_reached_through_psycopg_3(name: str, opened: Callable[..., Engine]) -> None:
    """The usual spellings of a PostgreSQL URL all work."""
    assert opened(f"{name}://tocsin@db/tocsin").dialect.driver == "psycopg"


@pytest.mark.parametrize("url", ["nonsense", "mysql://me:secret@db/x", "sqlite://", "://secret@"])
def test_another_database_is_refused(url: str) -> None:
    """The refusal says what is wanted and repeats no password."""
    with pytest.raises(ValueError, match="sqlite:///path") as raised:
        open_database(url)
    assert "secret" not in str(raised.value)

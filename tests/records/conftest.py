"""A database of its own for each test, on SQLite and on PostgreSQL.

The PostgreSQL cluster is ours: started once, in a temporary folder, reachable only through the socket
in it, so that no port is taken.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url

from domain.recording import RecordBatch
from domain.timeline import Entry
from records.database import migrate, open_database
from records.reads import RecordsReader
from records.writes import RecordsWriter

RAISED_AT = "2026-11-23T10:00:00.123456Z"
GIB = 2**30
_numbers = itertools.count(1)

# Not on everybody's PATH: Debian keeps it with the system's own programs.
RUNUSER = shutil.which(
    "runuser", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
)


def a_view(incident_id: str = "checkout-1", **changes: Any) -> dict[str, Any]:
    """An incident's view; valid by default."""
    view = {
        "id": incident_id,
        "service": incident_id.rpartition("-")[0],
        "summary": "Cards are refused",
        "severity": "SEV1",
        "priority": "P1",
        "type": "default",
        "major": True,
        "status": "raised",
        "rank": None,
        "raised_at": RAISED_AT,
        "resolved_at": None,
        "incident_manager": None,
    }
    return view | changes


def an_entry(seq: int, **changes: Any) -> Entry:
    """A fact; valid by default."""
    fact = {"seq": seq, "at": RAISED_AT, "fact": "noted", "actor": "alice", "text": f"note {seq}"}
    return Entry.model_validate(fact | changes)


def a_batch(*entries: Entry, version: int = 1, **changes: Any) -> RecordBatch:
    """A write of `checkout-1`; valid by default."""
    batch = {"subject": "incident", "id": "checkout-1", "version": version, "entries": entries}
    view = a_view(changes.get("id", "checkout-1"))
    return RecordBatch.model_validate(batch | {"view": view} | changes)


def a_delivery(key: str, state: str = "sent", **changes: Any) -> dict[str, Any]:
    """A message's outcome as it stands in a fact."""
    return {"key": key, "recipient": "person:alice", "channel": "sms", "state": state} | changes


class PostgreSQL:
    """A cluster in a folder, run as `postgres` where the tests run as root."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        administration = make_url(self.url("postgres")).set(drivername="postgresql+psycopg")
        self._engine = create_engine(administration, isolation_level="AUTOCOMMIT")
        self._guard: subprocess.Popen[bytes] | None = None
        self._as_postgres = (
            [RUNUSER or "runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        )

    def start(self) -> None:
        """Create the cluster and wait until it answers."""
        if self._as_postgres:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run(
            "initdb", "--auth=trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N"
        )
        self._guard = self._watch()
        # Another zone than UTC: what the server's zone is must not be seen in what is read.
        settings = f"-F -c listen_addresses='' -c timezone=Asia/Kolkata -k {self._folder}"
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "-w", "-t", "90", "-l", log, "-o", settings, "start")

    def stop(self) -> None:
        """End it, with every process it has."""
        self._engine.dispose()
        if self._guard is not None:
            self._guard.communicate(timeout=120)

    def _watch(self) -> subprocess.Popen[bytes]:
        """Stop the cluster as soon as our end of a pipe is closed: also when the tests are killed."""
        stop = f"{self._programs / 'pg_ctl'} -D {self._folder / 'data'} -w -m immediate stop"
        return subprocess.Popen(
            [*self._as_postgres, "sh", "-c", f"read closed; {stop}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,
        )

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def create(self, database: str, template: str = "template1") -> str:
        """Create a database and answer its URL."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {database} TEMPLATE {template}")
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        # To a file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [
                    *self._as_postgres,
                    self._programs / program,
                    "-D",
                    self._folder / "data",
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                timeout=120,
                check=False,
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode(errors="replace")


def _programs() -> Path | None:
    found = [Path(p).parent for p in [shutil.which("pg_ctl")] if p]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in found if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running cluster with a migrated database `tocsin_template`."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are neither on PATH nor in /usr/lib/postgresql")
    if os.geteuid() == 0 and RUNUSER is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    with a_folder("tocsin-pg-") as folder:
        cluster = PostgreSQL(programs, folder)
        try:
            cluster.start()
            engine = open_database(cluster.create("tocsin_template"))
            migrate(engine)
            engine.dispose()
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def a_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder, in memory where there is room: these tests wait for the disk only.

    Not pytest's own: the path of a socket may have 107 bytes, and `postgres` must be let in.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > GIB
    where = memory if roomy else None
    with tempfile.TemporaryDirectory(prefix=prefix, dir=where, ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for one test's SQLite file."""
    with a_folder("tocsin-sqlite-") as path:
        yield path


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy."""
    path = tmp_path_factory.mktemp("records") / "migrated.sqlite"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, folder: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'records.sqlite'}"
    cluster: PostgreSQL = request.getfixturevalue("postgresql")
    return cluster.create(f"empty_{next(_numbers)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, folder: Path) -> str:
    """A database with tables and nothing in them."""
    if request.param == "sqlite":
        path = folder / "records.sqlite"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        return f"sqlite:///{path}"
    cluster: PostgreSQL = request.getfixturevalue("postgresql")
    return cluster.create(f"records_{next(_numbers)}", template="tocsin_template")


@pytest.fixture
def opened() -> Iterator[Callable[..., Engine]]:
    """`open_database` for tests: what was opened is closed at the end."""
    engines: list[Engine] = []

    def open_one(url: str, **options: Any) -> Engine:
        engines.append(open_database(url, **options))
        return engines[-1]

    yield open_one
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(url: str, opened: Callable[..., Engine]) -> Engine:
    """With a long limit: what a test does at once waits for each other on a machine that stands still."""
    return opened(url, limit_seconds=30)


@pytest.fixture
def writer(engine: Engine) -> RecordsWriter:
    return RecordsWriter(engine)


@pytest.fixture
def reader(engine: Engine) -> RecordsReader:
    return RecordsReader(engine)

"""The API on real records and a real policy, with Temporal in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from records.database import migrate, open_database
from records.policy_file import LoadedPolicy, read_policy
from records.policy_store import PolicyStore
from records.reads import RecordsReader
from records.writes import RecordsWriter
from starter.api.app import create_app
from starter.gateway import Gateway
from starter.records_access import RecordsAccess
from starter.settings import load_settings
from tests.patience import STARTER, TEMPLATES, patient
from tests.starter.fake_roster import FakeRoster
from tests.starter.fakes import FakeTemporal

ROOT = Path(__file__).parents[2]
TOKEN = "tocsin_for-tests"
KEY = "key-of-prometheus"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """structlog's own default renders every local variable of a traceback, for seconds."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """What the machine does late is not taken for what hangs."""
    with patient(STARTER, TEMPLATES):
        yield


@pytest.fixture(scope="session")
def example() -> LoadedPolicy:
    return read_policy(ROOT / "policy" / "example.yaml")


@pytest.fixture(scope="session")
def empty_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has its tables: copied, since making them takes a while."""
    file = tmp_path_factory.mktemp("records") / "records.db"
    engine = open_database(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    return file


@pytest.fixture
def policies(tmp_path: Path, example: LoadedPolicy) -> PolicyStore:
    """The example policy, in force."""
    store = PolicyStore(tmp_path)
    store.adopt(example)
    return store


@pytest.fixture
def temporal(policies: PolicyStore) -> FakeTemporal:
    fake = FakeTemporal(policies.current()[1])
    fake.roster = FakeRoster(policies)
    return fake


@pytest.fixture
def records(tmp_path: Path, empty_records: Path) -> Iterator[RecordsAccess]:
    shutil.copy(empty_records, tmp_path / "records.db")
    engine = open_database(f"sqlite:///{tmp_path / 'records.db'}", limit_seconds=30.0)
    access = RecordsAccess(RecordsReader(engine), RecordsWriter(engine))
    yield access
    access.close()
    engine.dispose()


@pytest.fixture
def gateway(temporal: FakeTemporal, records: RecordsAccess, policies: PolicyStore) -> Gateway:
    return Gateway(temporal, records, policies)  # type: ignore[arg-type]


@pytest.fixture
def app(gateway: Gateway, tmp_path: Path) -> Any:
    settings = load_settings(
        {
            "TOCSIN_DATA_DIR": str(tmp_path),
            "TOCSIN_API_TOKEN": TOKEN,
            "TOCSIN_POLICY": str(ROOT / "policy" / "example.yaml"),
        }
    )
    return create_app(settings, gateway, {"AM_KEY": KEY})


@pytest.fixture
def api(app: Any) -> Iterator[TestClient]:
    """A client that holds the token."""
    with TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


@pytest.fixture
def declared(api: TestClient) -> dict[str, Any]:
    """An open incident."""
    body = {"service": "checkout", "severity": "SEV1", "summary": "Cards are refused"}
    answer = api.post("/api/v1/incidents", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture
def stranger(app: Any) -> Iterator[TestClient]:
    """A client without a token."""
    with TestClient(app) as client:
        yield client

"""A journal on a real disk with desks in memory, and processes that come after each other on one folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from records.policy_store import PolicyStore
from starter.reception.durable import Durable
from starter.reception.journal_files import JournalFiles
from tests.fakes.desks import Desks

MEGABYTE = 1024 * 1024


@pytest.fixture
def said() -> Any:
    """What was logged."""
    with structlog.testing.capture_logs() as logs:
        yield logs


@pytest.fixture
async def desks() -> Desks:
    return Desks()


class Processes:
    """API processes on one data folder."""

    def __init__(self, folder: Path, policies: PolicyStore, desks: Desks) -> None:
        self.folder, self.policies, self.desks = folder, policies, desks
        self.alive: list[Durable] = []
        self.pages: list[dict[str, Any]] = []
        self.page_error: Exception | None = None
        self.said = {"checkout": ["ann was paged directly"]}

    async def page(self, request: dict[str, Any]) -> dict[str, Any]:
        self.pages.append(request)
        if self.page_error is not None:
            raise self.page_error
        return {"said": self.said}

    async def begin(self, limit: int = 16 * MEGABYTE, **options: Any) -> Durable:
        files = JournalFiles(self.folder, limit)
        options = {"fallback_after": 3600.0, "page": self.page, **options}
        durable = Durable(self.desks.report, self.policies, files, **options)
        await durable.start()
        self.alive.append(durable)
        return durable

    async def kill(self, durable: Durable) -> None:
        """As the kernel would: nothing more is done, and its locks are gone."""
        self.alive.remove(durable)
        await durable.close()

    def segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.journal"))


@pytest.fixture
async def processes(
    tmp_path: Path, policies: PolicyStore, desks: Desks, said: Any
) -> AsyncIterator[Processes]:
    found = Processes(tmp_path / "journal", policies, desks)
    yield found
    for durable in found.alive:
        await durable.close()

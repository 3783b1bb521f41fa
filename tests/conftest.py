"""Options of the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest

E2E = Path(__file__).parent / "e2e"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--run-e2e",
        action="store_true",
        help="run tests/e2e too: the real Alertmanager and a browser, as `make e2e` does",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the option tests/e2e is skipped, and says so."""
    if config.getoption("--run-e2e"):
        return
    skip = pytest.mark.skip(reason="needs Alertmanager or a browser: make e2e")
    for item in items:
        if item.path.is_relative_to(E2E):
            item.add_marker(skip)

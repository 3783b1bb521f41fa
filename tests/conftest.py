"""Options of the whole suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

E2E = Path(__file__).parent / "e2e"

# What a helper asserts says what it saw, as a test does.
pytest.register_assert_rewrite(
    "tests.signed_in",
    "tests.system",
    "tests.world",
    *(f"tests.scenarios.{name}" for name in ("paging.vendors", "storms")),
    *(f"tests.replay.{name}" for name in ("paging_stories", "record")),
    *(f"tests.starter.{name}" for name in ("fakes", "answering.chat", "cli.fake_api")),
    *(f"tests.{name}" for name in ("domain.story", "fakes.smtp", "security.hostile_words")),
)

# How long one example takes says nothing on a machine that may stand still for seconds.
settings.register_profile(
    "tests", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--run-e2e",
        action="store_true",
        help="run tests/e2e too: the real Alertmanager and a browser, as `make e2e` does",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """In several processes the suite is divided as tests/parallel.py says."""
    from tests.parallel import InUnits

    return InUnits(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the option tests/e2e is skipped, and says so."""
    if hasattr(config, "workerinput"):
        from tests.parallel import rank

        items.sort(key=lambda item: rank(item.nodeid))
    if config.getoption("--run-e2e"):
        return
    skip = pytest.mark.skip(reason="needs Alertmanager or a browser: make e2e")
    for item in items:
        if item.path.is_relative_to(E2E):
            item.add_marker(skip)

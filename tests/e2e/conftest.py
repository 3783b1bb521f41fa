"""A real `tocsin up` for the real Alertmanager and a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system import System, a_policy, a_system

LADDERS = {
    "checkout": [("ann", "0s"), ("bob", "10m")],
    "search": [("cyd", "0s"), ("bob", "10m")],
}


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Messages go to files only."""
    folder = tmp_path_factory.mktemp("up")
    policy = a_policy(
        folder / "policy.yaml",
        LADDERS,
        processes={"default": {"external": "auto"}},
        severities={
            level: {
                "major": True,
                "page": "always",
                "first_update": "5m",
                "update_every": {"internal": "20m", "external": "20m"},
            }
            for level in ("SEV1", "SEV2")
        },
    )
    with a_system(folder, policy) as running:
        yield running

"""A real `tocsin up` for the real Alertmanager and a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system import System, a_policy, a_system

LADDERS = {
    "checkout": [("ann", "0s"), ("bob", "10m")],
    "search": [("cyd", "0s"), ("bob", "10m")],
    "billing": [("dot", "0s"), ("bob", "10m")],
}
KEYS = {
    "PD_KEY": "0123456789abcdef0123456789abcdef",
    "GENIE_KEY": "f1e2d3c4-0000-4000-8000-000000000001",
}


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Messages go to files only."""
    folder = tmp_path_factory.mktemp("up")
    policy = a_policy(
        folder / "policy.yaml",
        LADDERS,
        processes={"default": {"external": "auto"}},
        integrations={
            "pd": {"format": "pagerduty", "key": "env:PD_KEY"},
            "genie": {"format": "opsgenie", "key": "env:GENIE_KEY"},
        },
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
    with a_system(folder, policy, **KEYS) as running:
        yield running

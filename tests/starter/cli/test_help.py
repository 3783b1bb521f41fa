"""The help of every group, word for word; REWRITE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
GROUPS = (
    "",
    "theory",
    "experiment",
    "oncall",
    "oncall override",
    "maintenance",
    "postmortem",
    "policy",
    "status-page",
)


def _help(group: str) -> str:
    environment = {name: value for name, value in os.environ.items() if "TOCSIN" not in name}
    environment |= {"TERMINAL_WIDTH": "80", "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    command = [sys.executable, "-m", "starter.cli", *group.split(), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(GROUPS, pool.map(_help, GROUPS), strict=True))


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_is_as_it_was(group: str, helps: dict[str, str]) -> None:
    """A changed word in the help is seen in review."""
    file = GOLDEN / f"{group.replace(' ', '-') or 'tocsin'}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        file.write_text(helps[group], encoding="utf-8")
    assert helps[group] == file.read_text(encoding="utf-8"), (
        "run REWRITE_GOLDEN=1 pytest tests/starter/cli/test_help.py and look at the difference"
    )


def test_every_group_is_looked_at() -> None:
    """A new group of verbs needs its golden file."""
    from starter.cli import experiments, maintenance, on_call, policies, postmortems, system

    modules = (experiments, maintenance, on_call, policies, postmortems, system)
    named = {info.name for module in modules for info in module.app.registered_groups}
    named |= {f"oncall {info.name}" for info in on_call.on_call.registered_groups}
    assert named == set(GROUPS) - {""}

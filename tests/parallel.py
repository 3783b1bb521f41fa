"""How the suite is divided among processes, with pytest-xdist: `make test`.

What waits for seconds comes first, and what needs the processor last, so that the one does not disturb
the other. A file is run by one process; a story that starts a world of its own, by any; the modules of
`tests/faults` that share one system, by the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
SHARED = "tests/faults: the shared system"
WORLD_FOR_EACH_TEST = ("tests/scenarios/", "tests/workflows/test_roll_over.py")
ORDER = (
    SHARED,
    "tests/faults/",
    "tests/scenarios/",
    "tests/workflows/",
    "tests/starter/api/test_server.py",
    "tests/starter/cli/",
    "tests/starter/",
    "tests/activities/",
    "tests/records/",
)
"""Whatever is not named comes after these."""


def unit_of(nodeid: str) -> str:
    """What a test is run together with, in one process and in order."""
    file = nodeid.partition("::")[0]
    if file.startswith(WORLD_FOR_EACH_TEST):
        return nodeid
    if file.startswith("tests/faults/") and "\nLADDERS = " in (ROOT / file).read_text("utf-8"):
        return SHARED
    return file


def rank(nodeid: str) -> int:
    """Its place in ORDER."""
    unit = unit_of(nodeid)
    return next((n for n, start in enumerate(ORDER) if unit.startswith(start)), len(ORDER))


class InUnits(LoadScopeScheduling):
    """Gives each process one unit after the other, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

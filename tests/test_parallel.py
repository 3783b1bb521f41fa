"""The suite in several processes: what belongs together stays together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parallel import ORDER, SHARED, WORLD_FOR_EACH_TEST, rank, unit_of

ROOT = Path(__file__).parents[1]
FAULTS = sorted(path.name for path in (ROOT / "tests" / "faults").glob("test_*.py"))


@pytest.mark.parametrize("name", FAULTS)
def test_modules_of_the_shared_system_are_one_unit(name: str) -> None:
    """Whoever brings LADDERS to the shared system runs in its process, and everybody else apart."""
    file = f"tests/faults/{name}"
    shares = "\nLADDERS = " in (ROOT / file).read_text(encoding="utf-8")
    assert unit_of(f"{file}::test_it[a::b]") == (SHARED if shares else file)


def test_stories_with_a_world_of_their_own_go_one_by_one() -> None:
    """A fixture for a whole module would be made again for each of its tests."""
    for place in WORLD_FOR_EACH_TEST:
        found = [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("test_*.py")
        for file in found:
            assert 'scope="' not in file.read_text(encoding="utf-8"), file
            nodeid = f"{file.relative_to(ROOT)}::test_it"
            assert unit_of(nodeid) == nodeid


def test_what_waits_comes_before_what_computes() -> None:
    """The order names places that there are, and the rules' own tests come last."""
    for place in ORDER[1:]:
        assert (ROOT / place).exists(), f"tests/parallel.py names {place}, which is not there"
    assert rank("tests/faults/test_up.py::test_it") < rank("tests/scenarios/test_desk.py::test_it")
    assert rank("tests/domain/test_clocks.py::test_it") == len(ORDER)

"""Addresses of reporters: readable to their owner only, and gone when they are not needed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from records.reporters import Reporters

REF = "R-7K3M9QX2"


def test_an_address_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    """Nobody else on the machine reads it."""
    reporters = Reporters(tmp_path)
    reporters.keep(REF, "kim@example.com")
    file = tmp_path / "reporters" / f"{REF}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert reporters.address(REF) == "kim@example.com"
    reporters.forget(REF)
    reporters.forget(REF)
    assert reporters.address(REF) is None
    assert not list((tmp_path / "reporters").iterdir())


@pytest.mark.parametrize("ref", ["../token", "R-short", "", "R-7K3M9QX2/../../token"])
def test_a_reference_is_no_path(tmp_path: Path, ref: str) -> None:
    """Whatever stands in an address of the form opens no other file."""
    with pytest.raises(ValueError, match="no reference"):
        Reporters(tmp_path).address(ref)

"""Limits for a machine that may stand still for seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.patience import TEMPLATES, patient


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """What the machine does late is not taken for what hangs."""
    with patient(TEMPLATES):
        yield

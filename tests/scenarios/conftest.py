"""Limits for a machine that may stand still for seconds: what it does late is not taken for what hangs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from unittest import mock

import pytest

from activities.looking_up import RecordsLookUp
from domain import bundling, person_pages
from tests.patience import ACTIVITIES, TEMPLATES, patient

OF_TEN = 7.0
"""Seconds that a part may take of an activity that has ten."""
PARTS = {
    "activities.crossing.PATIENCE_SECONDS": OF_TEN,
    "activities.planned_work.WAIT_SECONDS": OF_TEN,
    "activities.storm.PATIENCE_SECONDS": OF_TEN,
}


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """Records, causes and storms that answer late are waited for; a test of such a limit sets its own."""
    with (
        patient(ACTIVITIES, TEMPLATES, PARTS),
        mock.patch.object(RecordsLookUp.__init__, "__defaults__", (OF_TEN,)),
    ):
        yield


@pytest.fixture
def gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of incidents that were raised within seconds of each other wait for each other, and meet."""
    wait = timedelta(seconds=12)
    monkeypatch.setattr(bundling, "LATE_WINDOW", wait)
    for module in (bundling, person_pages):
        monkeypatch.setattr(module, "GATHER", wait)

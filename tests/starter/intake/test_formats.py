"""The registry of formats: each is documented by a payload that it can read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.policy.model import Policy
from starter.intake import FORMATS
from starter.intake.mapping import Sender
from starter.intake.received import Received

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "intake"


@pytest.mark.parametrize("name", FORMATS)
def test_format_has_an_example_payload(name):
    """Format has no example payload: put one into tests/data/intake/<format>/."""
    files = sorted((DATA / name).glob("*.json"))
    assert files, f"format {name} has no example payload"
    policy = Policy.model_validate({"services": {"checkout": {}}})
    for file in files:
        sender = Sender("test", policy, datetime(2026, 11, 24, tzinfo=UTC))
        alerts = FORMATS[name].parse(Received(file.read_bytes()), sender)
        assert alerts
        assert all(alert.service == "checkout" and not alert.notes for alert in alerts)


def test_every_file_of_a_format_is_registered():
    """A parser that is not in the registry takes nothing."""
    folder = ROOT / "starter" / "intake"
    own = {"__init__", "formats", "mapping", "received"}
    assert {file.stem for file in folder.glob("*.py")} - own == set(FORMATS)

"""The registry of formats: each is documented by a payload that it can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.intake import FORMATS
from tests.starter.intake.examples import examples, usual_sender

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", FORMATS)
def test_format_has_an_example_payload(name):
    """Format has no example payload: put one into tests/data/intake/<format>/."""
    mine = [one for one in examples() if one.format == name]
    assert mine, f"format {name} has no example payload"
    for one in mine:
        alerts = FORMATS[name].parse(one.received, usual_sender(name))
        assert alerts, one.name
        assert all(alert.service == "checkout" and not alert.notes for alert in alerts), (
            one.name,
            alerts,
        )


def test_every_file_of_a_format_is_registered():
    """A parser that is not in the registry takes nothing."""
    folder = ROOT / "starter" / "intake"
    own = {
        "__init__", "explaining", "form", "formats", "group", "html_text", "mapping", "mime",
        "received", "sns_signature", "wording",
    }  # fmt: skip
    assert {file.stem for file in folder.glob("*.py")} - own == set(FORMATS)

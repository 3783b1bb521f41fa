"""The user's page on the policy tells of every field, every default and the example as it ships."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from domain.policy import (
    access,
    audiences,
    communications,
    grouping,
    intake,
    maintenance,
    model,
    person,
    reports,
    rota,
    throttle,
)
from domain.policy.base import Strict
from domain.policy.check import KNOWN_CONTACT_CHANNELS
from domain.policy.model import Policy
from records.policy_file import read_policy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
MODELS = [
    one
    for module in (
        *(model, person, rota, throttle, maintenance, access, grouping, intake, reports),
        *(audiences, communications),
    )
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, Strict) and one not in (Strict, Policy)
    if one.__module__ == module.__name__
]


def fields(models: Sequence[type[BaseModel]]) -> Iterator[tuple[str, str]]:
    """Every field of the models as it is written in the file."""
    for one in models:
        for name, field in one.model_fields.items():
            yield one.__name__, field.alias or name


@pytest.mark.parametrize("section", list(Policy.model_fields))
def test_every_section_has_a_heading(section: str) -> None:
    """A section that the policy knows has its own part of the page."""
    assert f"\n## `{section}`\n" in PAGE


@pytest.mark.parametrize(("part", "field"), list(fields(MODELS)))
def test_every_field_is_described(part: str, field: str) -> None:
    """A field that the policy knows is named on the page."""
    assert f"`{field}`" in PAGE, f"docs/policy.md does not tell of {part}.{field}"


@pytest.mark.parametrize(
    ("part", "section"), [("Limits", "limits"), ("Postmortems", "postmortems")]
)
def test_durations_shown_are_those_in_force(part: str, section: str) -> None:
    """The default of a limit on the page is the one of the code, however it is written."""
    text = PAGE.split(f"\n## `{section}`\n")[1].split("\n## ")[0]
    shown = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE))
    parsed = getattr(model, part)(**shown)
    plain = {name for name, value in parsed if isinstance(value, timedelta | int)}
    assert set(shown) == plain
    assert parsed == getattr(model, part)()


def test_required_fields_are_marked() -> None:
    """As many fields are marked required as the file must have."""
    required = [
        f"{one.__name__}.{name}"
        for one in MODELS
        for name, field in one.model_fields.items()
        if field.default is PydanticUndefined and field.default_factory is None
    ]
    assert PAGE.count("| **required** |") == len(required), required


def test_the_example_on_the_page_is_the_one_that_ships() -> None:
    """What a user copies from the page is policy/example.yaml."""
    example = (ROOT / "policy" / "example.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{example}```" in PAGE


def test_every_snippet_of_the_page_is_well_formed(tmp_path: Path) -> None:
    """Each YAML block, laid over the example, is a policy without mistakes."""
    snippets = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    example = snippets[0]
    assert len(snippets) > 3
    for snippet in snippets[1:]:
        section = snippet.partition(":")[0]
        file = tmp_path / "policy.yaml"
        without = re.sub(rf"(?ms)^{section}:.*?(?=^\w|\Z)", "", example)
        if section == "schedules":
            without = without.replace("schedule:payments", "schedule:night")
            without = without.replace("schedule:platform", "schedule:night")
        file.write_text(without + snippet, encoding="utf-8")
        assert read_policy(file, at=datetime(2026, 3, 1, tzinfo=UTC)).warnings == []


def test_the_channels_of_contacts_are_listed() -> None:
    """Every channel that a contact may name stands on the page."""
    assert all(f"`{channel}`" in PAGE for channel in KNOWN_CONTACT_CHANNELS)

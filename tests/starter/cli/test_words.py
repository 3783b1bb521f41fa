"""What people type: times and names."""

from __future__ import annotations

from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
import typer

from domain.commands.work import LinkKind
from starter.cli import words

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 2, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-11-24T02:10:00+01:00", "2026-11-24T01:10:00Z"),
        ("2026-11-24T01:10:00Z", "2026-11-24T01:10:00Z"),
        ("2026-11-24T02:10", "2026-11-24T01:10:00Z"),
        ("2026-07-01 12:00", "2026-07-01T10:00:00Z"),
        ("02:10", "2026-11-24T01:10:00Z"),
        ("2:10", "2026-11-24T01:10:00Z"),
        ("23:55", "2026-11-23T22:55:00Z"),
        ("10m ago", "2026-11-24T01:20:00Z"),
        ("-10m", "2026-11-24T01:20:00Z"),
        ("10m", "2026-11-24T01:20:00Z"),
        ("1h30m ago", "2026-11-24T00:00:00Z"),
        ("in 5m", "2026-11-24T01:35:00Z"),
    ],
)
def test_a_time_that_has_been(said: str, expected: str) -> None:
    """The local clock where no zone is given; a bare clock time is the last one."""
    assert words.wire(words.parse_time(said, NOW, is_past=True)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("23:55", "2026-11-24T22:55:00Z"),
        ("7d", "2026-12-01T01:30:00Z"),
        ("+2h", "2026-11-24T03:30:00Z"),
        ("-10m", "2026-11-24T01:20:00Z"),
        ("2026-12-24", "2026-12-23T23:00:00Z"),
    ],
)
def test_a_time_of_a_plan(said: str, expected: str) -> None:
    """A bare clock time is today's, a length counts from now."""
    assert words.wire(words.parse_time(said, NOW, is_past=False)) == expected


@pytest.mark.parametrize("said", ["", "soon", "25:00", "10", "10m from", "-5m ago", "99999999999d"])
def test_no_time_at_all(said: str) -> None:
    """Refused with the accepted forms."""
    with pytest.raises(typer.BadParameter, match="such as"):
        words.parse_time(said, NOW, is_past=True)


def test_kinds_are_the_domains() -> None:
    """A kind that the domain learns can be typed."""
    assert get_args(LinkKind) == words.KINDS


def test_own_role_names_stay_as_they_are() -> None:
    """Only names that Tocsin itself gives are spelled with a hyphen too."""
    assert words.role("tech-lead") == "tech_lead"
    assert words.role("war-room-scribe") == "war-room-scribe"

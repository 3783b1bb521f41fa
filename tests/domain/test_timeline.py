"""An entry of the timeline that nobody vouches for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.timeline import Entry

WHY = "it did not come through the API"


def entry(fact: str, text: str) -> Entry:
    return Entry(seq=1, at=datetime(2026, 3, 2, tzinfo=UTC), fact=fact, actor="alice", text=text)


@pytest.mark.parametrize(
    ("fact", "text", "marked"),
    [
        ("acknowledged", "alice acknowledged after 1m by the API, now incident manager",
         f"alice acknowledged after 1m, now incident manager (unsigned: {WHY})"),
        ("acknowledged", "alice acknowledged after 1m by SMS",
         f"alice acknowledged after 1m by SMS (unsigned: {WHY})"),
        ("noted", "called by the API team", f"called by the API team (unsigned: {WHY})"),
    ],
)  # fmt: skip
def test_an_unsigned_entry_does_not_contradict_itself(fact: str, text: str, marked: str) -> None:
    """What did not come through the API is not said to have come by it; what people write stays."""
    one = entry(fact, text).marked(WHY)
    assert (one.text, one.data["unsigned"]) == (marked, WHY)
    assert entry(fact, text).marked("").text == text

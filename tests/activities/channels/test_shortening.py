"""Texts that fit: cut at sentences and words, and never what has to be there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.channels.shortening import body_of, fitted, head_of, shorten
from domain.messages import Purpose
from tests.fakes.organisation import an_outgoing


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("It is down.", 20, "It is down."),
        ("It is down. Nobody knows why it is.", 20, "It is down.…"),
        ("It is down and nobody knows", 20, "It is down and…"),
        ("Summary: down\nRaised: 14:07 UTC today", 20, "Summary: down…"),
        ("abcdefghijklmnopqrstuvwxyz", 10, "abcdefghi…"),
        ("abc", 0, ""),
    ],
)
def test_a_text_is_cut_where_it_can_be_read(text: str, limit: int, expected: str) -> None:
    """Whole sentences, else whole words, else what there is; a mark says that something is missing."""
    assert shorten(text, limit) == expected


@given(
    text=st.text(max_size=300), limit=st.integers(0, 320), mark=st.sampled_from(["…", "...", "."])
)
def test_nothing_is_longer_than_its_limit(text: str, limit: int, mark: str) -> None:
    """Whatever is written, it fits."""
    assert len(shorten(text, limit, mark)) <= limit


@given(
    head=st.text(max_size=200), body=st.text(max_size=400), tail=st.text(min_size=1, max_size=90)
)
def test_the_way_to_answer_is_never_cut(head: str, body: str, tail: str) -> None:
    """The text gives way to the line that says how to acknowledge."""
    found = fitted(head, body, tail, 160)
    assert len(found) <= 160
    assert found.endswith(tail)


def test_the_head_gives_way_before_the_answer_and_after_the_body() -> None:
    """First the text goes, then the end of the subject."""
    found = fitted("checkout-17 SEV1 " + "long " * 40, "the text", "Reply ack checkout-17", 80)
    assert found.startswith("checkout-17 SEV1 long")
    assert "the text" not in found


def test_the_first_line_of_a_page_names_incident_and_severity() -> None:
    """A subject of somebody's own template does not leave the reader guessing which incident it is."""
    message = an_outgoing(subject="Wake up")
    assert head_of(message) == "checkout-17 SEV1: Wake up"
    assert head_of(an_outgoing()) == "checkout-17 SEV1 P1"
    assert head_of(an_outgoing(subject="Your role", purpose=Purpose.ROLE)) == "Your role"


def test_the_subject_is_not_said_twice() -> None:
    """Texts begin with their subject, which the channel has shown already."""
    assert body_of(an_outgoing(subject="Down", text="Down\n\nSince 14:07")) == "Since 14:07"
    assert body_of(an_outgoing(subject="Down", text="Since 14:07")) == "Since 14:07"

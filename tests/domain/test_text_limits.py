"""How long a text may be on each network: counted as there, and never too low."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text_limits import (
    NETWORKS,
    SMS_PARTS,
    SOCIAL,
    bluesky_length,
    fits,
    mastodon_length,
    problems,
    quiet,
    sms_parts,
    x_length,
)
from domain.updates import Audience
from tests.fakes.bluesky import graphemes

LONG_LINK = "https://status.example.com/incidents/" + "x" * 200
FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"


@pytest.mark.parametrize(
    ("text", "length"), [("", 0), ("Zahlung gestört", 15), (f"see {LONG_LINK}", 4 + 23)]
)
def test_mastodon_counts_characters_and_links_as_23(text: str, length: int) -> None:
    """However long a link, it takes the same room."""
    assert mastodon_length(text) == length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("payments fail", 13),
        ("gestört – “down”", 16),
        ("決済", 4),
        ("\N{FIRE}", 2),
        (f"see {LONG_LINK}", 27),
        ("see example.com", 4 + 23),
        ("e\N{COMBINING ACUTE ACCENT}", 1),
    ],
)
def test_x_weighs_characters(text: str, length: int) -> None:
    """Most of our letters weigh 1, the others and signs 2; a bare host is a link there."""
    assert x_length(text) == length


@pytest.mark.parametrize(
    ("text", "length"), [("gestört", 7), ("e\N{COMBINING ACUTE ACCENT}" * 5, 5), ("決済", 2)]
)
def test_bluesky_counts_what_a_reader_sees(text: str, length: int) -> None:
    """A letter with its accent is one."""
    assert bluesky_length(text) == length


def test_bluesky_counts_bytes_too() -> None:
    """Signs of many bytes use up 3,000 bytes before 300 signs: a family is one sign of 18."""
    assert bluesky_length(FAMILY * 160) >= 300


@given(st.text(max_size=400))
def test_what_fits_here_fits_there(text: str) -> None:
    """Our count of graphemes is never lower than that of the network."""
    assert bluesky_length(text) >= graphemes(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("ä" * 160, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("ń" * 70, 1),
        ("ń" * 71, 2),
        ("\N{FIRE}" * 35, 1),
        ("\N{FIRE}" * 36, 2),
        ("\N{FIRE}" * 67, 3),
    ],
)
def test_parts_of_a_text_message(text: str, parts: int) -> None:
    """160 or 70 characters in one, 153 or 67 in each of several, and no character torn apart."""
    assert sms_parts(text) == parts


@pytest.mark.parametrize("channel", sorted(NETWORKS))
def test_a_text_that_is_too_long_is_told(channel: str) -> None:
    """The sentence names the network, how long the text is, and how long it may be."""
    problem = fits(channel, "Payments fail. " * 80)
    assert problem is not None
    assert problem.where == "/text"
    assert NETWORKS[channel].title in problem.detail
    assert str(NETWORKS[channel].most) in problem.detail
    assert fits(channel, "Payments fail.") is None


@pytest.mark.parametrize("channel", ["email", "slack", "webhook", "nobody"])
def test_other_channels_have_no_limit(channel: str) -> None:
    """A mail may be as long as it likes."""
    assert fits(channel, "x" * 10_000) is None


def test_the_link_has_its_room() -> None:
    """A text that fits only without the link to the status page does not fit."""
    assert fits("x", "x" * 256) is None
    assert fits("x", "x" * 257) is not None


def test_each_network_is_named_once() -> None:
    """Whoever writes for several networks learns of all that it is too long for, in one answer."""
    text = "Payments fail for some. " * 14
    said = problems(text, Audience.EXTERNAL, ["mastodon", "bluesky", "x", "x", "email"])
    assert len(said) == 2
    assert "Bluesky" in said[0].detail
    assert "X" in said[1].detail


def test_an_internal_text_is_not_measured_for_networks() -> None:
    """What never goes there need not fit there; a text message it may become."""
    text = "x" * 2_000
    assert problems(text, Audience.INTERNAL, sorted(SOCIAL)) == []
    (said,) = problems(text, Audience.INTERNAL, ["sms", *SOCIAL])
    assert f"at most {SMS_PARTS}" in said.detail


@pytest.mark.parametrize("text", ["@everyone pay", "ask @bob@social.example", "(@x)", "\uff20here"])
def test_no_name_is_called(text: str) -> None:
    """A name behind an @ is no mention any more, and reads the same."""
    said = quiet(text)
    assert said != text
    assert said.replace("\N{ZERO WIDTH SPACE}", "") == text


@pytest.mark.parametrize(
    "text", ["write to help@example.com", "https://social.example/@us", "a @ b"]
)
def test_addresses_stay(text: str) -> None:
    """A mail address and a link still work."""
    assert quiet(text) == text

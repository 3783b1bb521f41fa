"""What the public reads is a little Markdown: all else stays characters, and links lead where they say."""

from __future__ import annotations

import time

import pytest

from templates.filters import fitting, plain
from templates.markdown import public_html, public_text

RICH = "Cards **fail** for *some*.\nWe `retry`.\n\n- one\n- two\n  - deep\n\n2. second\n3. third"


def test_what_an_author_may_use() -> None:
    """Paragraphs, line ends, emphasis, code and lists, as people write them in a hurry."""
    made = public_html(RICH)
    assert "<p>Cards <strong>fail</strong> for <em>some</em>.<br>" in made
    assert "<code>retry</code>" in made
    assert made.count("<ul>") == 2
    assert '<ol start="2">' not in made  # a number is no attribute that the list lets through
    assert made.count("<li>") == 5


def test_the_same_as_plain_text() -> None:
    """Feeds and text messages get the words without their marks, lists with theirs."""
    assert public_text(RICH) == (
        "Cards fail for some.\nWe retry.\n\n- one\n- two\n  - deep\n\n2. second\n3. third"
    )


@pytest.mark.parametrize(
    "text",
    ["# Heading", "Heading\n===", "***", "> quoted", "    code", "[x]: https://example.com"],
)
def test_what_has_no_meaning_stays_as_it_is(text: str) -> None:
    """Nothing is swallowed: what is no markup here is shown as it was typed."""
    assert public_text(text) == text.strip()
    assert set(public_html(text)[:3]) == set("<p>")


def test_a_link_says_where_it_leads() -> None:
    """https only, to strangers' places without our name; an address in the text is a link too."""
    made = public_html("[How to pay](https://example.com/pay) or https://example.com/a_b. Thanks!")
    assert (
        '<a href="https://example.com/pay" rel="nofollow noopener noreferrer">How to pay</a>'
        in made
    )
    assert '<a href="https://example.com/a_b" rel="nofollow noopener noreferrer">' in made
    assert (
        public_text("[How to pay](https://example.com/pay)")
        == "How to pay (https://example.com/pay)"
    )
    assert public_text("<https://example.com/pay>") == "https://example.com/pay"


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//example.com",
        "/i/checkout-1",
        "https://bank.example@evil.example/",
        "https:///nowhere",
        "https://[broken",
    ],
)
def test_what_is_no_link(address: str) -> None:
    """No other scheme, no address of our own, no name in front of a host."""
    assert "<a " not in public_html(f"[here]({address})")


@pytest.mark.parametrize(
    "text",
    ["[bank.example](https://evil.example)", "[https://bank.example/a](https://evil.example/b)"],
)
def test_a_mask_falls(text: str) -> None:
    """A link whose words name another place than the one it leads to: both are shown."""
    made = public_html(text)
    assert ">bank.example</a>" not in made
    assert "bank.example" in made
    assert '<a href="https://evil.example' in made
    assert "evil.example" in public_text(text)


def test_accents_do_not_grow_over_other_lines() -> None:
    """A letter keeps as many accents as any language needs, not hundreds."""
    assert plain("Z" + "\u0301" * 500) == "Z" + "\u0301" * 4
    assert (
        plain("Vie\u0302\u0323t \u05e9\u05b8\u05bc\u05c1")
        == "Vie\u0302\u0323t \u05e9\u05b8\u05bc\u05c1"
    )


@pytest.mark.parametrize("unit", ["[", "*", "*a_", "> ", "- ", "`", "[a](", "![[", "https://a."])
def test_a_text_that_was_made_to_be_slow(unit: str) -> None:
    """The longest text that a person may send costs a fraction of a second, whatever it is."""
    started = time.thread_time()  # of this thread alone: the machine may stand still
    public_html(unit * (16_384 // len(unit)))
    assert time.thread_time() - started < 5


def test_a_short_form_is_never_cut() -> None:
    """The first form that fits is taken as it is; where none fits there is none."""
    forms = [["Title:", "words", "Next: 14:00"], ["words", ""], ["w"]]
    assert fitting(forms, 100) == "Title: words Next: 14:00"
    assert fitting(forms, 10) == "words"
    assert fitting(forms, 0) == ""

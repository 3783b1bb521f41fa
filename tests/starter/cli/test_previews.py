"""`tocsin update --preview` shows what each reader would get, and sends nothing."""

from __future__ import annotations

import json

from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import FakeApi

ID = "checkout-17"


def test_what_each_reader_would_get(tocsin: Tocsin, api: FakeApi) -> None:
    """Who hears it, how often, every form of the text, what does not fit, what is not said."""
    result = tocsin("update", ID, "--audience", "external", "--text", "Cards fail.", "--preview")
    assert result.code == 0
    assert [request.path for request in api.requests if request.method == "POST"] == [
        f"/api/v1/incidents/{ID}/preview-update"
    ]
    for said in (
        "external update (follow_up, identified)",
        "press: status page, 2 by x - only once a second person approves",
        "subject: Investigating issues with Checkout",
        "in a room (11 characters):",
        "    Cards fail.",
        "X: 300 of 280 characters, TOO LONG",
        "[ ] What is the cause? Not known: say so.",
        "[x] What is the impact? Known inside: No cards",
    ):
        assert said in result.out, said
    assert "short (" not in result.out, "there is no short form of it"
    assert "nothing was sent" in result.err


def test_what_would_be_refused_ends_with_a_mistakes_code(tocsin: Tocsin) -> None:
    """A script that previews first stops there."""
    said = ("--audience", "external", "--text", "x" * 300, "--preview")
    result = tocsin("update", ID, *said)
    assert result.code == 2
    assert "WOULD BE REFUSED: the text is too long for X" in result.out
    found = json.loads(tocsin("update", ID, *said, "-o", "json").out)
    assert found["refused"] == ["the text is too long for X"]


def test_a_terminal_obeys_no_text(tocsin: Tocsin) -> None:
    """What an author wrote moves no cursor."""
    said = ("--audience", "external", "--text", "a\x1b[2Jb\u202ec", "--preview")
    assert "\x1b" not in tocsin("update", ID, *said).out

"""The checklist beside a draft: six questions, what the incident knows, what the text already says."""

from __future__ import annotations

import pytest

from domain.checklist import checklist
from domain.updates import Audience

VIEW = {
    "service": "checkout",
    "service_name": "Checkout",
    "summary": "Card payments are refused",
    "assessment": {"customer_impact": "Nobody can pay by card", "affected_count": 120},
    "theories": [
        {"id": "t1", "text": "The network", "state": "refuted"},
        {"id": "t2", "text": "The certificate", "state": "supported"},
    ],
    "experiments": [
        {"id": "e1", "text": "Restart", "result": "nothing"},
        {"id": "e2", "text": "Renew it", "result": None},
    ],
    "communications": {"room": "#checkout-17"},
    "next_update_due": {"internal": "2026-11-24T14:27:00Z", "external": None},
}


def test_what_the_incident_knows_stands_beside_each_question() -> None:
    """In the order in which a reader asks; inside with the summary and the room."""
    items = checklist(VIEW, "", Audience.INTERNAL)
    assert [item.answer for item in items] == [
        "Checkout: Card payments are refused",
        "Nobody can pay by card",
        "120",
        "The certificate",
        "Renew it",
        "2026-11-24 14:27 UTC in #checkout-17",
    ]
    assert not any(item.found_in_text for item in items)


def test_what_nobody_knows_has_no_answer() -> None:
    """Unknown is None, so that whoever writes can say that it is unknown."""
    items = checklist({"service": "checkout"}, "", Audience.EXTERNAL)
    assert [item.answer for item in items] == ["checkout", None, None, None, None, None]


def test_the_outside_is_not_told_the_summary() -> None:
    """What an alert wrote is no answer for a text to the outside, and neither is a room."""
    due = "2026-11-24T15:27:00+00:00"
    items = checklist(VIEW, "", Audience.EXTERNAL, due)
    assert items[0].answer == "Checkout"
    assert items[5].answer == "2026-11-24 15:27 UTC"
    assert items[5].found_in_text, "the promise stands beside the text"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Checkout is down.", {0, 1}),
        ("Some customers cannot pay.", {1, 2}),
        ("It was caused by a certificate.", {3}),
        ("The cause is not known yet.", {3}),
        ("We are replacing it.", {4}),
        ("Next update at 14:30.", {5}),
        ("Our caustic forty-sixth upgrade.", set()),
    ],
)
def test_what_a_text_says_is_found(text: str, found: set[int]) -> None:
    """By its words, whole ones: a guess that a person checks."""
    items = checklist(VIEW, text, Audience.EXTERNAL)
    assert {number for number, item in enumerate(items) if item.found_in_text} == found


def test_our_own_first_text_passes_its_own_checklist() -> None:
    """The initial external text answers each question, or says that the answer is not known."""
    text = (
        "Investigating issues with Checkout\n\nWe know that there is a problem with Checkout and we are "
        "looking into it urgently.\nIts cause, and how many are affected, is not known yet.\n"
        "Next update at 2026-11-24 14:27 UTC."
    )
    assert all(item.found_in_text for item in checklist(VIEW, text, Audience.EXTERNAL))

"""Push messages: how loud, how long, and the button."""

from __future__ import annotations

import pytest

from activities.channels.ntfy import MAX_CHARS, as_push
from domain.messages import Purpose
from tests.activities.channels.rigs import ANSWER
from tests.fakes.organisation import an_outgoing


@pytest.mark.parametrize(
    ("severity", "purpose", "priority"),
    [
        ("SEV1", Purpose.PAGE, 5),
        ("SEV2", Purpose.PAGE, 5),
        ("SEV3", Purpose.PAGE, 4),
        ("SEV1", Purpose.ROLE, 3),
    ],
)
def test_a_page_is_as_loud_as_its_severity(severity: str, purpose: Purpose, priority: int) -> None:
    """A major incident rings through; word of a role does not."""
    assert as_push(an_outgoing(severity=severity, purpose=purpose))["priority"] == priority


def test_the_outside_does_not_read_the_severity() -> None:
    """A tag is shown as a word: an external update has none, an internal one has."""
    assert as_push(an_outgoing(purpose=Purpose.EXTERNAL_UPDATE))["tags"] == []
    assert as_push(an_outgoing(purpose=Purpose.INTERNAL_UPDATE))["tags"] == ["sev1"]


def test_a_tap_opens_the_page_for_acknowledging() -> None:
    """The message and its button lead to the same page; without an answer there is neither."""
    push = as_push(an_outgoing(answer=ANSWER))
    assert push["click"] == ANSWER.url
    assert push["actions"] == [
        {"action": "view", "label": "Acknowledge checkout-17", "url": ANSWER.url}
    ]
    assert not {"click", "actions"} & set(as_push(an_outgoing()))


def test_a_text_never_becomes_a_file_to_download() -> None:
    """In any script the text stays below the bytes that ntfy shows."""
    push = as_push(an_outgoing(text="\N{FIRE}" * 5000))
    assert len(push["message"]) <= MAX_CHARS
    assert len(push["message"].encode()) < 4096

"""What `tocsin show` says became of each update: the last word counts, whoever said it."""

from __future__ import annotations

from typing import Any

import pytest

from starter.cli.deliveries import delivery_lines

KEY = "checkout-17/update/external/1/audience:partners/0"


def _told(state: str, key: str = f"{KEY}/email", **changes: Any) -> dict[str, Any]:
    one = {"key": key, "recipient": "audience:partners/0", "channel": "email", "state": state}
    return {"fact": "message_sent", "actor": "tocsin", "data": {"deliveries": [one | changes]}}


def _held(channel: str = "x") -> dict[str, Any]:
    data = {"message": "m3f9a2c", "delivery": f"{KEY}/{channel}", "channel": channel}
    return {"fact": "message_held", "actor": "tocsin", "data": data}


def _released(verdict: str) -> dict[str, Any]:
    data = {"message": "m3f9a2c", "verdict": verdict, "delivery": f"{KEY}/x", "channel": "x"}
    return {"fact": "message_released", "actor": "ann", "data": data}


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        ([], ""),
        ([_told("sent")], "sent: email 1"),
        ([_told("sent"), _told("failed", reason="rejected")], "NOT sent: email (rejected) 1"),
        ([_told("uncertain", reason="timed_out"), _told("sent")], "sent: email 1"),
        ([_told("sent"), _held()], "sent: email 1; NOT sent: x (held) 1"),
        ([_held(), _released("it_is_out")], "sent: x 1"),
        ([_held(), _released("drop")], "NOT sent: x (dropped, said ann) 1"),
        ([_held(), _released("send_again")], ""),
        (
            [
                _held(),
                _released("send_again"),
                _told("sent", "checkout-17/update/external/1/again-m3f9a2c/audience:partners/0/x"),
            ],
            "sent: email 1",
        ),
        (
            [_told("sent", recipient="subscribers", channel="subscribers", detail="4 sent, 1 failed")],
            "sent: subscribers 1; subscribers: 4 sent, 1 failed",
        ),
    ],
)  # fmt: skip
def test_the_last_word_on_each_message_counts(entries: list[dict[str, Any]], line: str) -> None:
    """Sent and bounced later is not sent; held is said until a person has, and then what they said."""
    assert delivery_lines([{}], entries) == [line]

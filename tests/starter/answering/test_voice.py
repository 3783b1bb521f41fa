"""A page on the telephone, and what a vendor says became of it."""

from __future__ import annotations

import pytest

from starter.answering.twilio import Verdict, verdict_on
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError
from tests.starter.answering.conftest import PUBLIC, Switchboard, reply_in


def call(board: Switchboard, token: str, again: int | None = None, **fields: str) -> str:
    """One turn of a call; answers the TwiML."""
    query = "" if again is None else f"?again={again}"
    answer = board.twilio(f"/answer/voice/{token}{query}", CallSid="CA1", **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/xml")
    return str(answer.text)


@pytest.fixture
def token(board: Switchboard) -> str:
    return board.token(board.paged("alice", "", "voice"))


def test_one_acknowledges(board: Switchboard, token) -> None:
    """By keypress, for the person who was called."""
    said = call(board, token, Digits="1", AnsweredBy="human")
    assert reply_in(said) == "Acknowledged. You have incident checkout 1. Goodbye."
    assert said.endswith("<Hangup/></Response>")
    ((_, body, _),) = board.commands()
    assert (body["actor"], body["via"]) == ("alice", "keypress")
    assert "already acknowledged" in call(board, token, Digits="1")
    assert len(board.facts("checkout-1", "acknowledged")) == 1


def test_one_takes_one_incident_of_a_call_that_named_several(board: Switchboard) -> None:
    """The call said that two wait: the caller hears which one they have not taken."""
    page = board.paged("alice", "", "voice", bundle="alice/1")
    board.paged("alice", board.raised("search"), "voice", bundle="alice/1")
    said = reply_in(call(board, board.token(page), Digits="1", AnsweredBy="human"))
    assert said == (
        "Acknowledged. You have incident checkout 1. Not acknowledged by this: search 1. Goodbye."
    )
    assert [incident for incident, _, _ in board.commands()] == ["checkout-1"]


def test_two_escalates(board: Switchboard, token) -> None:
    """The next people are paged, and the caller hears it."""
    assert "is escalated" in call(board, token, Digits="2", AnsweredBy="human")
    ((_, body, _),) = board.commands("escalate")
    assert body["to"] == "team:payments"
    assert board.commands() == []


@pytest.mark.parametrize("digits", ["", "3", "*", "11", "x"])
def test_another_key_is_explained_twice_and_then_the_call_ends(board, token, digits) -> None:
    """What means nothing changes nothing; the call says what means what, and does not go on for ever."""
    fields = {"Digits": digits} if digits else {}
    action = f'action="{PUBLIC}/answer/voice/{token}?again='
    first = call(board, token, **fields)
    assert "Press 1 to acknowledge. Press 2 to escalate" in first
    assert "incident checkout 1, severity 1: Cards are refused" in first
    assert f'{action}1"' in first
    assert f'{action}2"' in call(board, token, again=1, **fields)
    last = call(board, token, again=2, **fields)
    assert "not acknowledged" in last
    assert "<Gather" not in last
    assert "<Hangup/>" in last
    for odd in ("99999", "x", "-1"):
        answer = board.twilio(f"/answer/voice/{token}?again={odd}", CallSid="CA1", **fields)
        assert "<Gather" not in answer.text
    assert board.commands() == []


@pytest.mark.parametrize("by", ["machine_start", "machine_end_beep", "machine_end_other", "fax"])
@pytest.mark.parametrize("digits", ["", "1", "2"])
def test_a_mailbox_never_acknowledges(board: Switchboard, token, by, digits) -> None:
    """It is left the message, whatever keys are in its greeting, and the call ends."""
    said = call(board, token, Digits=digits, AnsweredBy=by)
    assert "checkout 1" in said
    assert "acknowledges nothing" in said
    assert "<Gather" not in said
    assert board.commands() == []
    assert board.commands("escalate") == []


def test_calls_that_cannot_be_answered_say_so(board: Switchboard, token) -> None:
    """Expired, forged, taken by another, and Temporal away: each in words, none as an acknowledgement."""
    board.temporal.update_error = GatewayUnavailableError("away")
    assert "not acknowledged" in call(board, token, Digits="1")
    board.temporal.update_error = NotAnsweredError("slow")
    assert "is kept" in call(board, token, Digits="1")
    board.temporal.update_error = None
    assert "cannot be answered" in call(board, token[:-6] + "AAAAAA", Digits="1")
    board.api.post("/api/v1/incidents/checkout-1/acknowledge", json={"actor": "bob", "via": "cli"})
    assert "already acknowledged by bob" in call(board, token, Digits="1")
    assert "already acknowledged by bob" in call(board, token)
    board.clock.skip(minutes=31)
    assert "too old" in call(board, token, Digits="1")
    assert [fact.actor for fact in board.facts("checkout-1", "acknowledged")] == ["bob"]


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"MessageStatus": "delivered"}, Verdict("delivered", "")),
        ({"MessageStatus": "read"}, Verdict("delivered", "")),
        ({"MessageStatus": "undelivered", "ErrorCode": "30003"},
         Verdict("failed", "undelivered, error 30003")),
        ({"MessageStatus": "failed"}, Verdict("failed", "failed")),
        ({"SmsStatus": "delivered"}, Verdict("delivered", "")),
        ({"MessageStatus": "queued"}, None),
        ({"MessageStatus": "sending"}, None),
        ({"MessageStatus": "sent"}, None),
        ({"MessageStatus": "made up"}, None),
        ({"CallStatus": "completed"}, Verdict("delivered", "")),
        ({"CallStatus": "completed", "AnsweredBy": "human"}, Verdict("delivered", "")),
        ({"CallStatus": "completed", "AnsweredBy": "machine_start"},
         Verdict("failed", "answered by a mailbox, not by a person")),
        ({"CallStatus": "busy"}, Verdict("failed", "busy")),
        ({"CallStatus": "no-answer"}, Verdict("failed", "no-answer")),
        ({"CallStatus": "canceled"}, Verdict("failed", "canceled")),
        ({"CallStatus": "ringing"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_what_a_receipt_says(fields, verdict) -> None:
    """Only final states count; a mailbox that took the call has told nobody."""
    assert verdict_on(fields) == verdict


def test_a_receipt_reaches_the_incident(board: Switchboard) -> None:
    """Under the key of the page, also hours later, when the page can no longer be answered by its link."""
    page = board.paged("alice", "", "sms")
    path = f"/answer/receipt/{board.token(page)}"
    assert board.twilio(path, MessageStatus="sent").status_code == 204
    assert board.temporal.signals == []
    board.clock.skip(hours=3)
    answer = board.twilio(path, MessageStatus="undelivered", ErrorCode="30003")
    assert (answer.status_code, answer.content) == (204, b"")
    said = {"key": page.key, "state": "failed", "detail": "undelivered, error 30003"}
    assert board.temporal.signals == [("checkout-1", "delivery_receipt", said)]


def test_a_receipt_for_an_incident_that_is_gone_is_taken(board: Switchboard) -> None:
    """Nobody waits for it any more, and the vendor need not send it again."""
    page = board.paged("alice", "", "sms")
    board.temporal.end("checkout-1")
    path = f"/answer/receipt/{board.token(page)}"
    assert board.twilio(path, MessageStatus="delivered").status_code == 204


def test_a_receipt_that_cannot_be_kept_is_not_taken(board: Switchboard) -> None:
    """503, so that a vendor that can send it again does."""
    page = board.paged("alice", "", "sms")
    board.temporal.signal_error = GatewayUnavailableError("away")
    path = f"/answer/receipt/{board.token(page)}"
    assert board.twilio(path, MessageStatus="delivered").status_code == 503
    assert board.twilio("/answer/receipt/junk", MessageStatus="delivered").status_code == 403

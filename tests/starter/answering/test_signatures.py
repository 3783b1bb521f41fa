"""What vendors sign: their own published examples, and everything that must not pass for it."""

from __future__ import annotations

import pytest

from starter.answering import slack, twilio
from tests.starter.answering.conftest import ALICE, SIGNING_SECRET, Switchboard

TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
TWILIO_SIGNED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
"""Source: the example of Twilio's security page and of the tests of its own library, auth token 12345."""
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
    b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_SECRET, SLACK_STAMP = "8f742231b10e8888abcd99yyyzzz85a5", "1531420618"
SLACK_SIGNED = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
"""Source: the example of Slack's page "Verifying requests from Slack"."""


def test_twilios_own_example() -> None:
    """The URL with its query, then the fields sorted by name."""
    assert twilio.signature_of("12345", TWILIO_URL, reversed(TWILIO_FORM)) == TWILIO_SIGNED
    assert twilio.is_signed("12345", TWILIO_URL, TWILIO_FORM, TWILIO_SIGNED)


@pytest.mark.parametrize(
    ("token", "url", "form", "given"),
    [
        ("12346", TWILIO_URL, TWILIO_FORM, TWILIO_SIGNED),
        ("", TWILIO_URL, TWILIO_FORM, TWILIO_SIGNED),
        ("12345", "http" + TWILIO_URL[5:], TWILIO_FORM, TWILIO_SIGNED),
        ("12345", TWILIO_URL + "3", TWILIO_FORM, TWILIO_SIGNED),
        ("12345", TWILIO_URL, TWILIO_FORM[1:], TWILIO_SIGNED),
        ("12345", TWILIO_URL, [*TWILIO_FORM, ("X", "")], TWILIO_SIGNED),
        ("12345", TWILIO_URL, TWILIO_FORM, ""),
        ("12345", TWILIO_URL, TWILIO_FORM, TWILIO_SIGNED[:-2]),
        ("12345", TWILIO_URL, TWILIO_FORM, TWILIO_SIGNED.lower()),
        ("12345", TWILIO_URL, TWILIO_FORM, "é" * 28),
    ],
)
def test_what_twilio_did_not_sign(token, url, form, given) -> None:
    """Another token, none at all, another address, other fields, a signature cut short."""
    assert not twilio.is_signed(token, url, form, given)


def test_a_port_may_be_named_or_not() -> None:
    """Twilio signs the address with or without the port that it was given."""
    with_port = "https://mycompany.com:443/x"
    signed = twilio.signature_of("t", "https://mycompany.com/x", [])
    assert twilio.is_signed("t", with_port, [], signed)
    signed = twilio.signature_of("t", with_port, [])
    assert twilio.is_signed("t", "https://mycompany.com/x", [], signed)
    assert not twilio.is_signed("t", "https://mycompany.com:8443/y", [], signed)


def test_slacks_own_example() -> None:
    """Version, timestamp and the body as it came."""
    assert slack.signature_of(SLACK_SECRET, SLACK_STAMP, SLACK_BODY) == SLACK_SIGNED
    now = float(SLACK_STAMP)
    assert slack.is_signed(SLACK_SECRET, SLACK_STAMP, SLACK_BODY, SLACK_SIGNED, now)
    assert not slack.is_signed("", SLACK_STAMP, SLACK_BODY, SLACK_SIGNED, now)
    assert not slack.is_signed(SLACK_SECRET, SLACK_STAMP, SLACK_BODY + b"&", SLACK_SIGNED, now)
    assert not slack.is_signed(SLACK_SECRET, SLACK_STAMP, SLACK_BODY, SLACK_SIGNED[3:], now)
    assert not slack.is_signed(SLACK_SECRET, "x", SLACK_BODY, SLACK_SIGNED, now)
    assert not slack.is_signed(SLACK_SECRET, "9" * 400, SLACK_BODY, SLACK_SIGNED, now)


@pytest.mark.parametrize(
    ("skew", "passes"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_slacks_window(skew, passes) -> None:
    """Five minutes either way, to the second."""
    now = float(SLACK_STAMP) + skew
    assert slack.is_signed(SLACK_SECRET, SLACK_STAMP, SLACK_BODY, SLACK_SIGNED, now) is passes


@pytest.mark.parametrize(
    "path", ["/answer/sms", "/answer/voice/{token}", "/answer/receipt/{token}"]
)
def test_unsigned_requests_are_refused(board: Switchboard, path) -> None:
    """403 with the wrong token or none, whatever the address; nothing happens."""
    path = path.format(token=board.token(board.paged("alice", "", "sms")))
    fields = {"From": ALICE, "Body": "ack", "Digits": "1", "MessageStatus": "failed"}
    wrong = board.twilio(path, auth="wrong", **fields)
    assert (wrong.status_code, wrong.json()["code"]) == (403, "refused")
    none = board.api.post(path, data=fields)
    assert none.status_code == 403
    assert board.commands() == []
    assert board.temporal.signals == []


def test_slack_requests_are_refused(board: Switchboard) -> None:
    """403 with a wrong secret, out of the window, and for one that has been answered before."""
    token = board.token(board.paged())
    assert board.slack(token, secret="wrong").status_code == 403
    assert board.slack(token, age=301).status_code == 403
    assert board.slack(token, age=-301).status_code == 403
    assert board.commands() == []
    assert board.slack(token, age=7).status_code == 200
    replay = board.slack(token, age=7)
    assert (replay.status_code, replay.json()["code"]) == (403, "replayed")
    assert len(board.commands()) == 1


def test_large_bodies_are_refused(board: Switchboard) -> None:
    """64 KiB is the most, before anything is parsed."""
    assert board.slack_raw("payload=" + "x" * 70_000).status_code == 413
    assert board.twilio("/answer/sms", From=ALICE, Body="x" * 70_000).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        "", "payload=", "payload=[]", "payload=x", "payload=" + "[" * 9000, "payload={}&payload={}",
        "%ff%fe=%ff", "payload=%7B%22actions%22%3A1%7D",
        "payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5B1%5D%7D",
    ],
)  # fmt: skip
def test_broken_payloads_are_answered(board: Switchboard, body) -> None:
    """Signed junk is refused or passed over; it is never an error of ours."""
    assert board.slack_raw(body, secret=SIGNING_SECRET).status_code in (200, 400)

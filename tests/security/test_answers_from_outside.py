"""Attacks on the routes that need no token of the API: forged, stolen, moved, replayed, guessed, flooded."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from urllib.parse import urlencode

import pytest
import structlog

from starter.security import AnswerSigner, PageRef
from tests.starter.answering.conftest import ALICE, AUTH_TOKEN, BOB, SLACK_ALICE, Switchboard

UNSIGNED = b"\0" * 16 + b"\xff\xff\xff\xff" + b"checkout-1\0alice\0p1/r1/s1//email-0"
"""Everything but the signature is right."""


def nothing_happened(board: Switchboard) -> None:
    """No command and no signal has left."""
    declared = [name for _, name, _, _ in board.temporal.updates if name != "declare"]
    assert declared == []
    assert board.temporal.signals == []


def test_forged_links_open_nothing_and_tell_nothing(board: Switchboard, tmp_path) -> None:
    """Another secret, a guess, a read-only link's token: 403, and not a word about the incident."""
    page = board.paged()
    link_token = board.api.app.state.services.signer.sign("checkout-1")  # type: ignore[attr-defined]
    forged = [
        AnswerSigner(tmp_path / "mine").sign(page, board.clock.now),
        base64.urlsafe_b64encode(UNSIGNED).decode().rstrip("="),
        secrets.token_urlsafe(50),
        link_token,
        "checkout-1",
    ]
    for token in forged:
        for answer in (board.api.get(f"/answer/{token}"), board.api.post(f"/answer/{token}")):
            assert answer.status_code == 403, token
            assert "not valid" in answer.text
            assert "Cards are refused" not in answer.text
            assert "Traceback" not in answer.text
    nothing_happened(board)


def test_a_page_of_one_person_is_not_anothers(board: Switchboard) -> None:
    """The person stands in the token: bob's form fields do not make alice's page his."""
    link = board.link(board.paged("alice", "", "sms", "bob"))
    board.api.post(link, data={"actor": "bob", "person": "bob", "action": "acknowledge"})
    assert [body["actor"] for _, body, _ in board.commands()] == ["alice"]


def test_a_page_of_one_incident_is_not_anothers(board: Switchboard) -> None:
    """The incident stands in the token, and the paths of the API take no such token."""
    first, second = board.paged(), board.paged()
    token = board.token(first)
    assert board.api.post(f"/answer/{token}", data={"incident": second.incident}).status_code == 200
    assert [incident for incident, _, _ in board.commands()] == [first.incident]
    headers = {"Authorization": f"Bearer {token}"}
    url = f"/api/v1/incidents/{second.incident}/acknowledge"
    assert board.api.post(url, json={"actor": "alice"}, headers=headers).status_code == 401
    assert board.api.get(f"/i/{second.incident}/{token}", headers=headers).status_code == 404


def test_a_stolen_text_message_cannot_be_sent_again(board: Switchboard) -> None:
    """The same signed request twice: STOP is switched once, and an acknowledgement is given once."""
    board.paged("alice", "", "sms")
    for text in ("ack 1", "STOP"):
        fields = {"From": ALICE, "Body": text, "MessageSid": f"SM-{text}"}
        first = board.twilio("/answer/sms", **fields)
        again = board.twilio("/answer/sms", **fields)
        assert first.status_code == again.status_code == 200
        assert again.text.endswith("<Response/>")
    assert len(board.commands()) == 1
    assert len(board.switched) == 1


@pytest.mark.parametrize(
    "change",
    [{"From": BOB}, {"Body": "ack all"}, {"Extra": "1"}, {"MessageSid": "SM2"}],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_holds_for_its_fields_only(board: Switchboard, change) -> None:
    """Another sender, another text, one field more: 403."""
    board.paged("alice", "", "sms")
    fields = {"From": ALICE, "Body": "ack 1", "MessageSid": "SM1"}
    signed = board.twilio("/answer/sms", **fields).request.headers["x-twilio-signature"]
    before = len(board.commands())
    answer = board.api.post(
        "/answer/sms", data={**fields, **change}, headers={"X-Twilio-Signature": signed}
    )
    assert answer.status_code == 403
    assert len(board.commands()) == before


def test_a_signature_holds_for_its_address_only(board: Switchboard) -> None:
    """A key press signed for one page does not answer another."""
    first, second = board.paged("alice", "", "voice"), board.paged("alice", "", "voice")
    signed = board.twilio(f"/answer/voice/{board.token(first)}", Digits="3")
    headers = {"X-Twilio-Signature": signed.request.headers["x-twilio-signature"]}
    path = f"/answer/voice/{board.token(second)}"
    assert board.api.post(path, data={"Digits": "3"}, headers=headers).status_code == 403
    nothing_happened(board)


def test_the_host_header_does_not_choose_the_address(board: Switchboard) -> None:
    """What Twilio signed is compared with our own address, not with one that the request names."""
    answer = board.twilio("/answer/sms", From=ALICE, Body="status", MessageSid="SM1")
    signed = answer.request.headers["x-twilio-signature"]
    headers = {
        "X-Twilio-Signature": signed,
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
    }
    fields = {"From": ALICE, "Body": "status", "MessageSid": "SM1"}
    assert board.api.post("/answer/sms", data=fields, headers=headers).status_code == 200
    said = "https://evil.example/answer/sms" + "".join(k + fields[k] for k in sorted(fields))
    mac = hmac.new(AUTH_TOKEN.encode(), said.encode(), hashlib.sha1).digest()
    headers["X-Twilio-Signature"] = base64.b64encode(mac).decode()
    assert board.api.post("/answer/sms", data=fields, headers=headers).status_code == 403


def test_a_slack_press_cannot_be_replayed_or_edited(board: Switchboard) -> None:
    """The same bytes again, other bytes under the old signature, the old bytes later: 403 each."""
    token = board.token(board.paged())
    first = board.slack(token)
    assert first.status_code == 200
    sent = first.request
    headers = {
        name: sent.headers[name] for name in ("x-slack-signature", "x-slack-request-timestamp")
    }
    assert board.api.post("/answer/slack", content=sent.content, headers=headers).status_code == 403
    payload = {
        "type": "block_actions", "user": {"id": SLACK_ALICE},
        "actions": [{"action_id": "escalate", "value": token}],
    }  # fmt: skip
    edited = urlencode({"payload": json.dumps(payload)})
    assert board.api.post("/answer/slack", content=edited, headers=headers).status_code == 403
    board.clock.skip(seconds=301)
    assert board.api.post("/answer/slack", content=sent.content, headers=headers).status_code == 403
    assert len(board.commands()) == 1
    assert board.commands("escalate") == []


def test_guessing_is_stopped_and_hurts_nobody_else(board: Switchboard) -> None:
    """After sixty dead links a minute an address is turned away; a good link from it still opens."""
    page = board.paged()
    codes = [board.api.get(f"/answer/{secrets.token_urlsafe(50)}").status_code for _ in range(70)]
    assert codes[:60] == [403] * 60
    assert set(codes[60:]) == {429}
    assert board.api.post(board.link(page)).status_code == 200


def test_hostile_ids_in_a_token_reach_no_other_workflow(board: Switchboard) -> None:
    """Even a token that we signed for nonsense does not speak to a desk, a postmortem or a path."""
    for incident in ("desk/checkout", "checkout-1/postmortem", "../checkout-1", "roster"):
        page = PageRef(incident, "alice", f"{incident}/p1/r1/s1/alice/email-0")
        assert board.api.post(board.link(page)).status_code in (403, 404)
        path = f"/answer/receipt/{board.token(page)}"
        assert board.twilio(path, MessageStatus="failed").status_code in (403, 404)
    nothing_happened(board)


def test_tokens_stand_in_no_log(board: Switchboard, monkeypatch) -> None:
    """Whoever reads our log cannot answer for others: an error of ours shows the path without the token."""
    token = board.token(board.paged())

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(board.desk.answering, "acknowledge", broken)
    with structlog.testing.capture_logs() as logged:
        answer = board.api.post(f"/answer/{token}")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert logged
    assert token not in str([{k: v for k, v in one.items() if k != "exc_info"} for one in logged])

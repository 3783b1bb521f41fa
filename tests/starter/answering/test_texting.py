"""Replies by text message: what each means, who may send one, and what comes back."""

from __future__ import annotations

import pytest

from domain.subscribers import SubscriberKind
from records.database import RecordsUnavailableError
from starter.answering.wishes import Asked, Wish, read_wish
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError
from tests.starter.answering.conftest import ALICE, BOB, SHARED, UNPROVEN, Switchboard


@pytest.mark.parametrize(
    ("text", "wish", "which"),
    [
        ("ack", Wish.ACK, ""),
        ("ACK", Wish.ACK, ""),
        (" Ack. ", Wish.ACK, ""),
        ("acknowledge", Wish.ACK, ""),
        ("yes", Wish.ACK, ""),
        ("Yes!", Wish.ACK, ""),
        ("1", Wish.ACK, ""),
        ("ack 17", Wish.ACK, "17"),
        ("ACK #17", Wish.ACK, "17"),
        ("ack checkout-17", Wish.ACK, "checkout-17"),
        ("Ack Checkout-17.", Wish.ACK, "checkout-17"),
        ("ack all", Wish.ACK_ALL, ""),
        ("ACK ALL", Wish.ACK_ALL, ""),
        ("escalate 17", Wish.ESCALATE, "17"),
        ("escalate", Wish.ESCALATE, ""),
        ("status", Wish.STATUS, ""),
        ("Status?", Wish.STATUS, ""),
        ("help", Wish.HELP, ""),
        ("STOP", Wish.STOP, ""),
        ("stopall", Wish.STOP, ""),
        ("Unsubscribe", Wish.STOP, ""),
        ("start", Wish.START, ""),
        ("UNSTOP", Wish.START, ""),
        ("2", Wish.JUNK, ""),
        ("17", Wish.JUNK, ""),
        ("ack 0", Wish.JUNK, ""),
        ("ack -1", Wish.JUNK, ""),
        ("ack 17 18", Wish.JUNK, ""),
        ("do not ack 17", Wish.JUNK, ""),
        ("not yes", Wish.JUNK, ""),
        ("escalate all", Wish.JUNK, ""),
        ("status 17", Wish.JUNK, ""),
        ("stop it", Wish.JUNK, ""),
        ("ack ١٧", Wish.JUNK, ""),
        ("ack ../../x-1", Wish.JUNK, ""),
        ("", Wish.JUNK, ""),
        ("   ", Wish.JUNK, ""),
        ("\x00", Wish.JUNK, ""),
        ("ack " + "9" * 400, Wish.JUNK, ""),
        ("Call me when you read this", Wish.JUNK, ""),
    ],
)
def test_grammar(text, wish, which) -> None:
    """A small grammar: what is not in it is junk, never a guess."""
    assert read_wish(text) == Asked(wish, which)


@pytest.mark.parametrize("text", ["ack 1", "ACK checkout-1", "ack", "yes", "1"])
def test_a_reply_acknowledges(board: Switchboard, text) -> None:
    """By number, by the whole id, or bare for the last page; the reply names the incident."""
    page = board.paged("alice", "", "sms")
    assert board.text(text).startswith("Acknowledged checkout-1 SEV1: Cards are refused")
    ((incident, body, key),) = board.commands()
    assert (incident, body["actor"], body["via"], body["page"]) == (
        "checkout-1", "alice", "sms", page.key,
    )  # fmt: skip
    assert key == "acknowledge/answer/p1/r1/s1/alice"
    assert len(board.facts("checkout-1", "acknowledged")) == 1


def test_a_bare_reply_is_the_last_text_that_arrived(board: Switchboard) -> None:
    """Not a later page by mail, and not one that never reached the person."""
    board.paged("alice", board.raised(), "sms")
    meant = board.paged("alice", board.raised(), "sms")
    board.paged("alice", board.raised(), "email")
    board.paged("alice", board.raised(), "sms", state="failed")
    assert board.text("ack").startswith("Acknowledged checkout-2")
    assert [body["page"] for _, body, _ in board.commands()] == [meant.key]


def test_a_bare_reply_to_a_bundle_is_asked_back(board: Switchboard) -> None:
    """One message named two incidents: none is taken by a guess."""
    for _ in range(2):
        board.paged("alice", board.raised(), "sms", bundle="b1")
    reply = board.text("ack")
    assert "named several" in reply
    assert "ACK ALL" in reply
    assert board.commands() == []
    assert len(board.text("ack all").splitlines()) == 2


def test_the_same_number_twice_is_asked_back(board: Switchboard) -> None:
    """Nothing is acknowledged by a guess: both are listed, and the whole id works."""
    board.paged("alice", board.raised("checkout"), "sms")
    board.paged("alice", board.raised("search"), "sms")
    reply = board.text("ack 1")
    assert "not clear" in reply
    assert "checkout-1" in reply
    assert "search-1" in reply
    assert "Reply ACK with the whole id, or ACK ALL" in reply
    assert "Reply ESCALATE with the whole id." in board.text("escalate 1")
    assert board.commands() == []
    assert board.text("ack search-1").startswith("Acknowledged search-1")


def test_a_number_that_nobody_was_paged_for(board: Switchboard) -> None:
    """The reply lists what there is; nothing happens."""
    assert "nothing to answer" in board.text("ack 1")
    board.paged("alice", "", "sms")
    board.paged("bob", board.raised(), "sms")
    assert board.text("ack 2") == "You were not paged for 2. You were paged for checkout-1."
    assert board.commands() == []


def test_everything_at_once(board: Switchboard) -> None:
    """`ack all` takes every open incident that the person was paged for, and no other."""
    for number in range(3):
        board.paged("alice", board.raised(summary=f"Broken {number}"), "sms")
    board.paged("bob", board.raised(), "sms")
    url = "/api/v1/incidents/checkout-2/cancel"
    board.api.post(url, json={"reason": "no", "actor": "bob"})
    reply = board.text("ACK ALL")
    assert sorted(line.split()[1] for line in reply.splitlines()) == ["checkout-1", "checkout-3"]
    assert board.facts("checkout-4", "acknowledged") == []


def test_status_lists_what_is_open(board: Switchboard) -> None:
    """Each open incident of the person with who has it; nothing changes."""
    assert "no incident that is still open" in board.text("status")
    board.paged("alice", "", "sms")
    assert board.text("status") == "checkout-1 SEV1 raised, nobody has it: Cards are refused"
    assert board.commands() == []


def test_escalating_by_reply(board: Switchboard) -> None:
    """The next step's people are paged, with the reason."""
    board.paged("alice", "", "sms")
    assert board.text("escalate 1") == "checkout-1 is escalated to team:payments."
    ((_, body, _),) = board.commands("escalate")
    assert (body["actor"], body["to"]) == ("alice", "team:payments")


def test_a_second_reply_says_that_it_is_done(board: Switchboard) -> None:
    """By the same person, and after somebody else: no second fact either way."""
    board.paged("alice", "", "sms", "bob")
    board.text("ack 1")
    assert board.text("ack 1") == "checkout-1: already acknowledged by you at 12:00 UTC."
    board.paged("bob", "checkout-1", "sms")
    assert "already acknowledged by alice at 12:00 UTC" in board.text("ack 1", BOB)
    assert len(board.facts("checkout-1", "acknowledged")) == 1


def test_a_message_that_comes_twice_counts_once(board: Switchboard) -> None:
    """A signed request that is sent again brings no second reply and no second command."""
    board.paged("alice", "", "sms")
    sid = "SM" + "0" * 32
    assert board.text("ack 1", sid=sid)
    assert board.text("ack 1", sid=sid) == ""
    assert len(board.commands()) == 1


@pytest.mark.parametrize("sender", ["+19995550000", SHARED, UNPROVEN, "", "Tocsin", "+"])
def test_an_unknown_sender_is_ignored(board: Switchboard, sender) -> None:
    """A stranger, a number of two people, one that nobody has verified: no reply and no effect."""
    board.paged("alice", "", "sms")
    assert board.text("ack 1", sender) == ""
    assert board.text("help", sender) == ""
    assert board.text("STOP", sender) == ""
    assert board.commands() == []
    assert board.switched == []
    assert 'outcome="unknown_sender",via="sms"} 3.0' in board.api.get("/metrics").text


def test_a_voice_contact_says_who_writes_too(board: Switchboard) -> None:
    """People write from the telephone that is called."""
    board.paged("bob", "", "voice")
    assert board.text("ack 1", BOB).startswith("Acknowledged checkout-1")


def test_stop_and_start_switch_text_messages_only(board: Switchboard) -> None:
    """The roster is told, and the person hears what still reaches them."""
    assert "you are paged by email, slack" in board.text("STOP")
    assert "again" in board.text("START")
    assert board.switched == [("alice", "sms", False), ("alice", "sms", True)]


def test_stop_that_cannot_be_kept_says_so(board: Switchboard, gateway, monkeypatch) -> None:
    """Nobody may believe that they are off the list, or on it, when they are not."""

    async def away(*_: object) -> None:
        raise GatewayUnavailableError("away")

    monkeypatch.setattr(gateway, "set_contact", away)
    assert board.text("stop").startswith("Not done")


def test_junk_is_answered_five_times_an_hour(board: Switchboard) -> None:
    """Two machines must not write to each other for ever; what means something still works."""
    board.paged("alice", "", "sms")
    replies = [board.text("out of office") for _ in range(8)]
    assert [bool(reply) for reply in replies] == [True] * 5 + [False] * 3
    assert "ACK 17" in replies[0]
    assert board.text("ack 1").startswith("Acknowledged")


def test_without_records_the_whole_id_works(board: Switchboard, records, monkeypatch) -> None:
    """What a number means is not known then, and the reply says what to send instead."""
    board.paged("alice", "", "sms")

    def away(*_: object) -> None:
        raise RecordsUnavailableError("locked")

    monkeypatch.setattr(records.reader, "pages_to", away)
    assert "whole id" in board.text("ack 1")
    assert board.commands() == []
    assert board.text("ack checkout-1") == "Acknowledged checkout-1."


def test_without_a_worker_the_reply_says_that_it_is_kept(board: Switchboard) -> None:
    """Kept is not done, and the words say so."""
    board.paged("alice", "", "sms")
    board.temporal.update_error = NotAnsweredError("no worker")
    assert board.text("ack 1") == "checkout-1: kept, and done as soon as a worker is up."
    board.temporal.update_error = GatewayUnavailableError("away")
    assert "NOT done" in board.text("ack 1")


def test_one_number_cannot_flood(board: Switchboard) -> None:
    """Thirty messages a minute are answered, the rest is dropped without work."""
    board.paged("alice", "", "sms")
    replies = [board.text("status") for _ in range(32)]
    assert [bool(reply) for reply in replies] == [True] * 30 + [False] * 2
    assert board.text("status", BOB)


def test_markup_in_a_summary_stays_text(board: Switchboard) -> None:
    """A summary from outside must not end the XML that carries the reply."""
    board.paged("alice", board.raised(summary="</Message><Redirect>x</Redirect>"), "sms")
    answer = board.twilio("/answer/sms", From=ALICE, Body="ack", MessageSid="SM1").text
    assert "<Redirect>" not in answer
    assert "&lt;Redirect&gt;" in answer


def test_a_subscriber_who_writes_stop_is_forgotten(board: Switchboard, tmp_path) -> None:
    """Any other word leaves them; with the records away the vendor's own block is what counts."""
    desk = board.api.app.state.services.subscriptions  # type: ignore[attr-defined]
    number, now = "+19995550000", board.clock.now
    desk.book.ask("reader-kim", SubscriberKind.SMS, number, None, now)
    desk.book.confirm("reader-kim", now)
    assert board.text("hello", number) == ""
    assert desk.book.find("reader-kim") is not None
    assert board.text("Stop.", number) == ""
    assert desk.book.find("reader-kim") is None
    (tmp_path / "records.db").unlink()
    assert board.text("STOP", number) == ""
    assert "you are paged by email" in board.text("STOP")

"""The page behind a link: opening it changes nothing, its button acknowledges once, dead links say why."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from starter.security import PageRef
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError
from tests.starter.answering.conftest import Switchboard

EVIL = "<script>alert(1)</script>"


def test_a_page_shows_the_incident_and_its_button(board: Switchboard, stranger) -> None:
    """What, how bad, which service, since when, who else was paged, who has it; no token of the API."""
    page = board.paged("alice", "", "sms", "bob")
    answer = stranger.get(board.link(page))
    assert answer.status_code == 200
    for said in ("checkout-1", "SEV1", "Cards are refused", "Checkout", "nobody yet", "Alice Ng, Bob Ito",
                 "2026-11-24 12:00 UTC", ">Acknowledge</button>", "Escalate"):  # fmt: skip
        assert said in answer.text, said
    assert "<script" not in answer.text
    assert 'name="viewport"' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "script-src" not in policy
    assert "set-cookie" not in answer.headers


def test_texts_are_escaped(board: Switchboard) -> None:
    """A summary comes from a machine outside."""
    page = board.paged("alice", board.raised(summary=EVIL))
    shown = board.api.get(board.link(page)).text
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_a_mail_scanner_leaves_the_page_unacknowledged(board: Switchboard) -> None:
    """Fifty GETs and HEADs change nothing, and the person's press after them counts."""
    page = board.paged()
    link = board.link(page)
    for _ in range(50):
        assert board.api.get(link).status_code == 200
        assert board.api.head(link).status_code == 200
    assert board.commands() == []
    assert board.temporal.signals == []
    assert board.temporal.incidents[page.incident].status == "raised"
    assert board.api.post(link).status_code == 200
    assert board.temporal.incidents[page.incident].status == "fixing"


def test_pressing_the_button_acknowledges(board: Switchboard) -> None:
    """By the command of everybody, which says who, by what, and which page was answered."""
    page = board.paged()
    answer = board.api.post(board.link(page), data={"action": "acknowledge"})
    assert answer.status_code == 200
    assert "Acknowledged" in answer.text
    assert "You have checkout-1" in answer.text
    assert ">Acknowledge</button>" not in answer.text
    ((incident, body, _),) = board.commands()
    assert incident == "checkout-1"
    assert {k: body[k] for k in ("actor", "via", "page")} == {
        "actor": "alice", "via": "link", "page": page.key,
    }  # fmt: skip
    (fact,) = board.facts("checkout-1", "acknowledged")
    assert fact.actor == "alice"


def test_a_second_press_adds_nothing_and_says_when_the_first_was(board: Switchboard) -> None:
    """One fact, whichever of their messages the person presses in."""
    page = board.paged()
    other = PageRef(page.incident, "alice", page.key.replace("email-0", "sms-1"))
    link = board.link(page)
    board.api.post(link)
    for again in (link, board.link(other)):
        answer = board.api.post(again)
        assert answer.status_code == 200
        assert "Already acknowledged by you at 2026-11-24 12:00 UTC" in answer.text
    assert len(board.facts("checkout-1", "acknowledged")) == 1
    opened = board.api.get(link)
    assert opened.status_code == 200
    assert "Already acknowledged by you" in opened.text


def test_a_double_click_is_one_acknowledgement(board: Switchboard) -> None:
    """Two presses at the same time carry one key, and so become one fact."""
    link = board.link(board.paged())
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: board.api.post(link).status_code, range(2)))
    assert answers == [200, 200]
    assert len({key for _, _, key in board.commands()}) == 1
    assert len(board.facts("checkout-1", "acknowledged")) == 1


def test_a_page_that_somebody_else_took_is_stale(board: Switchboard) -> None:
    """409 that names who has it, when, and how to join them; nothing is added."""
    page = board.paged("alice", "", "sms", "bob")
    board.api.post("/api/v1/incidents/checkout-1/acknowledge", json={"actor": "bob", "via": "cli"})
    for answer in (board.api.get(board.link(page)), board.api.post(board.link(page))):
        assert answer.status_code == 409
        assert "bob has acknowledged at 2026-11-24 12:00 UTC" in answer.text
        assert "tocsin join checkout-1 --as alice" in answer.text
        assert ">Acknowledge</button>" not in answer.text
    assert [fact.actor for fact in board.facts("checkout-1", "acknowledged")] == ["bob"]


@pytest.mark.parametrize(
    ("command", "body", "said"),
    [
        ("cancel", {"reason": "a test"}, "checkout-1 is cancelled"),
        ("resolve", {"summary": "mended"}, "checkout-1 is resolved"),
    ],
)
def test_a_page_of_an_incident_that_is_over_is_stale(board, command, body, said) -> None:
    """409 with what became of it; nothing is acknowledged."""
    page = board.paged()
    url = f"/api/v1/incidents/checkout-1/{command}"
    assert board.api.post(url, json={**body, "actor": "bob"}).status_code == 200
    answer = board.api.post(board.link(page))
    assert answer.status_code == 409
    assert said in answer.text
    assert board.facts("checkout-1", "acknowledged") == []


def test_a_page_whose_acknowledgement_was_taken_back_is_stale(board: Switchboard) -> None:
    """Whoever opens the old message is sent to the new one, instead of hearing that all is well."""
    page = board.paged()
    board.api.post(board.link(page))
    incident = board.temporal.incidents["checkout-1"]
    incident.status = type(incident.status)("raised")
    answer = board.api.get(board.link(page))
    assert answer.status_code == 409
    assert "answer the newer page" in answer.text


@pytest.mark.parametrize(
    "page",
    [
        PageRef("checkout-1", "zoe", "checkout-1/p1/r1/s1/zoe/email-0"),
        PageRef("checkout-1", "dana", "checkout-1/p1/r1/s1/dana/email-0"),
        PageRef("checkout-1", "alice", "checkout-1/p7/r1/s1/alice/email-0"),
        PageRef("checkout-9", "alice", "checkout-9/p1/r1/s1/alice/email-0"),
    ],
    ids=["left the policy", "never paged", "no such page run", "no such incident"],
)
def test_a_foreign_page_tells_nothing_and_does_nothing(board, page) -> None:
    """403 that says so, without a word about the incident."""
    board.paged()
    for answer in (board.api.get(board.link(page)), board.api.post(board.link(page))):
        assert answer.status_code == 403
        assert "not yours to answer" in answer.text
        assert "Cards are refused" not in answer.text
    assert board.commands() == []


def test_an_expired_link_says_what_to_do(board: Switchboard) -> None:
    """410 at the second it expires in; the command line still works."""
    page = board.paged()
    link = board.link(page)
    board.clock.skip(minutes=29, seconds=59)
    assert board.api.get(link).status_code == 200
    board.clock.skip(seconds=1)
    for answer in (board.api.get(link), board.api.post(link)):
        assert answer.status_code == 410
        assert "tocsin ack checkout-1 --as alice" in answer.text
    assert board.commands() == []


def test_escalating_asks_first(board: Switchboard) -> None:
    """It wakes other people: one press shows a question, the second pages the next step's people."""
    link = board.link(board.paged())
    asked = board.api.post(link, data={"action": "escalate"})
    assert asked.status_code == 200
    assert "Escalate this page?" in asked.text
    assert board.commands("escalate") == []
    done = board.api.post(link, data={"action": "escalate", "confirm": "yes"})
    assert done.status_code == 200
    assert "Paged now: team:payments" in done.text
    assert ">Acknowledge</button>" in done.text
    ((_, body, _),) = board.commands("escalate")
    assert (body["actor"], body["to"]) == ("alice", "team:payments")
    board.api.post(link, data={"action": "escalate", "confirm": "yes"})
    assert len(board.facts("checkout-1", "escalated")) == 1


def test_escalating_the_last_step_pages_the_catch_all(board: Switchboard) -> None:
    """There is always somebody to pass it on to."""
    page = board.paged("alice", step=3)
    board.api.post(board.link(page), data={"action": "escalate", "confirm": "yes"})
    ((_, body, _),) = board.commands("escalate")
    assert body["to"] == "person:carol"


def test_without_a_worker_the_answer_is_kept(board: Switchboard) -> None:
    """202 that says so: the command was left as a signal under the same key."""
    page = board.paged()
    board.temporal.update_error = NotAnsweredError("no worker")
    answer = board.api.post(board.link(page))
    assert answer.status_code == 202
    assert "Your answer is kept" in answer.text
    ((incident, name, body),) = board.temporal.signals
    assert (incident, name, body["actor"]) == ("checkout-1", "acknowledge", "alice")


def test_without_temporal_the_person_is_told_that_nothing_was_kept(board: Switchboard) -> None:
    """503, in words that nobody can take for an acknowledgement, and the button is still there."""
    page = board.paged()
    board.temporal.update_error = GatewayUnavailableError("away")
    board.temporal.query_error = GatewayUnavailableError("away")
    answer = board.api.post(board.link(page))
    assert answer.status_code == 503
    assert "NOT acknowledged" in answer.text
    assert ">Acknowledge</button>" in answer.text
    assert "Cards are refused" in answer.text  # from the records


def test_a_link_can_be_pressed_only_so_often(board: Switchboard) -> None:
    """A client that has gone wild is stopped at its own link, and nobody else's."""
    link, other = board.link(board.paged()), board.link(board.paged())
    codes = [board.api.post(link).status_code for _ in range(25)]
    assert codes[-1] == 429
    assert codes.count(200) == 20
    assert board.api.post(other).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"action": "resolve"}, 422), ({}, 200), ({"action": "acknowledge", "x": "y"}, 200)],
)
def test_only_the_buttons_of_the_page_do_something(board, fields, status) -> None:
    """An unknown action changes nothing and is refused; a bare POST is the button."""
    assert board.api.post(board.link(board.paged()), data=fields).status_code == status
    assert len(board.commands()) == (status == 200)


def test_large_bodies_and_queries_are_refused(board: Switchboard) -> None:
    """Nothing over 64 KiB is read, and nothing in the query means anything."""
    link = board.link(board.paged())
    assert board.api.post(link, content=b"x" * 70_000).status_code == 413
    assert board.api.get(f"{link}?action=acknowledge").status_code == 422
    assert board.commands() == []


def test_the_link_is_short_enough_for_a_text_message(board: Switchboard) -> None:
    """Incident, person, page, expiry and 128 bits of signature in fewer characters than one part."""
    token = board.token(board.paged("alice", "", "sms"))
    assert len(token) < 90
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)


def bundled(board: Switchboard, channel: str = "email") -> list[PageRef]:
    """One message to alice with the pages of two incidents, and a page of a third beside it."""
    first = board.paged("alice", "", channel, bundle="alice/1")
    second = board.paged("alice", board.raised("search"), channel, bundle="alice/1")
    board.paged("alice", board.raised("database"), channel)
    return [first, second]


def test_the_link_of_a_message_with_several_pages_offers_one_and_all(board: Switchboard) -> None:
    """Acknowledge takes the one that goes first; the other is named, and stays open."""
    first, _ = bundled(board)
    shown = board.api.get(board.link(first)).text
    assert ">Acknowledge checkout-1</button>" in shown
    assert ">Acknowledge all 2 of this message</button>" in shown
    assert "<dd>search-1</dd>" in shown
    assert "database-1" not in shown
    assert board.commands() == []
    pressed = board.api.post(board.link(first), data={"action": "acknowledge"}).text
    assert "You have checkout-1" in pressed
    assert ">Acknowledge all 2 of this message</button>" in pressed
    assert [incident for incident, _, _ in board.commands()] == ["checkout-1"]
    assert board.temporal.incidents["search-1"].status == "raised"


def test_all_of_a_message_are_acknowledged_by_one_press(board: Switchboard) -> None:
    """Each by its own page, once; what somebody else has is said; no other incident is touched."""
    first, second = bundled(board)
    pressed = board.api.post(board.link(first), data={"action": "acknowledge_all"})
    assert pressed.status_code == 200
    assert "checkout-1: you have it. search-1: you have it." in pressed.text
    assert "<button" not in pressed.text
    assert sorted((incident, body["page"]) for incident, body, _ in board.commands()) == [
        ("checkout-1", first.key), ("search-1", second.key),
    ]  # fmt: skip
    again = board.api.post(board.link(second), data={"action": "acknowledge_all"})
    assert "search-1: you had it already. checkout-1: you had it already." in again.text
    assert len(board.commands()) == 2
    assert board.temporal.incidents["database-1"].status == "raised"


def test_all_of_a_message_without_temporal_says_which_are_not_done(board: Switchboard) -> None:
    """503 that nobody can take for an acknowledgement, and the button is still there."""
    first, _ = bundled(board)
    board.temporal.update_error = GatewayUnavailableError("away")
    pressed = board.api.post(board.link(first), data={"action": "acknowledge_all"})
    assert pressed.status_code == 503
    assert pressed.text.count("NOT acknowledged, press again") == 2
    assert ">Acknowledge all 2 of this message</button>" in pressed.text

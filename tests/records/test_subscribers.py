"""Subscribers in the records, and the ledger that keeps an update from reaching anybody twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from domain.subscribers import MOST_FAILURES, Subscriber, SubscriberKind, SubscriberState, Told
from records import subscribers as module
from records.subscribers import Outcome, SubscriberBook, TooManySubscribersError

NOW = datetime(2026, 11, 24, 14, 7, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
EMAIL, WEBHOOK = SubscriberKind.EMAIL, SubscriberKind.WEBHOOK
KEY = "checkout-1/update/external/1/subscribers/subscribers"


@pytest.fixture
def book(engine: Engine) -> SubscriberBook:
    return SubscriberBook(engine)


def subscribed(
    book: SubscriberBook, *names: str, components: list[str] | None = None
) -> list[Subscriber]:
    """People who have confirmed."""
    found = []
    for name in names:
        asked = book.ask(f"id-{name}", EMAIL, f"{name}@example.com", components, NOW)
        confirmed = book.confirm(asked.id, NOW)
        assert confirmed is not None
        found.append(confirmed)
    return found


def test_an_address_is_one_subscriber(book: SubscriberBook) -> None:
    """Whoever asks twice has one entry, with what was chosen last, until it is confirmed."""
    first = book.ask("a", EMAIL, "kim@example.com", None, NOW)
    again = book.ask("b", EMAIL, "kim@example.com", ["c1"], LATER)
    assert (first.id, again.id, again.components) == ("a", "a", ["c1"])
    assert book.confirm("a", LATER) is not None
    # A stranger who types the address changes nothing for whoever confirmed it.
    assert book.ask("c", EMAIL, "kim@example.com", None, LATER).components == ["c1"]
    assert book.find("a") == again.model_copy(
        update={"state": SubscriberState.ACTIVE, "confirmed_at": LATER}
    )


def test_two_who_ask_at_once_are_one(book: SubscriberBook) -> None:
    """The button pressed twice is one entry, whichever was faster."""
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(book.ask, f"id-{n}", EMAIL, "kim@example.com", None, NOW) for n in range(4)
        ]
        assert len({one.result().id for one in asked}) == 1


def test_whoever_does_not_confirm_is_forgotten(book: SubscriberBook) -> None:
    """After 48 hours the address is gone, and its link confirms nothing."""
    book.ask("a", EMAIL, "kim@example.com", None, NOW)
    late = NOW + timedelta(hours=48)
    assert book.confirm("a", late) is None
    assert book.forget_pending(late - timedelta(seconds=1)) == 0
    assert book.forget_pending(late) == 1
    assert book.find("a") is None


def test_an_address_that_bounced_stays_silent(book: SubscriberBook) -> None:
    """It is kept in order not to be written to, and no link brings it back."""
    subscribed(book, "kim")
    assert book.suppress(EMAIL, "KIM@example.com", "bounced") == "id-kim"
    assert book.suppress(EMAIL, "nobody@example.com", "bounced") is None
    gone = book.ask("new", EMAIL, "kim@example.com", None, LATER)
    assert (gone.state, gone.reason) == (SubscriberState.GONE, "bounced")
    assert book.confirm("id-kim", LATER) is None
    assert book.begin(KEY, "c1", NOW).everybody == 0


def test_there_is_an_end_to_it(book: SubscriberBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of addresses that nobody confirms is stopped, and takes no room from others for long."""
    monkeypatch.setattr(module, "MOST_PENDING", 1)
    book.ask("a", EMAIL, "a@example.com", None, NOW)
    for address in ("b@example.com", "a@example.com"):  # nobody learns from it who is known
        with pytest.raises(TooManySubscribersError):
            book.ask("b", EMAIL, address, None, NOW)
    book.ask("b", EMAIL, "b@example.com", None, NOW + timedelta(hours=48))


def test_only_those_of_the_component_are_told(book: SubscriberBook) -> None:
    """All, or those who chose it; nobody who left, nobody who has not confirmed."""
    subscribed(book, "all")
    subscribed(book, "one", components=["c1"])
    subscribed(book, "other", components=["c2"])
    subscribed(book, "left")
    book.ask("pending", EMAIL, "pending@example.com", None, NOW)
    assert book.begin(KEY, "c1", NOW).everybody == 3
    book.forget("id-left")
    assert book.begin(KEY, "c1", NOW).everybody == 3, "who was noted stays noted"
    claimed = book.claim(KEY, 10, 1, LATER)
    assert {one.id for one in claimed} == {"id-all", "id-one"}
    assert book.tally(KEY, LATER).counts == {Told.SENDING: 2, Told.WITHDRAWN: 1}


def test_nobody_is_claimed_twice(book: SubscriberBook) -> None:
    """Attempts that run side by side never take the same one."""
    subscribed(book, *(f"p{n}" for n in range(20)))
    book.begin(KEY, "c1", NOW)
    with ThreadPoolExecutor(4) as pool:
        chunks = [pool.submit(book.claim, KEY, 5, 1, LATER) for _ in range(8)]
        ids = [one.id for chunk in chunks for one in chunk.result()]
    assert len(ids) == len(set(ids)) == 20
    assert book.claim(KEY, 5, 1, LATER) == []


def test_what_a_dead_worker_began_is_uncertain(book: SubscriberBook) -> None:
    """It is neither sent again nor called sent; what was not begun goes on."""
    subscribed(book, "a", "b")
    book.begin(KEY, "c1", NOW)
    assert len(book.claim(KEY, 1, 1, NOW)) == 1
    assert book.tally(KEY, NOW + timedelta(seconds=60)).counts[Told.SENDING] == 1
    late = NOW + timedelta(seconds=91)
    assert book.tally(KEY, late).counts == {Told.UNCERTAIN: 1, Told.WAITING: 1}
    assert len(book.claim(KEY, 10, 1, late)) == 1


def test_who_failed_for_now_has_a_turn_in_the_next_attempt(book: SubscriberBook) -> None:
    """Not in the same one, which would do nothing else any more."""
    subscribed(book, "a")
    book.begin(KEY, "c1", NOW)
    book.claim(KEY, 10, 1, NOW)
    book.settle(KEY, {"id-a": Outcome(Told.WAITING, "rate_limited")}, LATER)
    assert book.claim(KEY, 10, 1, LATER) == []
    begun = book.begin(KEY, "c1", NOW)
    assert begun.turn == 2, "whatever the clock says"
    assert len(book.claim(KEY, 10, begun.turn, LATER)) == 1


def test_a_webhook_that_misses_ten_updates_is_dead(book: SubscriberBook) -> None:
    """One that answers again begins to count anew; an address of mail is judged by its bounces."""
    hook = book.ask("w", WEBHOOK, "https://hooks.example.com/", None, NOW)
    book.confirm(hook.id, NOW)
    subscribed(book, "kim")
    for number in range(MOST_FAILURES):
        bad = {"w": Outcome(Told.FAILED, "rejected"), "id-kim": Outcome(Told.FAILED, "rejected")}
        book.settle(f"k{number}", bad, NOW)
        if number == 0:
            book.settle("good", {"w": Outcome(Told.SENT)}, NOW)
    assert [book.find(one).state for one in ("w", "id-kim")] == ["active", "active"]  # type: ignore[union-attr]
    book.settle("last", {"w": Outcome(Told.FAILED, "rejected")}, NOW)
    dead = book.find("w")
    assert dead is not None
    assert (dead.state, dead.reason) == (SubscriberState.GONE, "dead")


def test_news_of_the_vendor_is_kept(book: SubscriberBook) -> None:
    """Delivered or bounced, of what was sent; nothing of what has not been begun."""
    subscribed(book, "a", "b")
    book.begin(KEY, "c1", NOW)
    book.hear(KEY, "id-a", Outcome(Told.DELIVERED), LATER)
    assert book.tally(KEY, LATER).counts == {Told.WAITING: 2}
    book.claim(KEY, 10, 1, NOW)
    book.settle(KEY, {"id-a": Outcome(Told.SENT), "id-b": Outcome(Told.UNCERTAIN)}, NOW)
    book.hear(KEY, "id-a", Outcome(Told.FAILED, "bounced"), LATER)
    book.hear(KEY, "id-b", Outcome(Told.DELIVERED), LATER)
    tally = book.tally(KEY, LATER)
    assert tally.counts == {Told.FAILED: 1, Told.DELIVERED: 1}
    assert tally.reasons == {"bounced": 1}


def test_a_vendor_that_is_faster_than_we_note_has_the_last_word(book: SubscriberBook) -> None:
    """A bounce that comes before the attempt is noted is not written over by it."""
    subscribed(book, "a", "b")
    book.begin(KEY, "c1", NOW)
    book.claim(KEY, 10, 1, NOW)
    book.hear(KEY, "id-a", Outcome(Told.FAILED, "bounced"), NOW)
    book.settle(KEY, {"id-a": Outcome(Told.SENT), "id-b": Outcome(Told.SENT)}, LATER)
    assert book.tally(KEY, LATER).counts == {Told.FAILED: 1, Told.SENT: 1}


def test_who_bounced_while_confirming_is_not_written_to(
    book: SubscriberBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that is opened in the moment of the bounce revives nobody."""
    waiting = book.ask("id-a", EMAIL, "a@example.com", None, NOW)
    book.suppress(EMAIL, "a@example.com", "bounced")
    seen = iter([waiting])
    look = book.find
    monkeypatch.setattr(book, "find", lambda id_: next(seen, None) or look(id_))
    assert book.confirm("id-a", LATER) is None


def test_the_ledger_forgets(book: SubscriberBook) -> None:
    """Who got what is kept for thirty days."""
    subscribed(book, "a")
    book.begin("old", "c1", NOW)
    book.begin(KEY, "c1", NOW + timedelta(days=31))
    assert book.tally("old", NOW).counts == {}
    assert book.tally(KEY, NOW).counts == {Told.WAITING: 1}


def test_operators_see_how_many_there_are(book: SubscriberBook) -> None:
    """The newest first, with the counts of all of them."""
    subscribed(book, "a", "b")
    book.ask("p", EMAIL, "p@example.com", None, LATER)
    found, counts = book.all(limit=1)
    assert ([one.id for one in found], counts) == (["p"], {"active": 2, "pending": 1})

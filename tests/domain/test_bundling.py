"""What of one person's later pages goes out now, as one message, and what waits; nothing is dropped."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.bundling import GATHER, HandedPage, PagingLimits, Waiting, free_at, plan
from domain.messages import Delivery, DeliveryState, PageText, SendPage
from domain.person_pages import BundleSent, PersonState, RankNotice, SendBundle
from domain.policy.model import Limits
from domain.policy.throttle import default_throttles
from tests.factories import T0, minutes

SECOND = timedelta(seconds=1)
WINDOW = 30 * SECOND
LIMITS = PagingLimits(window=WINDOW, throttles=Limits().throttles)


def a_page(
    incident: str = "checkout-1", *, channel: str = "sms", key: str = "", **fields: Any
) -> HandedPage:
    """A page of round 2 to alice."""
    handed = {"severity": "SEV1", "is_first": False, "contact": 0} | {
        name: fields.pop(name) for name in ("severity", "is_first", "contact") if name in fields
    }
    return HandedPage(
        page=SendPage(
            key=key or f"{incident}/p1/r2/s1/alice/{channel}-{handed['contact']}",
            incident_id=incident,
            person="alice",
            channel=channel,
            text=PageText(subject=f"page of {incident}", text="whole text", html="<p>whole</p>"),
            **handed,
        ),
        priority=fields.pop("priority", "P1"),
        raised_at=fields.pop("raised_at", T0),
        limits=fields.pop("limits", LIMITS),
        **fields,
    )


class Alice:
    """The entity of alice, driven by hand."""

    def __init__(self, *pages: HandedPage, at: datetime = T0) -> None:
        self.state = PersonState(person="alice")
        self.left: list[SendBundle] = []
        self.take(*pages, at=at)

    def take(self, *pages: HandedPage, at: datetime = T0) -> None:
        for page in pages:
            self.state.take(page, at)

    def look(self, at: datetime) -> datetime | None:
        """What is due leaves; answers when to look again."""
        decided = self.state.plan(at)
        self.under_way = [(self.state.begin(bundle, at), at) for bundle in decided.send]
        self.left += [request for request, _ in self.under_way]
        return decided.look_at

    def answer(self, at: datetime, state: str = "sent", **fields: Any) -> None:
        """The vendor's answer to everything that is under way."""
        for request, began in self.under_way:
            deliveries = [
                Delivery(
                    key=page.page.key, recipient="person:alice", channel=request.channel,
                    state=DeliveryState(state), bundle=request.bundle, **fields,
                )
                for page in request.pages
            ]  # fmt: skip
            self.state.end(request, BundleSent(deliveries=deliveries), began, at)

    def sends(self, at: datetime) -> None:
        self.look(at)
        self.answer(at)

    def told(self) -> list[tuple[str, Any]]:
        """What incidents were told since last asked: who, and state or instant."""
        words, self.state.words = self.state.words, []
        return [
            (w.incident, w.outcome.delivery.state.value if w.outcome.delivery else w.outcome.holds_until)
            for w in words
        ]  # fmt: skip

    def named(self) -> list[list[str]]:
        return [[page.page.incident_id for page in request.pages] for request in self.left]


def test_four_incidents_at_once_make_one_message_in_rank_order() -> None:
    """4 incidents page one person within the window: nothing leaves before its end, then one message."""
    alice = Alice(a_page("checkout-1", priority="P2"))
    alice.take(a_page("search-1", priority="P1"), at=T0 + 5 * SECOND)
    alice.take(a_page("api-1", priority="P1", severity="SEV2"), at=T0 + 10 * SECOND)
    alice.take(a_page("cart-1", priority="P3"), at=T0 + 29 * SECOND)
    assert alice.look(T0 + 29 * SECOND) == T0 + WINDOW
    assert alice.left == []
    alice.sends(T0 + WINDOW)
    assert alice.named() == [["search-1", "api-1", "checkout-1", "cart-1"]]
    assert alice.look(T0 + minutes(60)) is None
    assert len(alice.left) == 1
    told = [word for word in alice.told() if word[1] == "sent"]
    assert sorted(told) == [(i, "sent") for i in ("api-1", "cart-1", "checkout-1", "search-1")]
    assert alice.state.is_idle


def test_each_incident_is_told_until_when_its_page_waits() -> None:
    """A promise at once, so that the incident does not page by itself; it is not repeated."""
    alice = Alice(a_page(), a_page("search-1"))
    alice.look(T0)
    assert alice.told() == [("checkout-1", T0 + WINDOW), ("search-1", T0 + WINDOW)]
    alice.look(T0 + 10 * SECOND)
    assert alice.told() == []


def test_a_single_page_leaves_soon_and_as_it_is() -> None:
    """Nobody else pages: after a moment for company the page goes out with its own text."""
    alice = Alice(a_page())
    alice.look(T0)
    assert alice.told() == [("checkout-1", T0 + GATHER)]
    alice.sends(T0 + GATHER)
    (request,) = alice.left
    assert request.pages[0].page.text.html == "<p>whole</p>"


def test_contacts_do_not_wait_for_each_other() -> None:
    """A text message and a call are two messages, each with its own limit."""
    alice = Alice(a_page(channel="sms"), a_page("search-1", channel="voice", contact=1))
    alice.sends(T0 + WINDOW)
    assert sorted(request.channel for request in alice.left) == ["sms", "voice"]


def test_a_page_after_a_failed_contact_does_not_wait() -> None:
    """Another contact of the person has failed already: this one leaves at once."""
    alice = Alice(a_page(at_once=True), a_page("search-1"))
    alice.look(T0)
    assert alice.named() == [["checkout-1", "search-1"]]


@pytest.mark.parametrize(
    ("channel", "count", "per"),
    [("sms", 5, 15), ("sms", 11, 60), ("sms", 21, 180), ("voice", 3, 15), ("voice", 7, 60),
     ("voice", 15, 180), ("email", 1, 1), ("ntfy", 1, 1)],
)  # fmt: skip
def test_a_contact_gets_no_more_than_its_limit(channel: str, count: int, per: int) -> None:
    """The next message is free when the oldest of as many is that long ago; not a second before."""
    sent = [T0 + n * SECOND for n in range(count)]
    rules = [
        rule for rule in LIMITS.of_channel(channel) if (rule.count, rule.per) == (count, minutes(per))
    ]  # fmt: skip
    assert len(rules) == 1
    now = T0 + minutes(per) - SECOND
    assert free_at(sent, rules, now) == T0 + minutes(per)
    assert free_at(sent[1:], rules, now) == now


def test_what_is_over_the_limit_is_bundled_with_the_next_and_never_dropped() -> None:
    """One mail a minute: what comes meanwhile waits, says so, and leaves as one message."""
    alice = Alice(a_page(channel="email"))
    alice.sends(T0 + WINDOW)
    alice.take(a_page("search-1", channel="email"), at=T0 + 31 * SECOND)
    alice.take(a_page("api-1", channel="email"), at=T0 + 70 * SECOND)
    free = T0 + WINDOW + minutes(1)
    assert alice.look(T0 + 75 * SECOND) == free
    throttled = [w.outcome for w in alice.state.words if w.outcome.is_throttled]
    assert [o.holds_until for o in throttled] == [free, free]
    alice.sends(free - SECOND)
    assert len(alice.left) == 1
    alice.sends(free)
    assert alice.named() == [["checkout-1"], ["api-1", "search-1"]]
    assert alice.state.is_idle or alice.state.waiting == {}


def test_a_storm_of_rounds_loses_no_page() -> None:
    """Fifty incidents page every minute for an hour: few messages, each page in exactly one."""
    alice = Alice()
    given: set[str] = set()
    for minute in range(60):
        at = T0 + minutes(minute)
        for number in range(50):
            page = a_page(f"api-{number}", key=f"api-{number}/p1/r{minute}/s1/alice/sms-0")
            given.add(page.page.key)
            alice.take(page, at=at)
        alice.sends(at + WINDOW)
    for more in range(60, 200):
        alice.sends(T0 + minutes(more))
    left = [page.page.key for request in alice.left for page in request.pages]
    assert set(left) == given
    assert len(left) == len(set(left))
    assert len([r for r in alice.left]) <= 5 * 14
    times = [at for at in alice.state.sent["sms-0"]]
    assert all(later - one >= minutes(15) for one, later in zip(times, times[5:], strict=False))


def test_late_pages_gather_only_for_a_moment() -> None:
    """After an outage every incident pages at once: one message after five seconds, not thirty."""
    alice = Alice(*(a_page(f"api-{n}", late=True) for n in range(3)))
    assert alice.look(T0) == T0 + 5 * SECOND
    alice.sends(T0 + 10 * SECOND)
    assert len(alice.left) == 1
    assert len(alice.left[0].pages) == 3


def test_a_first_page_that_is_late_is_not_throttled() -> None:
    """The contact is over its limit: a page that is the first of its incident to the person still goes."""
    alice = Alice(a_page(channel="email"))
    alice.sends(T0 + WINDOW)
    at = T0 + 32 * SECOND
    alice.take(a_page("search-1", channel="email", late=True, is_first=True), at=at)
    alice.sends(at + 10 * SECOND)
    assert alice.named() == [["checkout-1"], ["search-1"]]


def test_a_withdrawn_part_does_not_leave() -> None:
    """Acknowledged while it waits: the other incident's page goes alone, and nothing else is said."""
    alice = Alice(a_page(), a_page("search-1"))
    alice.state.withdraw("checkout-1", [], T0 + SECOND)
    alice.sends(T0 + WINDOW)
    assert alice.named() == [["search-1"]]
    assert alice.told() == [("search-1", "sent")]


def test_a_withdrawal_that_overtakes_its_page_counts() -> None:
    """Signals come in any order: a page that is taken back before it comes is never sent."""
    page = a_page()
    alice = Alice()
    alice.state.withdraw("checkout-1", [page.page.key], T0)
    alice.take(page)
    alice.sends(T0 + minutes(5))
    assert alice.left == []


def test_a_page_that_was_taken_back_and_is_wanted_again_leaves() -> None:
    """A call was due before the text message left: it waits its turn anew, and is not forgotten."""
    alice = Alice(a_page(channel="voice", handed_at=T0))
    key = "checkout-1/p1/r2/s1/alice/voice-0"
    alice.state.withdraw("checkout-1", [key], T0 + 6 * SECOND, T0 + 5 * SECOND)
    again = a_page(channel="voice", handed_at=T0 + 10 * SECOND)
    alice.take(a_page(channel="voice", handed_at=T0), at=T0 + 7 * SECOND)  # the first signal again
    alice.take(again, again, at=T0 + 10 * SECOND)
    alice.state.withdraw("checkout-1", [key], T0 + 11 * SECOND, T0 + 5 * SECOND)  # as late
    alice.sends(T0 + 10 * SECOND + WINDOW)
    alice.take(again, at=T0 + minutes(2))
    alice.sends(T0 + minutes(5))
    assert alice.named() == [["checkout-1"]]


def test_a_page_that_left_while_it_was_taken_back_is_not_sent_again() -> None:
    """It was under way: wanted anew, its incident hears that it has left."""
    alice = Alice(a_page(handed_at=T0))
    alice.look(T0 + WINDOW)
    alice.state.withdraw("checkout-1", [], T0 + WINDOW + SECOND, T0 + WINDOW)
    alice.answer(T0 + WINDOW + 2 * SECOND)
    alice.told()
    alice.take(a_page(handed_at=T0 + minutes(1)), at=T0 + minutes(1))
    alice.sends(T0 + minutes(5))
    assert (len(alice.left), alice.told()) == (1, [("checkout-1", "sent")])


def test_a_withdrawal_in_flight_ends_the_retries_and_the_outcome_is_told() -> None:
    """Acknowledged while the message is leaving: it cannot be recalled, and is not tried again."""
    alice = Alice(a_page())
    alice.look(T0 + WINDOW)
    alice.state.withdraw("checkout-1", [], T0 + WINDOW + SECOND)
    alice.told()
    alice.answer(T0 + WINDOW + 2 * SECOND, "failed", retryable=True)
    assert alice.told() == [("checkout-1", "failed")]
    alice.sends(T0 + minutes(5))
    assert len(alice.left) == 1
    assert alice.state.is_idle


def test_a_failed_message_is_tried_again_and_says_so() -> None:
    """The vendor is down: each incident hears of it and until when to wait; the retry is for free."""
    alice = Alice(a_page(), a_page("search-1"))
    at = T0 + WINDOW
    alice.look(at)
    alice.told()
    alice.answer(at, "failed", retryable=True)
    outcomes = [word.outcome for word in alice.state.words]
    assert {o.holds_until for o in outcomes} == {at + 2 * SECOND}
    assert all(o.delivery is not None and o.delivery.state == "failed" for o in outcomes)
    alice.sends(at + SECOND)
    assert len(alice.left) == 1
    alice.sends(at + 2 * SECOND)
    assert alice.named() == [["checkout-1", "search-1"]] * 2
    assert len(alice.state.sent["sms-0"]) == 1  # what never left does not count
    assert alice.state.waiting == {}


def test_a_message_that_failed_for_good_is_the_incidents_again() -> None:
    """A wrong number: told once, forgotten here; the incident goes on with the next contact."""
    alice = Alice(a_page())
    alice.look(T0 + WINDOW)
    alice.told()
    alice.answer(T0 + WINDOW, "failed", retryable=False)
    assert alice.told() == [("checkout-1", "failed")]
    assert alice.state.is_idle


def test_a_page_that_comes_twice_is_sent_once_and_answered_twice() -> None:
    """The incident rolled over and hands it over again: it hears what became of it."""
    page = a_page()
    alice = Alice(page, page)
    alice.sends(T0 + WINDOW)
    alice.told()
    alice.take(page, at=T0 + minutes(1))
    assert alice.told() == [("checkout-1", "sent")]
    alice.sends(T0 + minutes(5))
    assert len(alice.left) == 1


def test_a_hundred_waiting_pages_stay_small() -> None:
    """What is carried to the next run fits a payload: the long texts of a storm are not kept."""
    text = PageText(subject="s" * 160, text="x" * 3_000, html="y" * 9_000)
    alice = Alice()
    for number in range(1_000):
        page = a_page(f"api-{number}")
        page = page.model_copy(update={"page": page.page.model_copy(update={"text": text})})
        alice.take(page)
    alice.look(T0)
    assert len(alice.state.model_dump_json()) < 2_000_000


def test_a_message_holds_at_most_two_hundred_incidents() -> None:
    """A storm beyond that leaves as several messages, within the contact's limit."""
    alice = Alice(*(a_page(f"api-{n:03}") for n in range(450)))
    for seconds in range(10):
        alice.sends(T0 + WINDOW + seconds * SECOND)
    assert [len(request.pages) for request in alice.left] == [200, 200, 50]


def test_a_limit_of_nothing_means_no_limit() -> None:
    """`throttles: {sms: []}` switches a channel's limits off, and leaves those of the others."""
    limits = Limits.model_validate({"throttles": {"sms": []}})
    assert limits.throttles["sms"] == []
    assert limits.throttles["voice"] == default_throttles()["voice"]
    own = PagingLimits(window=WINDOW, throttles=limits.throttles)
    waiting = [Waiting(**dict(a_page(limits=own)), enqueued_at=T0)]
    sent = {"sms-0": [T0 + WINDOW] * 40}
    assert len(plan(waiting, sent, own, T0 + WINDOW).send) == 1


def a_notice(first: str = "search-3", **fields: Any) -> RankNotice:
    whole = {
        "key": f"checkout-1/rank/7/{first}", "incident": "checkout-1", "first": first,
        "first_severity": "SEV1", "waits": ["checkout-1"], "at": T0,
    }  # fmt: skip
    return RankNotice.model_validate(whole | fields)


def test_word_of_a_new_order_is_said_once_per_window() -> None:
    """Two changes within the window: only the last order is told, and back to the first tells nothing."""
    alice = Alice()
    alice.state.offer(a_notice("search-3"))
    alice.state.offer(a_notice("api-1", at=T0 + 5 * SECOND))
    assert alice.state.take_notice(T0 + WINDOW) is None
    told = alice.state.take_notice(T0 + WINDOW + 5 * SECOND)
    assert told is not None
    assert told.first == "api-1"
    alice.state.offer(a_notice("search-3", at=T0 + 40 * SECOND))
    alice.state.offer(a_notice("api-1", at=T0 + 41 * SECOND))
    assert alice.state.take_notice(T0 + minutes(60)) is None


def test_an_order_that_is_as_the_pages_said_is_no_news() -> None:
    """First pages never pass through here: there and back within the window tells nothing."""
    alice = Alice()
    alice.state.offer(a_notice("api-1", before="search-3"))
    alice.state.offer(a_notice("cart-1", before="api-1", at=T0 + SECOND))
    alice.state.offer(a_notice("search-3", before="cart-1", at=T0 + 2 * SECOND))
    assert alice.state.take_notice(T0 + minutes(60)) is None


def test_an_order_that_pages_have_changed_since_it_was_told_is_news_again() -> None:
    """Told that search goes first, then paged for api, which went first: back to search is said."""
    alice = Alice()
    alice.state.offer(a_notice("search-3", before="checkout-1"))
    assert alice.state.take_notice(T0 + WINDOW) is not None
    alice.state.offer(a_notice("search-3", before="api-1", at=T0 + minutes(5)))
    told = alice.state.take_notice(T0 + minutes(10))
    assert told is not None
    assert told.first == "search-3"


def test_a_message_that_names_the_first_makes_the_word_of_it_needless() -> None:
    """The bundle says what goes first: nothing else is sent about the order."""
    alice = Alice(a_page("search-3", priority="P1"), a_page("checkout-1", priority="P2"))
    alice.state.offer(a_notice("search-3"))
    alice.sends(T0 + WINDOW)
    assert alice.state.take_notice(T0 + minutes(10)) is None
    assert len(alice.left) == 1

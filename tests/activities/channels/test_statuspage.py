"""Incidents on an Atlassian Statuspage: made once, changed after that, and never said twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from activities.channels.base import AnswerLostError, Outgoing
from activities.channels.outbox import Outbox
from activities.channels.pace import Pace
from activities.channels.statuspage import StatuspageChannel, StatuspageSettings
from activities.delivery import Postman
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import DeliveryState, Purpose
from domain.updates import Audience, UpdateStatus
from tests.activities.channels.rigs import an_update
from tests.fakes.organisation import an_outgoing
from tests.fakes.statuspage import CHECKOUT, KEY, PAGE, SEARCH, Page, statuspage_fake
from tests.fakes.vendor import VendorFake

RESOLVED = UpdateStatus.RESOLVED
DOWN: dict[str, Any] = {"component": CHECKOUT, "component_status": "major_outage"}


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def fake(page: Page) -> Iterator[VendorFake]:
    with statuspage_fake(page) as running:
        yield running


@asynccontextmanager
async def a_channel(fake: VendorFake, **settings: Any) -> AsyncIterator[StatuspageChannel]:
    known = {
        "statuspage_api_key": KEY, "statuspage_base_url": fake.url, "statuspage_pace": 0,
        "statuspage_timeout": 10,
    }  # fmt: skip
    channel = StatuspageChannel(StatuspageSettings.model_validate(known | settings))
    try:
        yield channel
    finally:
        await channel.aclose()


def a_postman(channel: StatuspageChannel, folder: Path) -> Postman:
    return Postman("live", {"statuspage": channel}, Outbox(folder), lambda: datetime.now(UTC))


def a_message(number: int = 1, **update: Any) -> Outgoing:
    """An update of checkout-17 for the page."""
    said = an_update(number=number, at=datetime.now(UTC), **update)
    return an_outgoing(
        key=f"{said.incident}/update/external/{number}/audience:customers/0/statuspage",
        purpose=Purpose.EXTERNAL_UPDATE, channel="statuspage", to=PAGE, update=said,
        recipient="audience:customers/0",
    )  # fmt: skip


async def say(fake: VendorFake, *messages: Outgoing) -> None:
    async with a_channel(fake) as channel:
        for message in messages:
            await channel.send(message)


async def test_the_first_update_makes_the_incident_and_later_ones_change_it(
    page: Page, fake: VendorFake
) -> None:
    """One incident in the end, with every update in its order, its name as it was given first."""
    await say(
        fake,
        a_message(1, title="Investigating issues with Checkout", text="We look into it",
                  status=UpdateStatus.INVESTIGATING),
        a_message(2, title="Working on issues with Checkout", text="Found it"),
        a_message(3, title="Resolved", text="It is over", status=RESOLVED, next_update_at=None),
    )  # fmt: skip
    (incident,) = page.incidents
    assert incident["name"] == "Investigating issues with Checkout"
    said = [(one["status"], one["body"].split("\n")[0]) for one in incident["incident_updates"]]
    assert said == [
        ("investigating", "We look into it"), ("identified", "Found it"), ("resolved", "It is over"),
    ]  # fmt: skip
    assert fake.refused == []


async def test_the_page_says_when_more_comes(page: Page, fake: VendorFake) -> None:
    """The time of the next update stands below the text; after the last word there is none."""
    await say(fake, a_message(1), a_message(2, status=RESOLVED, next_update_at=None))
    first, last = page.bodies()
    assert "Next update: 2026-11-24 14:07 UTC" in first
    assert "Next update" not in last


async def test_nothing_internal_is_in_what_the_page_gets(page: Page, fake: VendorFake) -> None:
    """Neither our id of the incident nor its severity: the metadata holds an opaque name."""
    await say(fake, a_message(1))
    assert "checkout-17" not in str(page.incidents)
    assert "SEV1" not in str(page.incidents)


async def test_something_internal_is_refused(fake: VendorFake) -> None:
    """A page, or an update for inside, is never written to a public place."""
    for message in (an_outgoing(channel="statuspage", to=PAGE),
                    a_message(1).model_copy(update={"purpose": Purpose.INTERNAL_UPDATE})):  # fmt: skip
        with pytest.raises(DeliveryError) as caught:
            await say(fake, message)
        assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.REJECTED, False)
    assert fake.calls == 0


async def test_the_component_stands_as_the_incident_is_bad(page: Page, fake: VendorFake) -> None:
    """Down while it lasts, operational once it is resolved; others are left alone."""
    await say(fake, a_message(1, **DOWN))
    assert page.components == {CHECKOUT: "major_outage", SEARCH: "operational"}
    await say(fake, a_message(2, **DOWN | {"component_status": "degraded_performance"}))
    assert page.components[CHECKOUT] == "degraded_performance"
    await say(fake, a_message(3, status=RESOLVED, **DOWN))
    assert page.components[CHECKOUT] == "operational"


async def test_a_component_that_another_incident_holds_stays_down(
    page: Page, fake: VendorFake
) -> None:
    """Of two open incidents the worse counts; the end of one leaves what the other says."""
    other = DOWN | {"component_status": "partial_outage", "incident": "checkout-18"}
    await say(fake, a_message(1, **DOWN), a_message(1, **other))
    assert page.components[CHECKOUT] == "major_outage"
    await say(fake, a_message(2, status=RESOLVED, **DOWN))
    assert page.components[CHECKOUT] == "partial_outage"
    await say(fake, a_message(2, status=RESOLVED, **other))
    assert page.components[CHECKOUT] == "operational"


async def test_what_people_made_on_the_page_itself_is_respected(
    page: Page, fake: VendorFake
) -> None:
    """An incident that was made by hand names the component: we do not call it operational."""
    page.by_hand("Maintenance gone wrong", CHECKOUT)
    page.components[CHECKOUT] = "partial_outage"
    await say(fake, a_message(1, **DOWN))
    async with a_channel(fake) as channel:
        receipt = await channel.send(a_message(2, status=RESOLVED, **DOWN))
    assert page.components[CHECKOUT] == "major_outage"
    assert "another incident names it" in receipt.detail


async def test_a_service_without_a_component_is_told_all_the_same(
    page: Page, fake: VendorFake
) -> None:
    """Nobody has to map every service."""
    await say(fake, a_message(1))
    assert (len(page.incidents), page.components[CHECKOUT]) == (1, "operational")


async def test_a_reopened_incident_goes_on_where_it_was(page: Page, fake: VendorFake) -> None:
    """Resolved at Statuspage and back again: no second incident."""
    await say(fake, a_message(1), a_message(2, status=RESOLVED), a_message(3))
    assert [one["status"] for one in page.incidents] == ["identified"]


async def test_an_update_that_is_there_is_not_said_again(page: Page, fake: VendorFake) -> None:
    """The same update under the same key, however often it is sent."""
    await say(fake, a_message(1), a_message(1), a_message(2), a_message(2), a_message(1))
    assert len(page.bodies()) == 2


async def test_an_older_update_does_not_contradict_a_newer_one(
    page: Page, fake: VendorFake
) -> None:
    """What failed at first and comes late is refused: the page shows the newest word."""
    await say(fake, a_message(2))
    with pytest.raises(DeliveryError) as caught:
        await say(fake, a_message(1))
    assert not caught.value.retryable
    assert len(page.bodies()) == 1


async def test_two_updates_at_once_make_one_incident(page: Page, fake: VendorFake) -> None:
    """The first text of ours and a person's come together: both stand in the same incident."""
    async with a_channel(fake) as channel:
        await asyncio.gather(*(channel.send(a_message(number)) for number in (1, 2)))
    assert len(page.incidents) == 1
    assert len(page.bodies()) == 2


async def test_it_finds_what_is_there_and_is_certain_of_what_is_not(
    page: Page, fake: VendorFake
) -> None:
    """Read back by our own name for it, among open and ended incidents."""
    async with a_channel(fake) as channel:
        assert await channel.find(a_message(1)) is None
        await channel.send(a_message(1))
        assert await channel.find(a_message(1)) is not None
        assert await channel.find(a_message(2)) is None
        await channel.send(a_message(2, status=RESOLVED))
        assert await channel.find(a_message(2, status=RESOLVED)) is not None
        assert await channel.find(a_message(1, incident="checkout-18")) is None


async def test_an_end_of_the_list_is_no_proof(page: Page, fake: VendorFake) -> None:
    """Hundreds of newer incidents: whether ours is behind them cannot be told. An old one settles it."""
    for number in range(300):
        page.by_hand(f"incident {number}")
    async with a_channel(fake) as channel:
        with pytest.raises(DeliveryError, match="since the first update"):
            await channel.find(a_message(1))
        for one in page.incidents[50:]:
            one["created_at"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        assert await channel.find(a_message(1)) is None


@pytest.mark.parametrize("metadata", [{"tocsin": "x"}, {"tocsin": {}}, {"jira": {"issue": "X-1"}}])
async def test_other_peoples_metadata_is_not_ours(
    page: Page, fake: VendorFake, metadata: dict[str, Any]
) -> None:
    """Whatever others keep in an incident, it is neither read as ours nor a fault."""
    page.by_hand("theirs", metadata=metadata)
    await say(fake, a_message(1))
    assert len(page.incidents) == 2


@pytest.mark.parametrize("mood", ["accept_then_drop", "accept_then_hang", "drop", "hang"])
async def test_a_lost_answer_is_one_update_in_the_end(
    page: Page, fake: VendorFake, mood: str, tmp_path: Path
) -> None:
    """Taken or not, the next attempt reads back: afterwards it is out, once."""
    message = a_message(1)
    async with a_channel(fake, statuspage_timeout=0.5) as channel:
        fake.mood = mood
        for _ in range(3):
            lost = await a_postman(channel, tmp_path).deliver(message)
            if lost.state is not DeliveryState.FAILED or fake.calls:
                break  # else the machine stood still before Statuspage had it
        assert (lost.state, lost.retryable) == (DeliveryState.UNCERTAIN, True)
    async with a_channel(fake) as channel:
        fake.mood = "answer"
        sent = await a_postman(channel, tmp_path).deliver(message)
        assert sent.state is DeliveryState.SENT
    assert len(page.bodies()) == 1


async def test_a_page_that_cannot_be_read_back_holds_the_message(
    page: Page, fake: VendorFake, tmp_path: Path
) -> None:
    """Nothing more is sent until a person has looked, even when Statuspage is there again."""
    message = a_message(1)
    async with a_channel(fake) as channel:
        postman = a_postman(channel, tmp_path)
        fake.mood = "accept_then_drop"
        await postman.deliver(message)
        fake.mood, page.reads = "answer", "away"
        assert (await postman.deliver(message)).state is DeliveryState.HELD
        page.reads = "answer"
        assert (await postman.deliver(message)).state is DeliveryState.HELD
    assert (len(page.bodies()), fake.calls) == (1, 1)


class Hands:
    """Time that passes when somebody waits, for whoever waits for the next turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 1000.0
        monkeypatch.setattr("activities.channels.pace.time", SimpleNamespace(monotonic=self))
        monkeypatch.setattr("activities.channels.pace.asyncio", SimpleNamespace(sleep=self.sleep))
        monkeypatch.setattr("activities.channels.pace._PACES", {})

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


async def test_statuspage_is_asked_once_in_a_second(
    page: Page, fake: VendorFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vendor that insists on its limit refuses nothing, whoever in this process asks it."""
    page.now = hands = Hands(monkeypatch)
    page.per_second, started = True, hands.at
    async with (
        a_channel(fake, statuspage_pace=1.0) as one,
        a_channel(fake, statuspage_pace=1.0) as two,
    ):
        await one.send(a_message(1))
        await two.find(a_message(1))
        assert hands.at - started >= 3
    assert fake.refused == []


async def test_a_turn_that_is_far_away_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages beyond the limit come again later, instead of filling up their attempt with waiting."""
    still = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr("activities.channels.pace.time", still)
    pace = Pace(3.0)
    await pace.turn("Statuspage")
    waiting = asyncio.create_task(pace.turn("Statuspage"))
    await asyncio.sleep(0)
    with pytest.raises(DeliveryError) as caught:
        await pace.turn("Statuspage")
    waiting.cancel()
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.RATE_LIMITED, True)
    assert caught.value.retry_after_seconds == 6.0


async def test_too_many_requests_pass(page: Page, fake: VendorFake) -> None:
    """Statuspage says 420 where others say 429: it is no refusal of the message."""
    fake.status = 420
    with pytest.raises(DeliveryError) as caught:
        await say(fake, a_message(1))
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.RATE_LIMITED, True)
    assert not isinstance(caught.value, AnswerLostError)


HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a <b>bold</b> word", "</div>",
    "[click](javascript:alert(1))", "![x](https://evil.example/x.png)", "<!-- comment -->",
    "\x00\x1b[31mred", "x" * 40_000, "   ",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_text_is_plain_words(page: Page, fake: VendorFake, text: str) -> None:
    """No tag that would be shown as markup, no image, nothing that the page refuses."""
    await say(fake, a_message(1, text=text, title=text))
    assert len(page.bodies()) == 1
    assert fake.refused == []


@pytest.mark.parametrize("side", list(Audience))
def test_an_updates_key_tells_its_side(side: Audience) -> None:
    """The key by which an update is found again differs for inside and outside."""
    assert an_update(side=side).key == f"checkout-17/{side}/2"

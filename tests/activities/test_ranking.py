"""Word that another incident goes first: only while it is news, and never silent for want of records."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from activities.channels.outbox import Outbox
from activities.delivery import Postman
from activities.looking_up import RecordsLookUp
from activities.person import HandingOver
from activities.ranking import RankReviewing
from domain.messages import DeliveryState
from domain.person_pages import RankNotice
from domain.priority import OpenIncident
from records.database import RecordsUnavailableError
from templates.renderer import Renderer
from tests.fakes.organisation import (
    NOW,
    FixedPolicy,
    FixedRecords,
    RecordingChannel,
    a_clock,
    a_policy,
)
from workflows import contract

MINUTE = timedelta(minutes=1)
NOTICE = RankNotice(
    key="checkout-1/rank/7/bob", incident="checkout-1", first="search-3", first_severity="SEV1",
    waits=["checkout-1"], before="checkout-1", at=NOW,
)  # fmt: skip


def an_open(name: str, priority: str) -> OpenIncident:
    return OpenIncident(id=name, priority=priority, severity="SEV1", raised_at=NOW)


SEARCH, CHECKOUT = an_open("search-3", "P1"), an_open("checkout-1", "P2")


async def sent_with(tmp_path: Path, records: FixedRecords) -> tuple[RecordingChannel, Any]:
    """What leaves for bob, with records as these."""
    channel = RecordingChannel()
    postman = Postman("live", {"email": channel}, Outbox(tmp_path / "outbox"), a_clock)
    reviewing = RankReviewing(
        cast(HandingOver, None), RecordsLookUp(records, 30.0), FixedPolicy(a_policy()), Renderer(),
        postman, a_clock,
    )  # fmt: skip
    request = contract.SendRankNotice(person="bob", notice=NOTICE)
    return channel, await reviewing.send_rank_notice(request)


@pytest.mark.parametrize(
    "records",
    [
        FixedRecords(SEARCH, CHECKOUT),
        FixedRecords(CHECKOUT.model_copy(update={"priority": "P1"}), SEARCH),
        FixedRecords(error=RecordsUnavailableError("away")),
    ],
    ids=["as it was meant", "records that are behind", "records that are away"],
)
async def test_a_new_order_is_told(tmp_path: Path, records: FixedRecords) -> None:
    """It stands as it was meant, or nobody can say otherwise: the person hears it."""
    records.paged_at = {"search-3": NOW - MINUTE, "checkout-1": NOW + MINUTE}
    channel, done = await sent_with(tmp_path, records)
    assert [message.to for message in channel.sent] == ["bob@example.com"]
    assert channel.sent[0].subject.startswith("search-3 (SEV1) now goes first")
    assert [delivery.state for delivery in done.deliveries] == [DeliveryState.SENT]


async def test_what_a_first_page_has_just_said_is_not_said_again(tmp_path: Path) -> None:
    """Paged for search after the change: that page said that it goes first."""
    records = FixedRecords(SEARCH, CHECKOUT)
    records.paged_at = {"search-3": NOW + timedelta(seconds=5)}
    channel, done = await sent_with(tmp_path, records)
    assert (channel.sent, done.deliveries) == ([], [])


@pytest.mark.parametrize(
    "standing",
    [(CHECKOUT, an_open("cart-2", "P3")), (SEARCH, CHECKOUT, an_open("api-9", "P0"))],
    ids=["the first is over", "a newer one goes first"],
)
async def test_an_order_that_is_overtaken_is_not_told(
    tmp_path: Path, standing: tuple[OpenIncident, ...]
) -> None:
    """Nobody is sent to an incident that is over, or away from a newer one whose page said it all."""
    others = [one for one in standing if one.id != "checkout-1"] if len(standing) == 2 else standing
    channel, done = await sent_with(tmp_path, FixedRecords(*others))
    assert (channel.sent, done.deliveries) == ([], [])

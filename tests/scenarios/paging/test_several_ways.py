"""Several ways at once, on the real server: one that is down, one that asks for patience, many workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.sendgrid import Manner
from tests.fakes.slack import TOKEN as SLACK_TOKEN
from tests.fakes.slack import slack_fake
from tests.fakes.vendor import Refusal, Request, Taken, VendorFake
from tests.scenarios.paging.vendors import (
    ALONE,
    Vendors,
    a_policy,
    contact,
    facts,
    paging,
    vendors_and_world,
)
from tests.world import World, an_alert

ALICE = "alice@example.com"


async def test_with_one_vendor_down_the_other_page_goes_once_and_the_first_when_it_is_back(
    tmp_path: Path,
) -> None:
    """Bob has his push once, however often alice's mail is tried; she has hers when mail is back."""
    people = {"bob": {"contacts": [contact("push", "bob")]}}
    policy = a_policy([paging("alice", "bob")], people, policy={"repeat_after": "1h"})
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        vendors.email.manners[ALICE] = Manner(status=503)
        incident = await world.declare()
        await facts(world, incident, "page_sent")

        def tries() -> list[Any]:
            return [call for call in vendors.email.log if call.to == ALICE]

        await world.eventually(lambda: len(tries()) >= 3, within=30)
        assert vendors.pages() == [("bob", "push")]
        assert vendors.push.calls == 1
        vendors.email.manners.clear()
        await facts(world, incident, "page_sent", 2)
        await asyncio.sleep(5)
        assert len({call.key for call in tries()}) == 1
        vendors.everything(("bob", "push"), ("alice", "email"))


async def test_one_alert_and_three_workers_send_what_one_worker_sends(tmp_path: Path) -> None:
    """The same messages, pages under the same keys, each of them once, whoever of the three is faster."""
    assert await _sent_by(tmp_path, 1) == await _sent_by(tmp_path, 3)


async def _sent_by(folder: Path, workers: int) -> list[tuple[str, str, str]]:
    """Purpose and recipient of all that leaves after one alert, with so many workers; the keys of pages."""
    policy = a_policy([paging("alice"), paging("alice", "bob", after="5m")])
    own = folder / str(workers)
    own.mkdir()
    async with AsyncExitStack() as stack:
        world, vendors = await stack.enter_async_context(vendors_and_world(own, policy))
        for _ in range(workers - 1):
            await stack.enter_async_context(await world.another_worker())
        await world.report(an_alert("k1"))
        await world.eventually(lambda: world.outbox("page"))
        await world.skip(timedelta(minutes=6), step=timedelta(seconds=5))
        await facts(world, "checkout-1", "page_sent", 3)
        await world.command("checkout-1", "acknowledge", "bob")
        await world.skip(timedelta(minutes=6), step=timedelta(seconds=5))
        assert await world.status("checkout-2") == {}
        assert await world.failed_tasks("checkout-1") == []
        vendors.nothing_else()
        left = world.outbox()
        assert len({m["idempotency_key"] for m in left}) == len(left)
        # Other messages have the number of their fact in their key: it may be one up or down.
        of_page = {
            m["idempotency_key"]: m["idempotency_key"] for m in left if m["purpose"] == "page"
        }
        return sorted((m["purpose"], m["to"], of_page.get(m["idempotency_key"], "")) for m in left)


@asynccontextmanager
async def reminded_in_slack(folder: Path) -> AsyncIterator[tuple[World, Vendors, VendorFake, str]]:
    """Alice has acknowledged and is about to be reminded in Slack; after that, bob is by mail."""
    contacts = [
        {"channel": "slack", "to": "U02ABCDEF"},
        contact("push", "alice"),
    ]
    alice = {"contacts": contacts, "contact_rules": [{"contacts": [{"use": "push"}]}]}
    limits = {**ALONE, "confirm_within": "12s"}
    policy = a_policy([paging("alice"), paging("bob", after="1h")], {"alice": alice}, limits=limits)
    with slack_fake() as slack:
        environment = {"SLACK_BOT_TOKEN": SLACK_TOKEN, "SLACK_BASE_URL": slack.url}
        async with vendors_and_world(folder, policy, skipping=False, environment=environment) as (
            world,
            vendors,
        ):
            incident = await world.declare()
            await facts(world, incident, "page_sent")
            await world.command(incident, "acknowledge", "alice")
            await world.eventually(lambda: len(slack.accepted) == 1)  # her duties
            yield world, vendors, slack, incident
            assert slack.refused == []
            assert vendors.pages() == [("alice", "push")]


def note_times(slack: VendorFake) -> list[float]:
    """When it is called from now on, in monotonic seconds."""
    times: list[float] = []
    check = slack.check

    def noted(request: Request) -> Refusal | Taken:
        times.append(time.monotonic())
        return check(request)

    slack.check = noted
    return times


async def test_chat_that_asks_for_patience_gets_one_wait_and_one_retry(tmp_path: Path) -> None:
    """429 and twelve seconds: not asked again before they are over, then the reminder is there, once."""
    async with reminded_in_slack(tmp_path) as (world, _, slack, incident):
        slack.status, slack.headers = 429, {"Retry-After": "12"}
        asked = note_times(slack)
        await world.eventually(lambda: slack.calls == 2, within=60)
        slack.status, slack.headers = 0, {}
        await world.eventually(lambda: len(slack.accepted) == 2, within=60)
        refused, taken = asked
        assert 12 <= taken - refused < 30
        assert slack.calls == 3
        (failed,) = [
            fact for fact in await world.facts(incident, "message_failed")
            if fact["data"]["purpose"] == "reminder"
        ]  # fmt: skip
        assert failed["data"]["will_retry"]
        assert failed["data"]["deliveries"][0]["reason"] == "rate_limited"
        await asyncio.sleep(6)
        assert (slack.calls, len(slack.accepted)) == (3, 2)


@pytest.mark.parametrize("status", [404, 401])
async def test_another_refusal_of_chat_is_told_and_the_next_reminder_goes(
    tmp_path: Path, status: int
) -> None:
    """It is no reason to wait: on the timeline, not tried again; the clock goes on, and bob hears."""
    async with reminded_in_slack(tmp_path) as (world, _, slack, incident):
        slack.status = status

        async def told() -> list[dict[str, Any]]:
            found = await world.facts(incident, "message_failed")
            return [fact for fact in found if fact["data"]["purpose"] == "reminder"]

        (failed,) = await world.eventually(told, within=60)
        assert not failed["data"]["will_retry"]
        assert str(status) in failed["data"]["deliveries"][0]["detail"]

        def of_bob() -> list[dict[str, Any]]:
            return [m for m in world.outbox("reminder") if m["to"] == "bob@example.com"]

        await world.eventually(of_bob, within=60)
        assert slack.calls == 2
        assert len(await told()) == 1

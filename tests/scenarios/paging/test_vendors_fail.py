"""Vendors that fail while somebody has to be paged: how soon the next way is taken, and what is not sent.

Bounds of seconds are measured in real time; an outage of ten minutes passes in virtual time.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.sendgrid import Manner
from tests.scenarios.paging.vendors import (
    Vendors,
    a_policy,
    adopt,
    contact,
    facts,
    paging,
    vendors_and_world,
)
from tests.world import RefusedError, World

ALICE = "alice@example.com"
MAIL_THEN_PUSH = {"alice": {"contacts": [contact("email", "alice"), contact("push", "alice")]}}


def two_ways(**later: Any) -> dict[str, Any]:
    """Alice has mail and then push; bob is next, after a time."""
    return a_policy([paging("alice"), paging("bob", **(later or {"after": "5m"}))], MAIL_THEN_PUSH)


async def pushed(world: World, vendors: Vendors, began: float, within: float) -> float:
    """Seconds until alice was reached by push."""
    await world.eventually(lambda: ("alice", "push") in vendors.pages(), within=within)
    at = next(at for at, channel, _ in vendors.log if channel == "push")
    return at - began


@pytest.mark.parametrize(
    ("manner", "at_most", "step"),
    [
        (Manner(status=500), 15, 6),
        (Manner(status=429, headers={"Retry-After": "3600"}), 15, 6),
        (Manner(mood="drop"), 15, 6),
        (Manner(mood="accept_then_drop"), 15, 6),
        (Manner(mood="hang"), 25, 13),
    ],
    ids=["fails", "asks for an hour", "drops", "takes and drops", "hangs"],
)
async def test_the_next_contact_is_out_in_time_whatever_the_first_one_does(
    tmp_path: Path, manner: Manner, at_most: float, step: int
) -> None:
    """Mail does not work: push is out within seconds, of a hanging one within 25; mail is left alone then.

    The escalation clock is not delayed by it: bob is paged so long after alice's step, not later.
    """
    policy = two_ways(after=f"{step}s")
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        vendors.email.manners[ALICE] = manner
        began = time.monotonic()
        incident = await world.declare()
        assert await pushed(world, vendors, began, 30) < at_most
        # Once the incident knows of it nothing is tried any more.
        await world.eventually(lambda: world.facts(incident, "page_sent"))
        tries = len([c for c in vendors.email.log if c.to == ALICE])
        assert tries <= 2
        assert len({c.key for c in vendors.email.log if c.to == ALICE}) == 1
        sent = await facts(world, incident, "page_sent", 2)
        first, second = (datetime.fromisoformat(f["at"]) for f in sent)
        steps = [datetime.fromisoformat(f["at"]) for f in await world.facts(incident, "step_paged")]
        assert timedelta(seconds=step - 1) < steps[1] - steps[0] < timedelta(seconds=step + 6)
        assert second >= first
        assert len([c for c in vendors.email.log if c.to == ALICE]) == tries
        assert [p for p, _ in vendors.pages()] == ["alice", "bob"]


async def test_a_vendor_that_hangs_holds_up_no_other_incident(tmp_path: Path) -> None:
    """Alice's mail hangs for ten seconds; bob's page for another incident is out within five."""
    services = {
        "checkout": {"name": "Checkout", "team": "payments"},
        "search": {"name": "Search", "escalation": "others"},
    }
    policy = two_ways() | {"services": services}
    policy["escalation_policies"]["others"] = {"steps": [paging("bob")]}
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        vendors.email.manners[ALICE] = Manner(mood="hang")
        await world.declare()
        await world.eventually(lambda: [c for c in vendors.email.log if c.to == ALICE])
        began = time.monotonic()
        other = await world.declare(service="search")
        await facts(world, other, "page_sent")
        assert time.monotonic() - began < 9
        assert await pushed(world, vendors, began, 60) < 35


async def test_a_revoked_key_is_final_for_its_channel_and_the_operator_is_told(
    tmp_path: Path,
) -> None:
    """401: mail is tried once, push goes at once, and the operator hears of it within a minute."""
    async with vendors_and_world(tmp_path, two_ways(), skipping=False) as (world, vendors):
        vendors.email.manners[ALICE] = Manner(status=401)
        began = time.monotonic()
        incident = await world.declare()
        assert await pushed(world, vendors, began, 30) < 15
        (failed,) = await facts(world, incident, "page_failed")
        assert (failed["data"]["reason"], failed["data"]["will_retry"]) == ("unauthorised", False)
        told = await world.eventually(lambda: world.outbox("operator"), within=60)
        assert ["channel email" in m["text"] for m in told] == [True]
        await asyncio.sleep(3)
        assert len([c for c in vendors.email.log if c.to == ALICE]) == 1
        assert vendors.pages() == [("alice", "push")]


async def outage(world: World, incident: str, vendors: Vendors) -> datetime:
    """Ten minutes in which no page leaves; when it began."""
    began = await world.now()
    await world.skip(timedelta(seconds=80), step=timedelta(seconds=5))
    (failed,) = await facts(world, incident, "paging_failed")
    told = datetime.fromisoformat(failed["at"])
    assert told - began < timedelta(seconds=90)
    assert failed["text"].startswith("PAGING FAILED: no page to alice")
    await world.skip(timedelta(minutes=8, seconds=40), step=timedelta(seconds=5))
    assert vendors.pages() == []
    assert ["PAGING FAILED" in m["text"] for m in world.outbox("operator")] == [True]
    return began


@pytest.mark.parametrize(
    ("status", "headers"),
    [(503, {}), (429, {"Retry-After": "7"})],
    ids=["in lockstep", "asks for another time"],
)
async def test_when_every_channel_is_down_it_is_tried_on_said_loudly_and_one_page_follows(
    tmp_path: Path, status: int, headers: dict[str, str]
) -> None:
    """Ten minutes of 503, or 429: tries at most a minute apart, one alarm, on recovery one current page."""
    policy = a_policy([paging("alice")], MAIL_THEN_PUSH, policy={"repeat_after": "1h"})
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        vendors.email.manners[ALICE] = Manner(status=503)
        vendors.push.status, vendors.push.headers = status, headers
        incident = await world.declare("Checkout is slow")
        await outage(world, incident, vendors)
        await world.command(
            incident, "set_severity", "carol", severity="SEV2", reason="only some customers"
        )
        calls = vendors.push.calls
        await world.skip(timedelta(minutes=1), step=timedelta(seconds=5))
        assert vendors.push.calls > calls
        vendors.email.manners.clear()
        vendors.push.status = 0
        await world.skip(timedelta(seconds=30), step=timedelta(seconds=1))
        (sent,) = await facts(world, incident, "page_sent")
        assert sent["data"]["attempt"] > 30
        (page,) = [m for m in world.outbox("page") if m["state"] == "sent"]
        assert "SEV2" in page["text"]
        assert "late" in page["text"].lower()
        await world.skip(timedelta(minutes=3), step=timedelta(seconds=15))
        assert len(vendors.pages()) == 1
        await facts(world, incident, "paging_failed")
        assert await world.failed_tasks(incident) == []


async def test_vendors_whose_names_do_not_resolve_are_as_vendors_that_are_down(
    tmp_path: Path,
) -> None:
    """No DNS: tried again and again at most a minute apart, and the operator hears within 90 s."""
    policy = a_policy([paging("alice")], policy={"repeat_after": "1h"})
    nowhere = {"SENDGRID_BASE_URL": "http://mail.invalid"}
    async with vendors_and_world(tmp_path, policy, environment=nowhere) as (world, vendors):
        incident = await world.declare()
        began = await world.now()
        await world.skip(timedelta(seconds=85), step=timedelta(seconds=5))
        (failed,) = await facts(world, incident, "paging_failed")
        assert datetime.fromisoformat(failed["at"]) - began < timedelta(seconds=90)
        reasons = {f["data"]["reason"] for f in await world.facts(incident, "page_failed")}
        assert reasons == {"unreachable"}
        assert vendors.pages() == []


# Nobody there.


async def test_an_empty_first_step_falls_through_and_one_empty_step_does_not_spin(
    tmp_path: Path,
) -> None:
    """Step two within five seconds; a policy of one empty step pages the catch-all once, not in circles."""
    empty = {"page": ["team:nobody"]}
    policy = a_policy([empty, paging("bob", after="10m")], teams={"nobody": {"members": []}})
    policy["teams"]["payments"] = {"members": ["alice"]}
    policy["services"]["search"] = {"name": "Search", "escalation": "lonely"}
    policy["escalation_policies"]["lonely"] = {"repeat": 2, "steps": [empty]}
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        began = time.monotonic()
        first = await world.declare()
        await facts(world, first, "page_sent")
        assert time.monotonic() - began < 15
        assert vendors.pages() == [("bob", "email")]
        began = time.monotonic()
        second = await world.declare(service="search")
        await facts(world, second, "page_sent")
        assert time.monotonic() - began < 20
        await facts(world, second, "policy_exhausted")
        await asyncio.sleep(3)
        assert vendors.pages() == [("bob", "email"), ("carol", "email")]
        assert len(await world.facts(second, "step_skipped")) == 1
        assert sum(len(run) for run in await world.runs(second)) < 80


async def test_somebody_who_is_gone_makes_way_within_seconds(tmp_path: Path) -> None:
    """No contact, all of them switched off, or deleted between look-up and page: bob is paged instead."""
    off = {"alice": {"contacts": [contact("email", "alice", enabled=False)]}}
    policy = a_policy([paging("alice"), paging("bob", after="10m")], off)
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        began = time.monotonic()
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        assert time.monotonic() - began < 15
        (skipped,) = await facts(world, incident, "step_skipped")
        assert "enabled: false" in skipped["text"]
        vendors.everything(("bob", "email"))


async def test_somebody_who_is_deleted_while_they_are_being_paged_makes_way(tmp_path: Path) -> None:
    """Alice's second contact comes due and she is out of the policy: said, and the next step is paged now."""
    rule = {"contact_rules": [{"contacts": [{"use": "push", "after": "12s"}]}]}
    people = {"alice": {"contacts": [contact("push", "alice")], **rule}}
    steps = [paging("alice"), paging("bob", after="10m")]
    async with vendors_and_world(tmp_path, a_policy(steps, people), skipping=False) as (
        world,
        vendors,
    ):
        incident = await world.declare()
        await facts(world, incident, "step_paged")
        without = a_policy(steps[1:])
        del without["people"]["alice"]
        without["teams"], without["schedules"] = {"payments": {"members": ["bob"]}}, {}
        adopt(world, tmp_path, without)
        (failed,) = await facts(world, incident, "page_failed")
        due = datetime.fromisoformat(failed["at"])
        assert (failed["data"]["reason"], failed["data"]["will_retry"]) == ("no_contact", False)
        (sent,) = await facts(world, incident, "page_sent")
        # Now, and not in ten minutes.
        assert datetime.fromisoformat(sent["at"]) - due < timedelta(minutes=1)
        vendors.everything(("bob", "email"))


# Acknowledging.


async def test_ten_acknowledgements_at_the_instant_of_the_timer_make_one_owner(
    tmp_path: Path,
) -> None:
    """Step two comes due as everybody answers: one first, definite answers, at most one late page."""
    policy = a_policy([paging("alice"), paging("bob", after="6s"), paging("carol", after="8s")])
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        incident = await world.declare()
        (step,) = await facts(world, incident, "step_paged")
        due = datetime.fromisoformat(step["at"]).timestamp() + 6
        await asyncio.sleep(max(due - time.time() - 0.02, 0))
        people = ["alice", "bob", "carol"]
        answers = await asyncio.gather(
            *(world.command(incident, "acknowledge", people[n % 3], key=f"k{n}") for n in range(10))
        )
        assert len({answer["incident_manager"] for answer in answers}) == 1
        acknowledged = await world.facts(incident, "acknowledged")
        assert [f["data"]["first"] for f in acknowledged].count(True) == 1
        await asyncio.sleep(9)
        late = vendors.pages()[1:]
        assert late in ([], [("bob", "email")])
        assert await world.facts(incident, "command_refused", "faulted") == []


async def test_an_acknowledgement_stops_everything_that_is_pending_within_two_seconds(
    tmp_path: Path,
) -> None:
    """Retries, the next contact and the next step were due: after the answer none of them goes out."""
    rule = {"contact_rules": [{"contacts": [{"use": "email"}, {"use": "push", "after": "10s"}]}]}
    people = {"alice": {**MAIL_THEN_PUSH["alice"], **rule}, "bob": {}}
    policy = a_policy([paging("alice", "bob"), paging("carol", after="11s")], people)
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        vendors.email.manners["bob@example.com"] = Manner(status=500)
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await world.command(incident, "acknowledge", "alice")
        answered = time.monotonic()
        await asyncio.sleep(12)
        # What was under way that moment may still have ended; nothing was begun.
        late = [c for c in vendors.email.log if "/p1/" in c.key and c.at > answered + 2]
        assert late == []
        assert vendors.log == []
        assert vendors.pages() == [("alice", "email")]


@pytest.mark.parametrize(
    ("actor", "fields", "kind", "said"),
    [
        ("mallory", {}, "UnknownNameError", "unknown person 'mallory'"),
        ("alice", {"page": "search-9/p1/r1/s1/alice/email-0"}, "CommandError", "'search-9'"),
        ("bob", {"page": "checkout-1/p1/r1/s1/alice/email-0"}, "CommandError", "went to 'alice'"),
    ],
)
async def test_an_acknowledgement_that_is_not_theirs_to_give_is_refused_clearly(
    tmp_path: Path, actor: str, fields: dict[str, Any], kind: str, said: str
) -> None:
    """Somebody outside the policy, another incident's page, another person's: nothing is acknowledged."""
    async with vendors_and_world(tmp_path, two_ways()) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        with pytest.raises(RefusedError, match=said) as refused:
            await world.command(incident, "acknowledge", actor, **fields)
        assert refused.value.kind == kind
        assert (await world.status(incident))["status"] == "raised"
        vendors.everything(("alice", "email"))


def test_tries_come_at_most_a_minute_apart() -> None:
    """However often it has failed and whatever a vendor asks for."""
    from domain.aggregate import next_page_try
    from domain.page_outcomes import MAX_RETRY_AFTER

    waits = [next_page_try(attempt).total_seconds() for attempt in range(100)]
    assert max(waits) == 15
    assert all(a <= b for a, b in pairwise(waits))
    assert timedelta(seconds=60) >= MAX_RETRY_AFTER

"""Escalation and acknowledgement on the real server: each page that leaves, and nothing beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.incident import Incident
from tests.domain.story import Story
from tests.factories import a_plan, a_policy_slice
from tests.scenarios.paging.vendors import (
    a_policy,
    adopt,
    contact,
    facts,
    paging,
    vendors_and_world,
)
from tests.world import World

MINUTE = timedelta(minutes=1)
RULE = {"contact_rules": [{"contacts": [{"use": "push"}, {"use": "sms", "after": "2m"}]}]}


def with_rule(person: str) -> dict[str, Any]:
    """Push at once, and an SMS two minutes later."""
    return {"contacts": [contact("push", person), contact("sms", person)], **RULE}


async def pass_time(world: World, length: timedelta) -> None:
    """Let time go on in small steps, so that nothing is overtaken."""
    await world.skip(length, step=timedelta(seconds=30))


async def test_nobody_acknowledges_for_the_step_delay_and_the_next_step_is_paged_once(
    tmp_path: Path,
) -> None:
    """Alice at once, bob after five minutes, and neither of them twice."""
    policy = a_policy([paging("alice"), paging("bob", after="5m")])
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await pass_time(world, timedelta(minutes=4, seconds=30))
        vendors.everything(("alice", "email"))
        await pass_time(world, timedelta(minutes=1, seconds=30))
        await facts(world, incident, "page_sent", 2)
        vendors.everything(("alice", "email"), ("bob", "email"))
        await pass_time(world, timedelta(minutes=3))
        vendors.everything(("alice", "email"), ("bob", "email"))
        assert await world.failed_tasks(incident) == []


async def test_an_outage_longer_than_several_delays_brings_one_message_and_no_burst(
    tmp_path: Path,
) -> None:
    """Away while the SMS, step two and step three came due: one message for the step that is due now."""
    steps = [paging("alice"), paging("alice", "bob", after="12s"), paging("alice", after="1s")]
    rule = {"contact_rules": [{"contacts": [{"use": "push"}, {"use": "sms", "after": "11s"}]}]}
    policy = a_policy(steps, people={"alice": {**with_rule("alice"), **rule}})
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await world.outage(timedelta(seconds=14))
        await facts(world, incident, "page_sent", 2)
        paged = await facts(world, incident, "step_paged", 2)
        assert (paged[1]["data"]["step"], paged[1]["data"]["late"]) == (3, True)
        (skipped,) = await facts(world, incident, "step_skipped")
        assert (skipped["data"]["step"], skipped["data"]["reason"]) == (2, "overtaken")
        vendors.everything(("alice", "push"), ("alice", "push"))
        assert "late" in world.outbox("page")[1]["text"].lower()


async def test_a_manual_escalation_of_an_acknowledged_incident_pages_its_target_only(
    tmp_path: Path,
) -> None:
    """By default nothing is taken back: carol is paged, the next step is not."""
    policy = a_policy([paging("alice"), paging("bob", after="5m")])
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await world.command(incident, "acknowledge", "alice")
        view = await world.command(
            incident, "escalate", "alice", to="person:carol", reason="knows the pool"
        )
        assert view["status"] == "fixing"
        await facts(world, incident, "page_sent", 2)
        await pass_time(world, timedelta(minutes=4))
        assert vendors.pages() == [("alice", "email"), ("carol", "email")]
        assert await world.facts(incident, "unacknowledged") == []
        vendors.nothing_else()


async def test_where_policy_says_so_a_manual_escalation_takes_the_acknowledgement_back(
    tmp_path: Path,
) -> None:
    """Raised again: the target and the next step are paged, and whoever answers next leads."""
    policy = a_policy(
        [paging("alice"), paging("bob", after="5m")], policy={"escalating_unacknowledges": True}
    )
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await world.command(incident, "acknowledge", "alice")
        await facts(world, incident, "comms_opened")
        view = await world.command(incident, "escalate", "alice", to="person:carol", reason="help")
        assert (view["status"], view["acknowledged_at"]) == ("raised", None)
        await facts(world, incident, "page_sent", 3)
        assert sorted(vendors.pages()[1:]) == [("bob", "email"), ("carol", "email")]
        view = await world.command(incident, "acknowledge", "bob")
        assert (view["status"], view["incident_manager"]) == ("fixing", "bob")
        await pass_time(world, timedelta(minutes=10))
        assert len(vendors.pages()) == 3
        await facts(world, incident, "comms_opened")
        (fact,) = await facts(world, incident, "unacknowledged")
        assert fact["data"]["person"] == "alice"
        vendors.nothing_else()


async def test_an_acknowledgement_cancels_the_contacts_that_were_to_come(tmp_path: Path) -> None:
    """Answered before the SMS: it never goes out, for the climb and for a page by hand alike."""
    people = {name: with_rule(name) for name in ("alice", "carol")}
    policy = a_policy([paging("alice"), paging("bob", after="5m")], people=people)
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await pass_time(world, MINUTE)
        await world.command(incident, "acknowledge", "alice")
        await pass_time(world, timedelta(minutes=10))
        vendors.everything(("alice", "push"))
        await world.command(incident, "escalate", "alice", to="person:carol", reason="r")
        await facts(world, incident, "page_sent", 2)
        await pass_time(world, MINUTE)
        await world.command(incident, "acknowledge", "carol")
        await pass_time(world, timedelta(minutes=10))
        vendors.everything(("alice", "push"), ("carol", "push"))
        assert vendors.twilio.calls == 0


async def test_a_step_that_needs_two_acknowledgements_pages_the_others_on(tmp_path: Path) -> None:
    """Alice answers and goes quiet; bob and carol get their SMS; bob's answer ends it for all."""
    people = {name: with_rule(name) for name in ("alice", "bob", "carol")}
    policy = a_policy([paging("alice", "bob", "carol", acknowledgements=2)], people=people)
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent", 3)
        view = await world.command(incident, "acknowledge", "alice")
        assert (view["status"], view["incident_manager"]) == ("fixing", "alice")
        await pass_time(world, timedelta(minutes=3))
        assert sorted(vendors.pages()[3:]) == [("bob", "sms"), ("carol", "sms")]
        await world.command(incident, "acknowledge", "bob", via="sms")
        await pass_time(world, timedelta(minutes=20))
        assert len(vendors.pages()) == 5
        acknowledged = await facts(world, incident, "acknowledged", 2)
        assert [f["data"]["person"] for f in acknowledged] == ["alice", "bob"]
        assert [f["data"]["via"] for f in acknowledged] == ["api", "sms"]
        assert 120 <= acknowledged[1]["data"]["took_seconds"] <= 240
        assert (await world.status(incident))["incident_manager"] == "alice"
        vendors.nothing_else()


async def test_acknowledged_and_silent_is_reminded_and_then_the_climb_goes_on(
    tmp_path: Path,
) -> None:
    """No command for half an hour, no answer for ten minutes more: bob, whose step was next, is paged."""
    limits = {"sign_of_life": {"remind_after": "30m", "unacknowledge_after": "10m"}}
    limits |= {"confirm_within": "10h", "shift": "0s"}
    policy = a_policy([paging("alice"), paging("bob", after="5m")], limits=limits)
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await world.command(incident, "acknowledge", "alice")
        busy = await world.declare("Another one", key="busy")
        await world.command(busy, "acknowledge", "alice")
        await pass_time(world, timedelta(minutes=20))
        await world.command(busy, "note", "alice", text="looking at it")
        await pass_time(world, timedelta(minutes=11))
        asked = await facts(world, incident, "sign_of_life_asked")
        assert "alice is asked" in asked[0]["text"]
        reminded = [m for m in world.outbox("reminder") if m["incident"] == incident]
        assert [m["to"] for m in reminded] == ["alice@example.com"]
        assert [p for p, _ in vendors.pages()] == ["alice", "alice"]
        await pass_time(world, timedelta(minutes=10))
        await facts(world, incident, "unacknowledged")
        await facts(world, incident, "page_sent", 2)
        assert (await world.status(incident))["status"] == "raised"
        assert vendors.pages()[-1] == ("bob", "email")
        # The one on which work went on is left alone.
        assert (await world.status(busy))["status"] == "fixing"
        assert await world.facts(busy, "sign_of_life_asked", "unacknowledged") == []


async def test_pages_sent_before_an_upgrade_are_neither_sent_again_nor_forgotten(
    tmp_path: Path,
) -> None:
    """A state without anything of the plans is carried into this release: bob is paged in his time."""
    policy = a_policy([paging("alice"), paging("bob", after="5m")])
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        plan = a_plan((["person:alice"], 0), (["person:bob"], 5), repeat=0)
        before = Story(policy=a_policy_slice(escalation=plan), at=await world.now())
        assert before.paged() == ["alice"]
        await world.carry(of_before(before.incident), before.incident.policy)
        await pass_time(world, timedelta(minutes=4))
        assert vendors.pages() == []
        await pass_time(world, timedelta(minutes=2))
        await facts(world, "checkout-1", "page_sent")
        vendors.everything(("bob", "email"))
        view = await world.command("checkout-1", "acknowledge", "alice")
        assert view["status"] == "fixing"


def of_before(incident: Incident) -> dict[str, Any]:
    """The state as the release before this one wrote it."""
    state = incident.model_dump(mode="json")
    for name in ("reached", "awaited", "early_receipts", "refused_channels", "acknowledged_by",
                 "last_sign_at", "sign_asked_at"):  # fmt: skip
        del state[name]
    for run in state["pages"]:
        for name in ("earlier", "text", "text_at", "late", "asked_at", "needed", "acknowledged_by",
                     "first_sent", "failing_since", "is_failing"):  # fmt: skip
            del run[name]
        for person in run["current"]:
            for name in ("plan", "failing", "arrived", "next_at", "is_quiet"):
                del person[name]
    return state


async def test_apply_policy_pages_by_the_new_one_at_once_and_the_old_one_is_silent(
    tmp_path: Path,
) -> None:
    """Alice was being paged; the new policy pages carol now, and neither alice's SMS nor bob follow."""
    people = {"alice": with_rule("alice")}
    before = a_policy([paging("alice"), paging("bob", after="5m")], people=people)
    async with vendors_and_world(tmp_path, before) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        adopt(world, tmp_path, a_policy([paging("carol")], people=people))
        await world.command(incident, "apply_policy", "alice")
        await facts(world, incident, "page_sent", 2)
        await pass_time(world, timedelta(minutes=4))
        vendors.everything(("alice", "push"), ("carol", "email"))


async def test_an_exhausted_policy_repeats_exactly_n_times_and_is_never_silent_after_it(
    tmp_path: Path,
) -> None:
    """One repeat: two rounds, then the catch-all and the operator, and a round every 15 minutes."""
    policy = a_policy([paging("alice")], policy={"repeat": 1, "repeat_after": "5m"})
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await pass_time(world, timedelta(minutes=9))
        assert vendors.pages() == [("alice", "email")] * 2
        assert await world.facts(incident, "policy_exhausted") == []
        await pass_time(world, timedelta(minutes=2))
        await facts(world, incident, "policy_exhausted")
        assert vendors.pages() == [("alice", "email")] * 2 + [("carol", "email")]
        assert len(world.outbox("operator")) == 1
        await pass_time(world, timedelta(minutes=31))
        assert vendors.pages()[3:] == [("alice", "email")] * 2
        await facts(world, incident, "policy_exhausted")
        steps = [datetime.fromisoformat(f["at"]) for f in await world.facts(incident, "step_paged")]
        assert timedelta(minutes=14) < steps[-1] - steps[-2] < timedelta(minutes=16)
        vendors.nothing_else()


@pytest.mark.parametrize("broken", [False, True], ids=["ledger", "ledger broken"])
async def test_two_workers_on_one_incident_send_one_page_and_a_broken_ledger_stops_none(
    tmp_path: Path, broken: bool
) -> None:
    """Whoever is faster: exactly one page of each step; where it cannot be noted it is sent, not dropped."""
    policy = a_policy([paging("alice"), paging("bob", after="5m")])
    async with (
        vendors_and_world(tmp_path, policy) as (world, vendors),
        await world.another_worker(),
    ):
        if broken:
            break_outbox(world)
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        await pass_time(world, timedelta(minutes=6))
        sent = await facts(world, incident, "page_sent", 2)
        pages = [c for c in vendors.email.log if "/p1/" in c.key]
        assert [call.to for call in pages] == ["alice@example.com", "bob@example.com"]
        if broken:
            assert "the outbox could not be used" in str(sent[0]["data"]["deliveries"])
        assert await world.failed_tasks(incident) == []


def break_outbox(world: World) -> None:
    """Nothing can be noted any more: a file stands where the folder was."""
    folder = world.data / "outbox"
    if folder.exists():
        folder.rename(world.data / "outbox-before")
    folder.write_text("no folder")

"""How a page is delivered on the real server: contacts, rules, receipts, and what is never used."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity

import worker
from domain.messages import Delivery, DeliveryState, SendPage
from tests.fakes.sendgrid import Manner
from tests.scenarios.paging.vendors import a_policy, contact, facts, paging, vendors_and_world
from tests.world import World

MINUTE = timedelta(minutes=1)
REACHED = {"TOCSIN_PUBLIC_URL": "http://127.0.0.1:8600"}
"""Vendors can post back, so that they promise receipts."""


def rules(*rules: dict[str, Any]) -> dict[str, Any]:
    """Contact rules of one person."""
    return {"contact_rules": list(rules)}


async def pass_time(world: World, length: timedelta, step: float = 30) -> None:
    """Let time go on in small steps, so that nothing is overtaken."""
    await world.skip(length, step=timedelta(seconds=step))


async def receipt(world: World, incident: str, key: str, state: str, detail: str = "") -> None:
    """What a vendor posts, as the front hands it to the incident."""
    body = {"key": key, "state": state, "detail": detail}
    await world.signal(incident, "delivery_receipt", body)


async def test_a_temporary_failure_is_retried_with_a_bound_and_a_permanent_one_is_not(
    tmp_path: Path,
) -> None:
    """Push answers 400: not again, mail at once. Mail answers 500 twice: again after 2 s, then it is out."""
    people = {"alice": {"contacts": [contact("push", "alice"), contact("email", "alice")]}}
    policy = a_policy([paging("alice"), paging("bob", after="5m")], people=people)
    async with vendors_and_world(tmp_path, policy, skipping=False) as (world, vendors):
        vendors.push.status = 400
        vendors.email.manners["alice@example.com"] = Manner(status=500, times=1)
        incident = await world.declare()
        (sent,) = await facts(world, incident, "page_sent")
        assert (sent["data"]["channel"], sent["data"]["attempt"]) == ("email", 2)
        failed = await world.facts(incident, "page_failed")
        assert [(f["data"]["channel"], f["data"]["will_retry"]) for f in failed] == [
            ("push", False),
            ("email", True),
        ]
        assert vendors.push.calls == 1
        tries = [call.at for call in vendors.email.log]
        assert len(tries) == 2
        assert 1.5 < tries[1] - tries[0] < 20
        vendors.push.refused.clear()
        vendors.everything(("alice", "email"))


async def test_without_a_rule_that_fits_every_verified_method_is_used_and_one_paid_one(
    tmp_path: Path,
) -> None:
    """Alice has rules for SEV3 only: mail and push, free, and exactly one paid message, each its own fact."""
    contacts = [contact(c, "alice") for c in ("sms", "voice", "email", "push")]
    only = rules({"severities": ["SEV3"], "contacts": [{"use": "email"}]})
    policy = a_policy([paging("alice")], people={"alice": {"contacts": contacts, **only}})
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare(severity="SEV1")
        sent = await facts(world, incident, "page_sent", 3)
        assert sorted(f["data"]["channel"] for f in sent) == ["email", "push", "sms"]
        (step,) = await facts(world, incident, "step_paged")
        plan = step["data"]["targets"][0]["plan"]
        assert [c["channel"] for c in plan] == ["email", "push", "sms"]
        assert "no contact rule of alice fits SEV1" in step["text"]
        await pass_time(world, timedelta(minutes=3))
        assert sorted(vendors.pages()) == [
            ("alice", "email"),
            ("alice", "push"),
            ("alice", "sms"),
        ]
        assert [entry[1] for entry in vendors.log] in (["push", "sms"], ["sms", "push"])
        vendors.nothing_else()


async def test_unverified_and_disabled_methods_are_never_used(tmp_path: Path) -> None:
    """Not even for SEV1 and not as a fallback: the next step is paged instead, and the reason is said."""
    contacts = [
        contact("sms", "alice", verified=False),
        contact("push", "alice", enabled=False),
        contact("email", "alice", verified=False, enabled=False),
    ]
    policy = a_policy(
        [paging("alice"), paging("bob", after="5m")], people={"alice": {"contacts": contacts}}
    )
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        incident = await world.declare(severity="SEV1")
        await facts(world, incident, "page_sent")
        (skipped,) = await facts(world, incident, "step_skipped")
        assert "alice has no usable contact" in skipped["text"]
        assert "verified: false" in skipped["text"]
        await pass_time(world, timedelta(minutes=4))
        vendors.everything(("bob", "email"))
        assert vendors.twilio.calls == vendors.push.calls == 0


async def test_quiet_hours_hold_a_minor_page_and_never_a_major_one(tmp_path: Path) -> None:
    """SEV3 that pages always waits for alice's morning; SEV1 wakes her."""
    quiet = {"quiet_hours": {"from": "22:00", "to": "07:00"}, "timezone": "UTC"}
    severities = {
        "SEV1": {"major": True},
        "SEV2": {"major": True},
        "SEV3": {"major": False, "page": "always"},
    }
    policy = a_policy([paging("alice")], people={"alice": quiet}, severities=severities)
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        await world.skip(_night(await world.now()) - await world.now(), timedelta(hours=12))
        minor = await world.declare(severity="SEV3")
        (held,) = await facts(world, minor, "page_held")
        assert "quiet hours of alice" in held["text"]
        assert vendors.pages() == []
        major = await world.declare("The other", severity="SEV1", key="major")
        await facts(world, major, "page_sent")
        until = datetime.fromisoformat(held["data"]["until"])
        assert (until.astimezone(UTC).hour, until.minute) == (7, 0)
        await world.command(major, "acknowledge", "alice")
        await world.skip(until - await world.now() - MINUTE, timedelta(hours=1))
        vendors.everything(("alice", "email"))
        await pass_time(world, timedelta(minutes=2))
        await facts(world, minor, "page_sent")
        vendors.everything(("alice", "email"), ("alice", "email"))


def _night(now: datetime) -> datetime:
    """The next 23:00 UTC."""
    tonight = now.astimezone(UTC).replace(hour=23, minute=0, second=0, microsecond=0)
    return tonight if tonight > now else tonight + timedelta(days=1)


async def test_quiet_people_are_passed_over_for_those_who_are_awake(tmp_path: Path) -> None:
    """One of two has quiet hours: the other is paged, and the timeline says why she is not."""
    quiet = {"quiet_hours": {"from": "22:00", "to": "07:00"}, "timezone": "UTC"}
    severities = {"SEV1": {"major": True}, "SEV3": {"major": False, "page": "always"}}
    policy = a_policy(
        [paging("alice", "bob")],
        people={"alice": quiet},
        severities=severities,
        organisation={"default_severity": "SEV1", "catch_all": ["person:carol"]},
    )
    async with vendors_and_world(tmp_path, policy) as (world, vendors):
        await world.skip(_night(await world.now()) - await world.now(), timedelta(hours=12))
        incident = await world.declare(severity="SEV3")
        await facts(world, incident, "page_sent")
        (step,) = await facts(world, incident, "step_paged")
        assert "alice has quiet hours until" in step["text"]
        vendors.everything(("bob", "email"))


# Receipts.


async def sms_then_mail(world: World) -> tuple[str, str]:
    """An incident that pages alice by SMS, and the key of that page."""
    incident = await world.declare()
    (sent,) = await facts(world, incident, "page_sent")
    (delivery,) = sent["data"]["deliveries"]
    assert delivery["awaits_receipt"]
    return incident, delivery["key"]


def by_sms() -> dict[str, Any]:
    people = {"alice": {"contacts": [contact("sms", "alice"), contact("email", "alice")]}}
    return a_policy([paging("alice"), paging("bob", after="30m")], people=people)


async def test_a_page_without_a_receipt_in_a_minute_is_unconfirmed_and_the_next_contact_goes_out(
    tmp_path: Path,
) -> None:
    """Taken by the vendor and never delivered: mail after a minute, once, and nothing more."""
    async with vendors_and_world(tmp_path, by_sms(), environment=REACHED) as (world, vendors):
        incident, _ = await sms_then_mail(world)
        await pass_time(world, timedelta(seconds=50), 10)
        vendors.everything(("alice", "sms"))
        await pass_time(world, timedelta(seconds=20), 5)
        await facts(world, incident, "page_unconfirmed")
        await pass_time(world, timedelta(minutes=2), 10)
        await facts(world, incident, "page_sent", 2)
        vendors.everything(("alice", "sms"), ("alice", "email"))


@pytest.mark.parametrize(
    ("state", "fact", "pages"),
    [
        ("delivered", "page_delivered", [("alice", "sms")]),
        ("failed", "page_failed", [("alice", "sms"), ("alice", "email")]),
    ],
)
async def test_a_receipt_settles_what_became_of_a_page(
    tmp_path: Path, state: str, fact: str, pages: list[tuple[str, str]]
) -> None:
    """Arrived: nothing more. Not arrived: the next contact at once. Either is on the timeline, once."""
    async with vendors_and_world(tmp_path, by_sms(), environment=REACHED) as (world, vendors):
        incident, key = await sms_then_mail(world)
        await receipt(world, incident, key, state, "as the vendor says")
        await receipt(world, incident, key, state)
        (found,) = await facts(world, incident, fact)
        assert found["data"]["deliveries"][0]["detail"] == "as the vendor says"
        await pass_time(world, timedelta(minutes=3), 15)
        await facts(world, incident, "page_sent", len(pages))
        vendors.everything(*pages)
        assert await world.facts(incident, "page_unconfirmed", "faulted") == []


async def test_a_receipt_that_is_faster_than_our_own_attempt_counts(tmp_path: Path) -> None:
    """The vendor posts before its answer is in: the page has arrived, and no other contact is tried."""

    def faster(built: worker.Activities) -> worker.Activities:
        @activity.defn(name="send_page")
        async def send_page(request: SendPage) -> Delivery:
            await receipt(running[0], request.incident_id, request.key, "delivered")
            return Delivery(
                key=request.key, recipient=f"person:{request.person}", channel=request.channel,
                state=DeliveryState.SENT, awaits_receipt=True,
            )  # fmt: skip

        kept = [one for one in built.pages if one.__name__ != "send_page"]
        return replace(built, pages=[*kept, send_page])

    running: list[World] = []
    async with vendors_and_world(tmp_path, by_sms(), activities=faster) as (world, _):
        running.append(world)
        incident = await world.declare()
        await facts(world, incident, "page_delivered")
        await pass_time(world, timedelta(minutes=3), 15)
        await facts(world, incident, "page_sent")
        assert await world.facts(incident, "page_unconfirmed", "faulted") == []


async def test_a_plan_goes_on_when_the_incident_continues_as_new(tmp_path: Path) -> None:
    """A history that has grown long changes nothing: each contact once, at its time."""
    rule = rules({"contacts": [{"use": "push"}, {"use": "sms", "after": "2m"}]})
    contacts = [contact("push", "alice"), contact("sms", "alice")]
    policy = a_policy(
        [paging("alice"), paging("bob", after="30m")],
        people={"alice": {"contacts": contacts, **rule}},
    )
    async with vendors_and_world(tmp_path, policy, limits={"incident": 30}) as (world, vendors):
        incident = await world.declare()
        await facts(world, incident, "page_sent")
        for number in range(10):
            await world.command(incident, "note", "carol", text=f"note {number}")
        await world.eventually(lambda: _has_rolled(world, incident))
        await pass_time(world, timedelta(minutes=10))
        await facts(world, incident, "contact_due")
        vendors.everything(("alice", "push"), ("alice", "sms"))


async def _has_rolled(world: World, incident: str) -> bool:
    return len(await world.runs(incident)) > 1


async def test_a_receipt_of_an_unknown_page_is_ignored_and_a_wrong_one_refused(
    tmp_path: Path,
) -> None:
    """No fault, no page; what is no receipt at all is told as a refused command."""
    async with vendors_and_world(tmp_path, by_sms(), environment=REACHED) as (world, vendors):
        incident, key = await sms_then_mail(world)
        await receipt(world, incident, "checkout-1/p9/r1/s1/x/sms-0", "delivered")
        await receipt(world, incident, key, "on its way")
        await world.signal(incident, "delivery_receipt", {"state": 5})
        await world.signal(incident, "delivery_receipt")
        await world.signal(incident, "delivery_receipt", "one", "two")
        await facts(world, incident, "command_refused", 3)
        assert await world.facts(incident, "page_delivered", "page_failed", "faulted") == []
        await world.command(incident, "acknowledge", "alice")
        assert await world.failed_tasks(incident) == []
        vendors.everything(("alice", "sms"))

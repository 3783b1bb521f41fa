"""Paging: who is to be paged now, in spite of everything, and the attempt itself."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.channels.outbox import Outbox
from activities.delivery import Mode, Postman
from activities.looking_up import RecordsLookUp
from activities.page import PageResolving, PageSending
from domain.messages import DeliveryState, PageText, ResolvePage, SendPage
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from domain.priority import OpenIncident
from templates.renderer import Renderer
from tests.fakes.organisation import (
    NOW,
    FixedPolicy,
    FixedRecords,
    RecordingChannel,
    a_clock,
    a_policy,
    a_view,
)


def _postman(tmp_path: Path, mode: Mode = "outbox", *channels: RecordingChannel) -> Postman:
    return Postman(mode, {c.name: c for c in channels}, Outbox(tmp_path / "outbox"), a_clock)


def _resolving(
    tmp_path: Path,
    policy: Policy | None = None,
    records: FixedRecords | None = None,
    mode: Mode = "outbox",
    templates: Path | None = None,
    at: Any = a_clock,
) -> PageResolving:
    records = records or FixedRecords()
    return PageResolving(
        FixedPolicy(policy or a_policy()),
        RecordsLookUp(records, 0.2 if records.hang_seconds else 30.0),
        Renderer([templates] if templates else []),
        _postman(tmp_path, mode, RecordingChannel()),
        at,
    )


def _request(*targets: str, **changes: Any) -> ResolvePage:
    data = {
        "key": "checkout-17/p1/r1/s1/resolve",
        "incident": a_view(),
        "run": "p1",
        "round": 1,
        "step": 1,
        "targets": list(targets) or ["person:alice"],
    }
    return ResolvePage.model_validate(data | changes)


async def test_a_step_yields_people_contacts_and_words(tmp_path: Path) -> None:
    """Each person once, with the channels in their order, and a page that says where it ranks."""
    other = OpenIncident(
        id="search-3", priority="P2", severity="SEV2", raised_at=NOW - timedelta(hours=1)
    )
    resolving = _resolving(tmp_path, records=FixedRecords(other))
    done = await ActivityEnvironment().run(
        resolving.resolve_page, _request("team:payments", "person:alice")
    )
    assert [(t.person, t.channels) for t in done.targets] == [
        ("alice", ["sms", "email"]),
        ("bob", ["email"]),
    ]
    assert done.text is not None
    assert done.text.subject.startswith("checkout-17 SEV1 P1 #1 of 2 Checkout: ")
    assert "top priority: #1 of 2 open" in done.text.text
    assert done.rank is not None
    assert done.rank["position"] == 1
    assert done.faults == []


async def test_the_catch_all_is_resolved_live(tmp_path: Path) -> None:
    """The target `catch_all` means whom the policy in force names."""
    done = await _resolving(tmp_path).resolve_page(_request("catch_all"))
    assert [t.person for t in done.targets] == ["carol"]


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("team:empty", "team empty has no members"),
        ("schedule:gone", "schedule gone is no longer in the policy"),
        ("person:dana", "dana has no usable contact"),
    ],
)
async def test_nobody_behind_a_step_is_said(tmp_path: Path, target: str, sentence: str) -> None:
    """A step that reaches nobody answers with the reason, at once and without reading the records."""
    asked: list[str] = []

    class Watched(FixedRecords):
        def _answer(self) -> None:
            asked.append("something")

    done = await _resolving(tmp_path, records=Watched()).resolve_page(_request(target))
    assert (done.targets, done.text, done.skipped) == ([], None, [sentence])
    assert asked == []


async def test_live_skips_contacts_that_cannot_page(tmp_path: Path) -> None:
    """A channel that this installation lacks is left out, with a sentence for the timeline."""
    done = await _resolving(tmp_path, mode="live").resolve_page(_request())
    assert done.targets[0].channels == ["email"]
    assert done.skipped == ["contact 1 of alice is skipped: this Tocsin has no channel sms"]


async def test_what_can_wait_waits_for_working_hours(tmp_path: Path) -> None:
    """Outside working hours the page is held until they begin, and inside it goes out."""
    night = NOW.replace(hour=22)
    held = await _resolving(tmp_path, at=lambda: night).resolve_page(
        _request(wait_for_working_hours=True)
    )
    assert held.hold_until == NOW.replace(day=25, hour=8, minute=0)  # 09:00 in Berlin
    assert held.targets == []
    inside = await _resolving(tmp_path).resolve_page(_request(wait_for_working_hours=True))
    assert inside.hold_until is None
    assert len(inside.targets) == 1


async def test_working_hours_that_cannot_be_computed_hold_nothing_up(tmp_path: Path) -> None:
    """An unknown zone is a fault, not a reason to wait."""
    policy = a_policy(organisation={"timezone": "Mars/Base"})
    done = await _resolving(tmp_path, policy).resolve_page(_request(wait_for_working_hours=True))
    assert len(done.targets) == 1
    assert "working hours could not be computed" in done.faults[0]


@pytest.mark.parametrize(
    "records", [FixedRecords(hang_seconds=20), FixedRecords(error=RuntimeError("locked"))]
)
async def test_a_page_does_not_wait_for_the_records(tmp_path: Path, records: FixedRecords) -> None:
    """Records that hang or are away cost the limit at most: the page goes out without its rank."""
    started = time.monotonic()
    done = await _resolving(tmp_path, records=records).resolve_page(_request())
    took = time.monotonic() - started
    records.over.set()
    assert took < 15
    assert len(done.targets) == 1
    assert done.rank is None
    assert done.text is not None
    assert done.text.subject.startswith("checkout-17 SEV1 P1 Checkout: ")
    assert "the rank could not be read" in done.faults[0]


async def test_many_pages_do_not_queue_behind_hung_records(tmp_path: Path) -> None:
    """With the records hung, thirty pages at once still take about the limit of one."""
    records = FixedRecords(hang_seconds=20)
    resolving = _resolving(tmp_path, records=records)
    started = time.monotonic()
    done = await asyncio.gather(*(resolving.resolve_page(_request()) for _ in range(30)))
    took = time.monotonic() - started
    records.over.set()
    assert took < 15
    assert all(one.text for one in done)


@pytest.mark.parametrize(
    "source", ["{{ nothing }}", "{% if %}", "{{ 1 / 0 }}", "{{ ''.__class__ }}"]
)
async def test_a_broken_template_does_not_stop_a_page(tmp_path: Path, source: str) -> None:
    """The built-in text goes out, and the fault is told."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "body.txt.j2").write_text(source)
    done = await _resolving(tmp_path, templates=tmp_path).resolve_page(
        _request(late=True, reason="The database is slow")
    )
    assert done.text is not None
    assert done.text.subject == (
        "LATE checkout-17 SEV1 P1 #1 of 1 Checkout: Card payments are refused"
    )
    assert "The database is slow" in done.text.text
    assert a_view()["url"] in done.text.text
    assert "template page/body.txt.j2" in done.faults[0]


async def test_a_policy_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    """Resolving never raises: the workflow hears what is wrong and goes on to the next step."""
    resolving = _resolving(tmp_path)
    resolving._policy = FixedPolicy(None)
    done = await resolving.resolve_page(_request())
    assert done.targets == []
    assert "the disk is gone" in done.faults[0]


async def test_a_view_with_holes_still_pages(tmp_path: Path) -> None:
    """An incident whose view lacks what a template needs is paged with the built-in text."""
    done = await _resolving(tmp_path).resolve_page(_request(incident={"id": "checkout-17"}))
    assert len(done.targets) == 1
    assert done.text is not None
    assert "checkout-17" in done.text.subject


async def test_a_test_page_says_that_it_is_one(tmp_path: Path) -> None:
    """`oncall test` reaches the person's contacts with a text that cannot be taken for real."""
    done = await _resolving(tmp_path).resolve_test_page("alice")
    assert done.targets[0].channels == ["sms", "email"]
    assert done.text is not None
    assert done.text.subject == "TEST page from Example for Alice Ng"
    assert (await _resolving(tmp_path).resolve_test_page("nobody")).targets == []


def _send(**changes: Any) -> SendPage:
    data = {
        "key": "checkout-17/p1/r1/s1/alice/email-1",
        "incident_id": "checkout-17",
        "severity": "SEV1",
        "person": "alice",
        "channel": "email",
        "contact": 1,
        "text": PageText(subject="checkout-17", text="down"),
    }
    return SendPage.model_validate(data | changes)


async def test_a_page_goes_to_the_address_of_today(tmp_path: Path) -> None:
    """The address is looked up when sending, so that a corrected one is used at once."""
    channel = RecordingChannel()
    policy = FixedPolicy(a_policy())
    sending = PageSending(policy, _postman(tmp_path, "live", channel), a_clock)
    # Alone among the usable contacts here, although it is the second in the policy.
    delivery = await ActivityEnvironment().run(sending.send_page, _send(contact=0))
    assert delivery.state is DeliveryState.SENT
    assert channel.sent[0].to == "alice@example.com"
    assert channel.sent[0].person == "alice"


async def test_a_contact_that_moved_is_found_by_its_channel(tmp_path: Path) -> None:
    """The list was changed since the step was resolved: the contact of that channel is used."""
    channel = RecordingChannel()
    sending = PageSending(FixedPolicy(a_policy()), _postman(tmp_path, "live", channel), a_clock)
    assert (await sending.send_page(_send(contact=4))).state is DeliveryState.SENT


@pytest.mark.parametrize("changes", [{"person": "zoe"}, {"person": "dana"}, {"channel": "voice"}])
async def test_a_contact_that_is_gone_is_not_retried(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    """A person or contact that left the policy fails for good, so that the next contact is tried."""
    sending = PageSending(FixedPolicy(a_policy()), _postman(tmp_path), a_clock)
    delivery = await sending.send_page(_send(**changes))
    assert (delivery.reason, delivery.retryable) == ("no_contact", False)


async def test_an_unreadable_policy_is_retried(tmp_path: Path) -> None:
    """A policy that cannot be read now may be readable in a moment."""
    sending = PageSending(FixedPolicy(None), _postman(tmp_path), a_clock)
    delivery = await sending.send_page(_send())
    assert (delivery.state, delivery.retryable) == (DeliveryState.FAILED, True)


WRONG_CLOCKS = [timedelta(hours=2), -timedelta(hours=2)]


@pytest.mark.parametrize("error", WRONG_CLOCKS, ids=["fast", "slow"])
async def test_a_worker_with_a_wrong_clock_pages_whom_the_shift_says(
    tmp_path: Path, error: timedelta
) -> None:
    """Two hours off are two turns of an hourly rotation, and out of hours: Temporal's time counts."""
    hours = {"days": ["tue"], "from": "14:30", "to": "15:30"}
    turns = {"people": ["alice", "bob", "carol"], "every": "hour", "starts": "2026-01-05"}
    policy = a_policy(
        organisation={
            "catch_all": ["person:carol"], "timezone": "Europe/Berlin", "working_hours": hours,
        },
        schedules={"payments": {"timezone": "Europe/Berlin", "rotations": [turns]}},
    )  # fmt: skip
    (meant,), _ = resolve_targets(policy, ["schedule:payments"], NOW)
    (wrong,), _ = resolve_targets(policy, ["schedule:payments"], NOW + error)
    assert meant.person != wrong.person
    resolving = _resolving(tmp_path, policy, at=lambda: NOW + error)
    done = await resolving.resolve_page(
        _request("schedule:payments", at=NOW, wait_for_working_hours=True)
    )
    assert done.hold_until is None
    assert [target.person for target in done.targets] == [meant.person]


@pytest.mark.parametrize("error", WRONG_CLOCKS, ids=["fast", "slow"])
async def test_a_worker_with_a_wrong_clock_sends_links_that_hold(
    tmp_path: Path, error: timedelta
) -> None:
    """The half hour of a link counts from Temporal's time: two hours slow, it would be dead at once."""
    signed: list[datetime] = []

    def answer_for(request: SendPage, at: datetime) -> None:
        signed.append(at)

    sending = PageSending(
        FixedPolicy(a_policy()), _postman(tmp_path), lambda: NOW + error, answer_for
    )
    await sending.send_page(_send(at=NOW))
    assert signed == [NOW]

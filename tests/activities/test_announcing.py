"""Announcements: who they reach, that one failing recipient fails alone, and nobody is told twice."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.announcing import Announcer
from activities.channels.outbox import Outbox
from activities.delegate import Delegating
from activities.delivery import Mode, Postman
from activities.escalate import OperatorTelling
from activities.follow_up import FollowingUp
from activities.page import PagedTelling
from activities.remind import Reminding
from activities.resolve import Resolving
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Announced, DeliveryState, Purpose
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from templates.renderer import Renderer
from tests.fakes.organisation import (
    NOW,
    FixedPolicy,
    RecordingChannel,
    a_clock,
    a_policy,
    a_view,
    an_announcement,
)

UPDATE: dict[str, Any] = {
    "key": "checkout-17/update/internal/1",
    "purpose": Purpose.INTERNAL_UPDATE,
    "template": "internal_update",
    "context": {
        "text": "Half of the payments work again.",
        "status": None,
        "variant": "follow_up",
        "by": "alice",
        "next_update_at": None,
    },
}
PUBLIC = UPDATE | {
    "key": "checkout-17/update/external/1",
    "purpose": Purpose.EXTERNAL_UPDATE,
    "template": "external_update",
}


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


def _announcer(
    tmp_path: Path,
    channel: RecordingChannel,
    policy: Policy | None = None,
    mode: Mode = "live",
    templates: Path | None = None,
) -> Announcer:
    postman = Postman(mode, {"email": channel}, Outbox(tmp_path / "outbox"), a_clock)
    renderer = Renderer([templates] if templates else [])
    return Announcer(FixedPolicy(policy or a_policy()), renderer, postman, a_clock)


def _recipients(done: Announced) -> list[str]:
    return [delivery.recipient for delivery in done.deliveries]


async def test_a_person_is_told_over_the_first_usable_contact(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """Live skips alice's SMS, which this installation cannot send."""
    done = await _announcer(tmp_path, channel).announce(an_announcement("person:alice"))
    assert [(d.key, d.state) for d in done.deliveries] == [
        ("checkout-17/told/1/person:alice/email", DeliveryState.SENT)
    ]
    assert "taken by alice" in channel.sent[0].subject


async def test_stakeholders_are_those_of_severity_and_service(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """Every address of a group that matches, one message each; other services' groups do not hear."""
    done = await _announcer(tmp_path, channel).announce(an_announcement("stakeholders", **UPDATE))
    assert _recipients(done) == ["stakeholders:leadership/0", "stakeholders:leadership/1"]
    assert {message.to for message in channel.sent} == {"cto@example.com", "coo@example.com"}


async def test_an_address_in_two_groups_gets_one_message(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """Whoever is in several groups is told once."""
    to = [{"channel": "email", "to": "cto@example.com"}]
    policy = a_policy(stakeholders={"a": {"to": to}, "b": {"to": to}})
    await _announcer(tmp_path, channel, policy).announce(an_announcement("stakeholders", **UPDATE))
    assert len(channel.sent) == 1


async def test_a_process_may_narrow_the_audiences(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """A security incident is told to its own audience only."""
    policy = a_policy(processes={"security": {"audiences": ["search"]}})
    request = an_announcement("stakeholders", view=a_view(type="security"), **UPDATE)
    done = await _announcer(tmp_path, channel, policy).announce(request)
    assert _recipients(done) == ["person:alice"]


@pytest.mark.parametrize("mode", ["live", "outbox"])
async def test_without_stakeholders_the_incident_manager_is_told(
    tmp_path: Path, channel: RecordingChannel, mode: Mode
) -> None:
    """No group matches: one message to the incident manager, and a note."""
    request = an_announcement("stakeholders", view=a_view(severity="SEV3"), **UPDATE)
    done = await _announcer(tmp_path, channel, mode=mode).announce(request)
    assert _recipients(done) == ["person:alice"]
    assert "no stakeholder can be told" in done.notes[0]


async def test_nobody_to_tell_is_loud(tmp_path: Path, channel: RecordingChannel) -> None:
    """No stakeholder and no incident manager: a failed delivery and a note, never silence."""
    view = a_view(severity="SEV3", incident_manager=None)
    done = await _announcer(tmp_path, channel).announce(
        an_announcement("stakeholders", view=view, **UPDATE)
    )
    assert [(d.state, d.reason) for d in done.deliveries] == [(DeliveryState.FAILED, "no_contact")]
    assert done.notes


async def test_the_status_page_gets_a_file_without_anything_internal(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """An external update holds the product's name and its own text: no summary, no id, no host."""
    view = a_view(summary="pay-db-7 is down", description="host pay-db-7", resolution="pay-db-7")
    done = await _announcer(tmp_path, channel).announce(
        an_announcement("status_page", view=view, **PUBLIC)
    )
    assert [d.state for d in done.deliveries] == [DeliveryState.SENT]
    (file,) = (tmp_path / "outbox").iterdir()
    content = json.loads(file.read_text())
    assert (content["channel"], content["to"]) == ("status_page", "status page")
    shown = content["subject"] + content["text"] + content["html"]
    assert "Checkout" in shown
    assert "pay-db-7" not in shown
    assert "checkout-17" not in shown
    assert channel.sent == []


async def test_the_operator_gets_a_file(tmp_path: Path, channel: RecordingChannel) -> None:
    """What nobody answered lands in the outbox for whoever runs Tocsin, in live mode too."""
    request = an_announcement(
        "operator", purpose=Purpose.OPERATOR, template="operator", context={"what": "Exhausted"}
    )
    done = await OperatorTelling(_announcer(tmp_path, channel)).tell_operator(request)
    assert [(d.recipient, d.state) for d in done.deliveries] == [("operator", DeliveryState.SENT)]
    (file,) = (tmp_path / "outbox").iterdir()
    assert json.loads(file.read_text())["channel"] == "operator"


async def test_the_catch_all_is_resolved(tmp_path: Path, channel: RecordingChannel) -> None:
    """`catch_all` means the policy's people."""
    done = await _announcer(tmp_path, channel).announce(an_announcement("catch_all"))
    assert _recipients(done) == ["person:carol"]


@pytest.mark.parametrize(("manager", "expected"), [("alice", "bob"), ("bob", "alice")])
async def test_the_next_step_is_somebody_else(
    tmp_path: Path, channel: RecordingChannel, manager: str, expected: str
) -> None:
    """`next_step` is the first of the plan's second step who is not the incident manager."""
    request = an_announcement("next_step", view=a_view(incident_manager=manager))
    done = await _announcer(tmp_path, channel).announce(request)
    assert _recipients(done) == [f"person:{expected}"]


@pytest.mark.parametrize("hours", [0, 1, 2])
async def test_whoever_is_on_call_by_temporals_time_is_told(
    tmp_path: Path, channel: RecordingChannel, hours: int
) -> None:
    """The worker's clock may be off by hours; the turn of an hourly rotation is that of the request."""
    turns = {"people": ["alice", "bob", "carol"], "every": "hour", "starts": "2026-01-05"}
    policy = a_policy(schedules={"payments": {"rotations": [turns]}})
    at = NOW + timedelta(hours=hours)
    (meant,), _ = resolve_targets(policy, ["schedule:payments"], at)
    request = an_announcement("schedule:payments").model_copy(update={"at": at})
    done = await _announcer(tmp_path, channel, policy).announce(request)
    assert _recipients(done) == [f"person:{meant.person}"]


async def test_one_failing_recipient_fails_alone(tmp_path: Path, channel: RecordingChannel) -> None:
    """The others get theirs; only the failed one is worth another attempt."""
    channel.fails["bob@example.com"] = DeliveryError(
        DeliveryReason.SERVER_ERROR, "down", retryable=True
    )
    request = an_announcement("person:alice", "person:bob", "person:carol", "person:zoe")
    done = await _announcer(tmp_path, channel).announce(request)
    states = {d.recipient: (d.state, d.retryable) for d in done.deliveries}
    assert states == {
        "person:alice": (DeliveryState.SENT, False),
        "person:bob": (DeliveryState.FAILED, True),
        "person:carol": (DeliveryState.SENT, False),
        "person:zoe": (DeliveryState.FAILED, False),
    }
    assert [d.recipient for d in done.unsettled()] == ["person:bob"]


async def test_who_has_it_is_not_told_again(tmp_path: Path, channel: RecordingChannel) -> None:
    """A later attempt leaves out the settled keys, also those that failed for good."""
    settled = ["checkout-17/told/1/person:alice/email", "checkout-17/told/1/person:dana/none"]
    request = an_announcement("person:alice", "person:bob", "person:dana", settled=settled)
    done = await _announcer(tmp_path, channel).announce(request)
    assert _recipients(done) == ["person:bob"]


async def test_a_crowd_is_told_in_chunks(tmp_path: Path, channel: RecordingChannel) -> None:
    """A hundred and twenty stakeholders each get one message."""
    to = [{"channel": "email", "to": f"s{n}@example.com"} for n in range(120)]
    policy = a_policy(stakeholders={"all": {"to": to}})
    done = await _announcer(tmp_path, channel, policy).announce(
        an_announcement("stakeholders", **UPDATE)
    )
    assert len(done.deliveries) == len(channel.sent) == 120


async def test_an_attempt_ends_before_it_is_cut_off(
    tmp_path: Path, channel: RecordingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recipients whose turn did not come are reported and told at the next attempt."""
    monkeypatch.setattr("activities.announcing.BUDGET_SECONDS", -1.0)
    done = await _announcer(tmp_path, channel).announce(an_announcement("person:bob"))
    assert [(d.reason, d.retryable) for d in done.deliveries] == [("timed_out", True)]


@pytest.mark.parametrize("request_of", [UPDATE, PUBLIC])
async def test_a_broken_template_sends_plain_text(
    tmp_path: Path, channel: RecordingChannel, request_of: dict[str, Any]
) -> None:
    """The text goes out without its dress, nothing internal goes outside, and the fault is noted."""
    folder = tmp_path / "own" / request_of["template"]
    folder.mkdir(parents=True)
    (folder / "subject.j2").write_text("{{ missing }}")
    to = "stakeholders" if request_of is UPDATE else "status_page"
    done = await _announcer(tmp_path, channel, templates=tmp_path / "own").announce(
        an_announcement(to, **request_of)
    )
    assert all(d.state is DeliveryState.SENT for d in done.deliveries)
    assert "sent as plain text" in done.notes[0]
    file = next((tmp_path / "outbox").iterdir())
    content = json.loads(file.read_text())
    assert "Half of the payments work again." in content["text"]
    is_told = "Card payments are refused" in content["subject"]
    assert is_told == (request_of is UPDATE)


async def test_an_unreadable_policy_still_reaches_the_status_page(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """What needs no address goes out; the rest is retried."""
    announcer = _announcer(tmp_path, channel)
    announcer._policy = FixedPolicy(None)
    done = await announcer.announce(an_announcement("status_page", "person:bob", **PUBLIC))
    assert [(d.recipient, d.state, d.retryable) for d in done.deliveries] == [
        ("status_page", DeliveryState.SENT, False),
        ("person:bob", DeliveryState.FAILED, True),
    ]


async def test_every_step_of_the_process_announces(
    tmp_path: Path, channel: RecordingChannel
) -> None:
    """Paged people, roles, reminders, updates and finals all leave by the same way."""
    announcer = _announcer(tmp_path, channel)
    follow_up = FollowingUp(FixedPolicy(a_policy()), Renderer(), announcer, a_clock)
    activities = [
        PagedTelling(announcer).tell_paged,
        Delegating(announcer).delegate,
        Reminding(announcer).remind,
        follow_up.publish_update,
        Resolving(announcer).send_final,
    ]
    for number, run in enumerate(activities):
        done = await run(an_announcement("person:bob", key=f"checkout-17/{number}"))
        assert [d.state for d in done.deliveries] == [DeliveryState.SENT]
    assert len(channel.sent) == len(activities)

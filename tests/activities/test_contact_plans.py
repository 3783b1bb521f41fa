"""Whom a step pages and how, with the policy and the channels as they are: and never nobody in silence."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import activities.contact_plans as planning
from activities.channels.base import Capabilities
from activities.channels.outbox import Outbox
from activities.contact_plans import About, Planned, plan_targets
from activities.delivery import Postman
from domain.on_call import OnCall
from domain.policy.model import Policy
from tests.fakes.organisation import RecordingChannel, a_clock

NIGHT = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
QUIET = {"from": "22:00", "to": "07:00"}
MINOR, MAJOR = About("SEV3", is_major=False), About("SEV1", is_major=True)


def a_policy(**people: dict[str, Any]) -> Policy:
    """People with an email and an SMS each, and what is said of them."""
    contacts = [{"channel": "sms", "to": "+4915550001"}, {"channel": "email", "to": "a@x.test"}]
    known = {name: {"contacts": contacts, **fields} for name, fields in people.items()}
    return Policy.model_validate({"organisation": {"timezone": "UTC"}, "people": known})


def plan(tmp_path: Path, policy: Policy, about: About = MAJOR, at: datetime = NIGHT) -> Planned:
    channels = {}
    for name, is_paid in (("sms", True), ("email", False)):
        channel = RecordingChannel(name)
        channel.capabilities = Capabilities(pages=True, is_paid=is_paid)
        channels[name] = channel
    postman = Postman("live", channels, Outbox(tmp_path / "outbox"), a_clock)
    people = [OnCall(person=name, why="named in person") for name in policy.people]
    return plan_targets(policy, postman, people, about, at)


def shown(planned: Planned) -> list[tuple[str, list[tuple[str, int, float | None]]]]:
    return [
        (t.person, [(c.channel, c.contact, c.after_seconds) for c in t.plan])
        for t in planned.targets
    ]


def test_the_plan_stands_in_the_target_with_its_channels(tmp_path: Path) -> None:
    """Without rules: the usable contacts in their order, each for the failure of the one before."""
    planned = plan(tmp_path, a_policy(alice={}))
    assert shown(planned) == [("alice", [("sms", 0, None), ("email", 1, None)])]
    assert planned.targets[0].channels == ["sms", "email"]
    assert planned.skipped == []


def test_which_channels_cost_money_comes_from_the_channels(tmp_path: Path) -> None:
    """No rule fits: the free one first, and the SMS because its channel says that it is paid."""
    rule = {"severities": ["SEV3"], "contacts": [{"use": "email"}]}
    planned = plan(tmp_path, a_policy(alice={"contact_rules": [rule]}))
    assert shown(planned) == [("alice", [("email", 1, 0.0), ("sms", 0, 0.0)])]
    assert planned.skipped == [
        "no contact rule of alice fits SEV1 now: every verified method is used"
    ]


def test_quiet_people_are_named_with_the_time_at_which_they_can_be_paged(tmp_path: Path) -> None:
    """Bob is paged; alice is not, and the timeline says until when."""
    planned = plan(tmp_path, a_policy(alice={"quiet_hours": QUIET}, bob={}), MINOR)
    assert [t.person for t in planned.targets] == ["bob"]
    assert planned.quiet == {"alice": datetime(2026, 11, 25, 7, 0, tzinfo=UTC)}
    assert planned.skipped == ["alice has quiet hours until Wed 07:00 UTC"]


def test_a_major_page_knows_no_quiet_hours(tmp_path: Path) -> None:
    """SEV1 wakes everybody."""
    planned = plan(tmp_path, a_policy(alice={"quiet_hours": QUIET}), MAJOR)
    assert [t.person for t in planned.targets] == ["alice"]


def test_a_test_page_tries_the_contacts_themselves(tmp_path: Path) -> None:
    """Whatever the rules and the hour say: it is about whether the contacts work."""
    rule = {"contacts": [{"use": "email"}]}
    policy = a_policy(alice={"quiet_hours": QUIET, "contact_rules": [rule]})
    planned = plan(tmp_path, policy, About("", is_major=True, follows_rules=False))
    assert shown(planned) == [("alice", [("sms", 0, None), ("email", 1, None)])]


def test_unverified_and_disabled_contacts_are_in_no_plan(tmp_path: Path) -> None:
    """And somebody who has no other is said to have none."""
    contacts = [
        {"channel": "sms", "to": "+4915550001", "verified": False},
        {"channel": "email", "to": "a@x.test", "enabled": False},
    ]
    planned = plan(tmp_path, a_policy(alice={"contacts": contacts}))
    assert planned.targets == []
    assert planned.skipped[-1] == "alice has no usable contact"
    assert ["verified" in s or "enabled" in s for s in planned.skipped] == [True, True, False]


@pytest.mark.parametrize("broken", ["plan_contacts", "quiet_until"])
def test_what_cannot_be_computed_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A zone that this machine does not know: paged as without rules, and the timeline says so."""
    good = getattr(planning, broken)

    def fails_with_rules(*args: Any) -> Any:
        person = args[1] if broken == "plan_contacts" else args[0]
        if person.contact_rules:
            raise KeyError("no such zone")
        return good(*args)

    monkeypatch.setattr(planning, broken, fails_with_rules)
    rule = {"contacts": [{"use": "email"}]}
    planned = plan(tmp_path, a_policy(alice={"contact_rules": [rule]}), MINOR)
    assert [t.person for t in planned.targets] == ["alice"]
    assert "no such zone" in planned.skipped[0]

"""Which contacts a page goes over: the first rule that fits, no rules, no fitting rule, quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest

from domain.contact_rules import ContactPlan, plan_contacts, quiet_until
from domain.policy.person import Person

MONDAY_NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PAID = {"sms", "voice"}
CONTACTS = [
    {"channel": "sms", "to": "+4915550001"},
    {"channel": "email", "to": "a@x.test"},
    {"channel": "push", "to": "alice-topic"},
    {"channel": "voice", "to": "+4915550001"},
    {"channel": "sms", "to": "+4915550002"},
]


def a_person(*rules: dict[str, Any], **fields: Any) -> Person:
    """Alice with five contacts."""
    return Person.model_validate({"contacts": CONTACTS, "contact_rules": list(rules), **fields})


def a_plan(
    person: Person, severity: str = "SEV1", at: datetime = MONDAY_NOON, usable: Any = None,
    zone: str = "Europe/Berlin",
) -> ContactPlan:  # fmt: skip
    """The plan with all contacts usable, or only those numbers."""
    numbers = range(len(person.contacts)) if usable is None else usable
    listed = [(number, person.contacts[number]) for number in numbers]
    return plan_contacts("alice", person, listed, severity, zone, at, PAID)


def shown(plan: ContactPlan) -> list[tuple[str, int, float | None]]:
    return [(c.channel, c.contact, c.after_seconds) for c in plan.contacts]


def rule(*uses: str | tuple[str, str], **filters: Any) -> dict[str, Any]:
    """A rule of methods, some with a wait."""
    contacts = [{"use": u} if isinstance(u, str) else {"use": u[0], "after": u[1]} for u in uses]
    return {"contacts": contacts, **filters}


def test_without_rules_one_contact_after_the_other_and_only_when_one_fails() -> None:
    """The first usable contact, one message; the others wait for its failure."""
    assert shown(a_plan(a_person())) == [
        ("sms", 0, None), ("email", 1, None), ("push", 2, None), ("voice", 3, None),
        ("sms", 4, None),
    ]  # fmt: skip
    assert shown(a_plan(a_person(), usable=[1, 4])) == [("email", 0, None), ("sms", 1, None)]
    assert a_plan(a_person()).gaps == []


def test_the_first_rule_that_fits_decides() -> None:
    """Order and waits are those of the rule; rules behind it do not count."""
    person = a_person(
        rule("email", severities=["SEV3"]),
        rule("push", ("sms", "2m"), ("voice", "5m")),
        rule("email"),
    )
    assert shown(a_plan(person)) == [("push", 2, 0.0), ("sms", 0, 120.0), ("voice", 3, 300.0)]
    assert shown(a_plan(person, "SEV3")) == [("email", 1, 0.0)]


def test_push_and_ntfy_are_one_channel() -> None:
    """The contact says push, the rule says ntfy: the same method."""
    assert shown(a_plan(a_person(rule("ntfy")))) == [("push", 2, 0.0)]


def test_a_number_names_one_contact_of_a_channel() -> None:
    """`sms:2` is the second SMS number, also when the first cannot be used."""
    person = a_person(rule("sms:2", ("sms:1", "1m")))
    assert shown(a_plan(person)) == [("sms", 4, 0.0), ("sms", 0, 60.0)]
    plan = a_plan(person, usable=[1, 4])
    assert shown(plan) == [("sms", 1, 0.0)]
    assert plan.gaps == ["alice has no usable contact for `sms:1` of their contact rule"]


def test_a_method_that_cannot_be_used_costs_no_wait() -> None:
    """Push is gone: the SMS that would have come two minutes later comes now, and the gap is said."""
    plan = a_plan(a_person(rule("push", ("sms", "2m"), ("voice", "5m"))), usable=[0, 1, 3])
    assert shown(plan) == [("sms", 0, 0.0), ("voice", 2, 300.0)]
    assert "push" in plan.gaps[0]


def test_a_first_method_may_be_given_a_wait() -> None:
    """Whoever writes a wait before the first method means it."""
    assert shown(a_plan(a_person(rule(("email", "3m"))))) == [("email", 1, 180.0)]


@pytest.mark.parametrize(
    ("hour", "uses"),
    [(7, [("voice", 3, 0.0)]), (8, [("email", 1, 0.0)]), (16, [("voice", 3, 0.0)])],
)
def test_hours_are_wall_time_of_the_persons_zone(hour: int, uses: Any) -> None:
    """09:00 to 17:00 in Berlin is 08:00 to 16:00 UTC in winter; the end is outside."""
    day = {"days": ["mon-fri"], "from": "09:00", "to": "17:00"}
    person = a_person(rule("email", hours=day), rule("voice"))
    assert shown(a_plan(person, at=MONDAY_NOON.replace(hour=hour))) == uses


def test_when_no_rule_fits_every_method_is_used_free_ones_first_and_one_paid_one() -> None:
    """A gap in somebody's rules reaches them all the same, at once, and is reported."""
    plan = a_plan(a_person(rule("email", severities=["SEV3"])))
    assert shown(plan) == [("email", 1, 0.0), ("push", 2, 0.0), ("sms", 0, 0.0)]
    assert plan.gaps == ["no contact rule of alice fits SEV1 now: every verified method is used"]


def test_a_rule_that_leaves_no_method_falls_back_to_every_one() -> None:
    """The rule names what cannot be used: nobody is un-paged because of that."""
    plan = a_plan(a_person(rule("slack")))
    assert [c.channel for c in plan.contacts] == ["email", "push", "sms"]
    assert plan.gaps == [
        "alice has no usable contact for `slack` of their contact rule",
        "the contact rule of alice leaves no method: every one is used",
    ]


def test_somebody_with_paid_methods_only_gets_one_of_them() -> None:
    """Exactly one paid message, the first of the list."""
    plan = a_plan(a_person(rule("email", severities=["SEV3"])), usable=[0, 3, 4])
    assert shown(plan) == [("sms", 0, 0.0)]


def test_without_any_usable_contact_the_plan_is_empty() -> None:
    """Rules or not: there is nobody to page."""
    assert a_plan(a_person(), usable=[]).contacts == []
    assert a_plan(a_person(rule("sms")), usable=[]).contacts == []


# Quiet hours.

NIGHT = {"from": "22:00", "to": "07:00"}


@pytest.mark.parametrize(
    ("at", "until"),
    [
        (datetime(2026, 3, 2, 20, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 2, 21, 0, tzinfo=UTC), datetime(2026, 3, 3, 6, 0, tzinfo=UTC)),
        (datetime(2026, 3, 3, 5, 59, tzinfo=UTC), datetime(2026, 3, 3, 6, 0, tzinfo=UTC)),
        (datetime(2026, 3, 3, 6, 0, tzinfo=UTC), None),
    ],
)
def test_quiet_hours_run_over_midnight_in_the_persons_zone(
    at: datetime, until: datetime | None
) -> None:
    """22:00 to 07:00 in Berlin; the end is outside."""
    assert quiet_until(a_person(quiet_hours=NIGHT), "Europe/Berlin", at) == until


def test_quiet_hours_over_a_change_of_clocks_end_by_the_wall() -> None:
    """The night in which clocks go forward ends at 07:00 summer time, an hour earlier in UTC."""
    at = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
    person = a_person(quiet_hours=NIGHT)
    assert quiet_until(person, "Europe/Berlin", at) == datetime(2026, 3, 29, 5, 0, tzinfo=UTC)


def test_quiet_hours_that_never_end_are_none() -> None:
    """All day, every day: a page must not wait for ever."""
    always = {"from": "00:00", "to": "24:00"}
    assert quiet_until(a_person(quiet_hours=always), "Europe/Berlin", MONDAY_NOON) is None
    weekend = {"days": ["sat-sun"]}
    saturday = datetime(2026, 3, 7, 12, tzinfo=UTC)
    ends = quiet_until(a_person(quiet_hours=weekend), "UTC", saturday)
    assert ends == datetime(2026, 3, 9, tzinfo=UTC)


def test_without_quiet_hours_nobody_is_quiet() -> None:
    """The default."""
    assert quiet_until(a_person(), "Europe/Berlin", MONDAY_NOON) is None


def test_a_zone_that_this_machine_does_not_know_is_an_error_for_the_caller() -> None:
    """Who plans decides what a page does then: it goes out."""
    with pytest.raises(ZoneInfoNotFoundError):
        quiet_until(a_person(quiet_hours=NIGHT), "Mars/Olympus", MONDAY_NOON)

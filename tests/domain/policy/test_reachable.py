"""Contact rules in a policy: what cannot be meant is a mistake, what is unwise a warning."""

from __future__ import annotations

from typing import Any

import pytest

from domain.policy.check import find_problems, find_warnings
from domain.policy.model import Policy

CONTACTS = [
    {"channel": "sms", "to": "+4915550001"},
    {"channel": "email", "to": "alice@example.com"},
]


def a_policy(*rules: dict[str, Any], contacts: Any = CONTACTS) -> dict[str, Any]:
    """One person with contact rules."""
    return {"people": {"alice": {"contacts": contacts, "contact_rules": list(rules)}}}


def uses(*methods: str, **filters: Any) -> dict[str, Any]:
    return {"contacts": [{"use": method} for method in methods], **filters}


@pytest.mark.parametrize(
    ("rule", "place", "said"),
    [
        (uses("pigeon"), "contacts.0.use", "unknown channel 'pigeon'"),
        (uses("emial"), "contacts.0.use", "did you mean email?"),
        (uses("sms:0"), "contacts.0.use", "write sms, or sms:2 for the second one"),
        (uses("sms:second"), "contacts.0.use", "write sms, or sms:2 for the second one"),
        (uses("sms", severities=["SEV9"]), "severities.0", "unknown severity 'SEV9'"),
        (uses(), "contacts", ""),
        (uses("sms", hours={"from": "9"}), "hours.from", "is not a time of day"),
        ({"contacts": [{"use": "sms", "after": "soon"}]}, "contacts.0.after", ""),
        ({"contacts": [{"usage": "sms"}]}, "contacts.0.usage", ""),
    ],
)
def test_a_contact_rule_that_cannot_be_meant_is_a_mistake(
    rule: dict[str, Any], place: str, said: str
) -> None:
    """At its place, with what would do."""
    problems = find_problems(a_policy(rule))
    where = f"people.alice.contact_rules.0.{place}"
    here = [str(problem) for problem in problems if problem.where == where]
    assert any(said in text for text in here), [str(problem) for problem in problems]


@pytest.mark.parametrize("method", ["sms", "push", "ntfy", "sms:2", "voice"])
def test_a_contact_rule_may_name_any_channel(method: str) -> None:
    """Whether the person has one is a warning, not a mistake."""
    assert find_problems(a_policy(uses(method))) == []


def test_a_throttle_of_a_channel_that_nobody_knows_is_a_mistake() -> None:
    """It would hold back nothing, and nobody would notice."""
    good = {"sms": [], "push": [], "ntfy": [], "others": []}
    assert find_problems({"limits": {"throttles": good}}) == []
    [problem] = find_problems({"limits": {"throttles": {**good, "smss": []}}})
    assert problem.where == "limits.throttles.smss"
    assert problem.near == ("sms",)


def warned(*rules: dict[str, Any], contacts: Any = CONTACTS) -> list[str]:
    policy = Policy.model_validate(a_policy(*rules, contacts=contacts))
    return [str(w) for w in find_warnings(policy) if w.where.startswith("people.")]


def test_rules_that_cover_everything_are_no_warning() -> None:
    """Nothing to regret."""
    assert warned(uses("sms", severities=["SEV1"]), uses("email")) == []
    assert warned() == []


def test_a_method_that_the_person_does_not_have_is_a_warning() -> None:
    """Not at all, not so many, or only unverified or switched off."""
    assert "names voice" in warned(uses("voice", "sms"))[0]
    assert "names sms:2" in warned(uses("sms:2", "sms"))[0]
    off = [{**CONTACTS[0], "enabled": False}, CONTACTS[1]]
    assert "names sms" in warned(uses("sms", "email"), contacts=off)[0]


def test_a_severity_without_a_rule_at_some_hour_is_a_warning() -> None:
    """By severity, or by hours: there is a time at which no rule fits."""
    (by_severity,) = warned(uses("sms", severities=["SEV1"]))
    assert "no rule fits SEV2, SEV3" in by_severity
    (by_hours,) = warned(uses("sms", hours={"from": "09:00", "to": "17:00"}))
    assert "no rule fits SEV1, SEV2, SEV3 at every hour" in by_hours


def test_somebody_without_a_contact_that_may_be_used_is_a_warning() -> None:
    """They have contacts, and none of them will ever bring a page."""
    contacts = [{**CONTACTS[0], "verified": False}, {**CONTACTS[1], "enabled": False}]
    assert warned(contacts=contacts) == [
        "people.alice: has no contact that is verified and enabled, so no page can reach them"
    ]

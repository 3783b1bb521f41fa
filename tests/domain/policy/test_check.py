"""Every mistake of a policy is found, at its place, with the name that was probably meant."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.errors import Problem
from domain.policy.check import find_problems, find_warnings, gap_problems
from domain.policy.model import Policy
from domain.policy.schema import policy_schema


def a_policy() -> dict[str, Any]:
    """A valid policy with every section, as the parsed file."""
    return {
        "version": 1,
        "organisation": {
            "timezone": "Europe/Berlin",
            "catch_all": ["person:carol"],
            "default_severity": "SEV2",
        },
        "people": {
            "alice": {
                "timezone": "Europe/Berlin",
                "contacts": [
                    {"channel": "sms", "to": "+4915550001"},
                    {"channel": "email", "to": "alice@example.com"},
                ],
            },
            "bob": {"contacts": [{"channel": "email", "to": "bob@example.com"}]},
            "carol": {"contacts": [{"channel": "email", "to": "carol@example.com"}]},
        },
        "teams": {"payments": {"members": ["alice", "bob"]}},
        "schedules": {
            "payments": {
                "timezone": "Europe/Berlin",
                "rotations": [{"people": ["alice", "bob"], "starts": "2026-01-05"}],
                "overrides": [
                    {"from": "2026-12-24T18:00", "to": "2026-12-26T09:00", "person": "bob"}
                ],
                "holidays": {"country": "DE", "people": ["carol"]},
            }
        },
        "escalation_policies": {
            "payments": {
                "repeat": 2,
                "steps": [
                    {"page": ["schedule:payments"]},
                    {"page": ["team:payments", "person:carol"], "after": "5m"},
                ],
            }
        },
        "services": {
            "checkout": {"team": "payments", "escalation": "payments", "depends_on": ["database"]},
            "database": {"team": "payments", "depends_on": []},
        },
        "severities": {"SEV1": {"major": True}, "SEV2": {}, "SEV3": {}},
        "processes": {
            "default": {
                "external": "auto",
                "roles": ["incident_manager", "liaison"],
                "audiences": ["leadership"],
                "channels": ["room"],
            }
        },
        "stakeholders": {
            "leadership": {
                "severities": ["SEV1"],
                "services": ["checkout"],
                "to": [{"channel": "email", "to": "cto@example.com"}],
            }
        },
        "integrations": {
            "prometheus": {
                "format": "alertmanager",
                "key": "env:AM_KEY",
                "map": {
                    "service": {
                        "label": "app",
                        "values": {"shop": "checkout"},
                        "default": "unknown",
                    },
                    "severity": {"label": "level", "values": {"fatal": "SEV1"}, "default": "SEV3"},
                },
            }
        },
        "roles": {"liaison": {"title": "Liaison"}},
        "maintenance": {
            "windows": {
                "move": {
                    "services": ["checkout"],
                    "from": "2026-11-28T22:00",
                    "to": "2026-11-29T02:00",
                    "timezone": "Europe/Berlin",
                    "reason": "the database moves",
                }
            }
        },
        "heartbeats": {"backup": {"every": "1d", "service": "checkout", "severity": "SEV2"}},
    }


def changed(where: str, value: Any) -> dict[str, Any]:
    """The valid policy with one place changed."""
    raw = copy.deepcopy(a_policy())
    *path, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    inside: Any = raw
    for part in path:
        inside = inside[part]
    inside[last] = value
    return raw


def at(problems: list[Problem], where: str) -> Problem:
    """The one problem at a place."""
    here = [problem for problem in problems if problem.where == where]
    assert len(here) == 1, [str(problem) for problem in problems]
    return here[0]


OVERRIDE = "schedules.payments.overrides.0"
ROTATION = "schedules.payments.rotations.0"
HOLIDAYS = "schedules.payments.holidays"
STEP = "escalation_policies.payments.steps.1"
MAP = "integrations.prometheus.map"
WINDOW = "maintenance.windows.move"
BACKUP = "heartbeats.backup"

WRONG_NAMES = [
    ("teams.payments.members.1", "bobb", "bob"),
    (f"{ROTATION}.people.0", "alise", "alice"),
    (f"{OVERRIDE}.person", "bobb", "bob"),
    (f"{OVERRIDE}.instead_of", "Alice", "alice"),
    (f"{HOLIDAYS}.people.0", "karol", "carol"),
    ("organisation.timezone", "Europe/Berln", "Europe/Berlin"),
    ("people.bob.timezone", "America/NewYork", "America/New_York"),
    ("schedules.payments.timezone", "europe/berlin", "Europe/Berlin"),
    (f"{STEP}.page.0", "team:payment", "payments"),
    (f"{STEP}.page.1", "person:carl", "carol"),
    ("escalation_policies.payments.steps.0.page.0", "schedule:paiments", "payments"),
    (f"{STEP}.page.1", "carol", "person:carol"),
    (f"{STEP}.page.1", "user:carol", "person:carol"),
    (f"{STEP}.page.0", "payments", "team:payments"),
    ("organisation.catch_all.0", "person:karol", "carol"),
    ("organisation.catch_all.0", "carol", "person:carol"),
    ("services.checkout.team", "paymets", "payments"),
    ("services.checkout.escalation", "payment", "payments"),
    ("services.checkout.depends_on.0", "databse", "database"),
    ("organisation.default_severity", "SEV4", "SEV3"),
    ("stakeholders.leadership.severities.0", "sev1", "SEV1"),
    ("stakeholders.leadership.services.0", "chekout", "checkout"),
    (f"{MAP}.service.values.shop", "chekout", "checkout"),
    (f"{MAP}.service.default", "data-base", "database"),
    (f"{MAP}.severity.values.fatal", "SEV-1", "SEV1"),
    (f"{MAP}.severity.default", "SEV33", "SEV3"),
    ("processes.default.roles.1", "liason", "liaison"),
    ("processes.default.roles.0", "incident-manager", "incident_manager"),
    ("processes.default.audiences.0", "leaders", "leadership"),
    ("processes.default.channels.0", "rooms", "room"),
    ("people.bob.contacts.0.channel", "emial", "email"),
    ("stakeholders.leadership.to.0.channel", "slak", "slack"),
    ("processes.default.external", "aut", "auto"),
    ("services.checkout.fold", "services", "service"),
    ("services.checkout.on_clear", "resolved", "resolve"),
    ("services.checkout.teem", "payments", "team"),
    ("schedule", {}, "schedules"),
    ("schedules.payments.rotation", [], "rotations"),
    (f"{ROTATION}.handoverr", {}, "handover"),
    (f"{OVERRIDE}.form", "2026-12-24T18:00", "from"),
    ("limits", {"role_acept": "5m"}, "role_accept"),
    ("services.Order API", {"team": "payments"}, "order-api"),
    ("reports", {"services": ["database", "chekout"]}, "checkout"),
    ("reports", {"severity": "SEV8"}, "SEV1"),
]


@pytest.mark.parametrize(("where", "value", "near"), WRONG_NAMES, ids=lambda case: str(case)[:40])
def test_a_wrong_name_is_found_with_the_nearest_one(where: str, value: Any, near: str) -> None:
    """A name that refers to nothing is reported at its place, with what was probably meant."""
    problems = find_problems(changed(where, value))
    inside = {
        "limits": "role_acept",
        "reports": "severity" if "severity" in value else "services.1",
    }
    place = f"{where}.{inside[where]}" if where in inside else where
    assert near in at(problems, place).near
    assert not at(problems, place).warning
    assert len(problems) == 1, [str(problem) for problem in problems]


WRONG_VALUES = [
    ("version", 2, "expected 1"),
    ("people", [], "section of names"),
    ("people.bob", "bob@example.com", "name, timezone, contacts"),
    ("people.bob.contacts", {"email": "bob@example.com"}, "list such as"),
    ("people.bob.contacts.0.to", "bob at example.com", "mail address"),
    ("people.alice.contacts.0.to", "0155 50001", "international form"),
    ("people.alice.contacts.0.to", 4915550001, "in quotes"),
    ("people.alice.contacts.1", {"channel": "sms", "to": "+4915550001"}, "twice"),
    ("people.operator", {}, "kept for Tocsin"),
    ("people.tocsin", {}, "kept for Tocsin"),
    ("people.mary jane", {}, "blanks"),
    ("services.desk", {}, "kept for Tocsin"),
    ("services.Checkout", {}, "small letters"),
    ("services.-checkout", {}, "small letters"),
    ("services.checkout\n", {}, "small letters"),
    ("services.checkout.tier", 9, "at most 5"),
    ("services.checkout.tier", "first", "whole number"),
    ("services.checkout.public", "perhaps", "true or false"),
    ("services.database.depends_on", ["database"], "itself"),
    ("services.database.depends_on", ["checkout"], "circle: checkout -> database -> checkout"),
    ("services.checkout.depends_on", ["database", "database"], "twice"),
    ("teams.payments.members", ["alice", "alice"], "twice"),
    (f"{STEP}.page", ["person:carol", "person:carol"], "twice"),
    (f"{STEP}.page.0", "team:", "team:T, person:P, schedule:S"),
    (f"{STEP}.after", "5 minutes", "30s, 5m, 2h or 3d"),
    (f"{STEP}.after", 300, "30s, 5m, 2h or 3d"),
    (f"{STEP}.after", "99999999999999w", "longer than"),
    ("escalation_policies.payments.repeat", -1, "at least 0"),
    (f"{ROTATION}.every", "fortnight", "2 weeks"),
    (f"{ROTATION}.every", [], "2 weeks"),
    (f"{ROTATION}.every", [None, "week"], "2 weeks"),
    (f"{ROTATION}.starts", "5 January", "2026-01-05"),
    (f"{ROTATION}.starts", 20260105, "2026-01-05"),
    (f"{ROTATION}.starts", "0001-01-01", "1970"),
    (f"{ROTATION}.people", [], "at least 1"),
    (f"{ROTATION}.ends", "2025-12-31", "before it starts"),
    (f"{ROTATION}.ends", date(2025, 12, 31), "before it starts"),
    (f"{ROTATION}.handover", {"day": "moonday"}, "weekday"),
    (f"{ROTATION}.handover", {"at": "25:00"}, "time of day"),
    (f"{ROTATION}.restrict", {"days": [True]}, "weekday"),
    (f"{ROTATION}.restrict", {"from": "9"}, "time of day"),
    (f"{OVERRIDE}.to", "2026-12-24T17:00", "before it begins"),
    (f"{OVERRIDE}.from", "2026-12-24T18:00+01:00", "wall time"),
    (f"{OVERRIDE}.from", 5, "2026-01-05"),
    ("integrations.prometheus.key", "hunter2", "env:NAME or file:PATH"),
    ("integrations.prometheus.key", 4711, "env:NAME or file:PATH"),
    ("limits", {"exhausted_every": "0s"}, "at least 1s"),
    ("severities", {}, "at least 1"),
    ("maintenance", 5, "section with fields among windows"),
    ("maintenance", {"windows": 5}, "section of names"),
    ("maintenance", {"window": {}}, "unknown field"),
    (f"{WINDOW}.services", "everything", "a list such as"),
    (f"{WINDOW}.services", ["chekout"], "unknown service"),
    (f"{WINDOW}.to", "2026-11-28T21:00", "ends before it begins"),
    (f"{WINDOW}.from", "2026-11-28T21:00Z", "wall time"),
    (f"{WINDOW}.timezone", "Europe/Berln", "unknown time zone"),
    (f"{WINDOW}.reason", "", "must not be empty"),
    ("heartbeats", {"back up": {"every": "5m", "service": "checkout"}}, "blanks, slashes"),
    (f"{BACKUP}.every", "0s", "at least 1s"),
    (f"{BACKUP}.every", "daily", "30s, 5m, 2h or 3d"),
    (f"{BACKUP}.service", "chekout", "unknown service"),
    (f"{BACKUP}.severity", "SEV9", "unknown severity"),
    (f"{BACKUP}.on_return", "reslove", "resolve or stay"),
    (f"{BACKUP}.gracee", "1m", "unknown field"),
]


@pytest.mark.parametrize(("where", "value", "said"), WRONG_VALUES, ids=lambda case: str(case)[:40])
def test_a_wrong_value_is_found_with_what_was_expected(where: str, value: Any, said: str) -> None:
    """A value of the wrong form is reported at its place or inside it, saying what would do."""
    problems = find_problems(changed(where, value))
    circle = where == "services.database.depends_on" and value == ["checkout"]
    place = "services.checkout.depends_on" if circle else where
    here = [one for one in problems if f"{one.where}.".startswith(f"{place}.")]
    assert any(said in one.detail for one in here), [str(problem) for problem in problems]


def test_a_secret_is_not_repeated() -> None:
    """A key written into the policy is refused without showing it."""
    for value in ("hunter2", 4711):
        problems = find_problems(changed("integrations.prometheus.key", value))
        assert str(value) not in " ".join(str(problem) for problem in problems)


def test_a_valid_policy_has_no_problems() -> None:
    """The policy that the other tests break is good and wise."""
    assert find_problems(a_policy()) == []
    assert find_warnings(Policy.model_validate(a_policy())) == []


def test_every_mistake_is_reported_at_once() -> None:
    """Mistakes of shape hide no unknown name, and one unknown name hides no other."""
    raw = a_policy()
    for where, value, _ in WRONG_NAMES:
        if where.startswith(("services.checkout", "people.bob", "teams", "stakeholders")):
            *path, last = [int(part) if part.isdigit() else part for part in where.split(".")]
            inside: Any = raw
            for part in path:
                inside = inside[part]
            inside[last] = value
    expected = {
        where
        for where, _, _ in WRONG_NAMES
        if where.startswith(("services.checkout", "people.bob", "teams", "stakeholders"))
    }
    assert {problem.where for problem in find_problems(raw)} == expected


def test_a_missing_field_says_what_belongs_there() -> None:
    """A rotation without start and an override without person are told with an example."""
    raw = a_policy()
    del raw["schedules"]["payments"]["rotations"][0]["starts"]
    del raw["schedules"]["payments"]["overrides"][0]["person"]
    problems = find_problems(raw)
    assert "2026-01-05" in at(problems, f"{ROTATION}.starts").detail
    assert "null" in at(problems, f"{OVERRIDE}.person").detail


def test_a_broken_section_hides_no_other_mistake_and_makes_none_up() -> None:
    """With `people` unreadable their names are not all called unknown."""
    raw = changed("people", ["alice", "bob"])
    raw["services"]["checkout"]["team"] = "paymets"
    assert {problem.where for problem in find_problems(raw)} == {"people", "services.checkout.team"}


def test_names_of_numbers_are_asked_to_be_quoted() -> None:
    """A name that YAML reads as a number is told to be text."""
    raw = a_policy()
    raw["people"][7] = {}
    assert "quotes" in at(find_problems(raw), "people.7").detail


def test_defaults_must_exist_among_own_severities() -> None:
    """Own severities without SEV2 need their own default and their own stakeholder levels."""
    raw = a_policy()
    raw["severities"] = {"BAD": {"major": True}, "MILD": {}}
    raw["integrations"] = {}
    del raw["organisation"]["default_severity"]
    raw["stakeholders"]["leadership"].pop("severities")
    places = [problem.where for problem in find_problems(raw)]
    assert "organisation.default_severity" in places
    assert "stakeholders.leadership.severities" in places


def test_a_long_circle_is_told_once() -> None:
    """Services that need each other in a circle are one mistake, whoever else needs them."""
    raw = a_policy()
    raw["services"] = {
        name: {"depends_on": [after], "team": "payments"}
        for name, after in (("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("checkout", "c"))
    }
    circles = [problem for problem in find_problems(raw) if "circle" in problem.detail]
    assert [problem.detail.partition(": ")[2] for problem in circles] == ["b -> c -> d -> b"]


def test_the_caller_names_channels_and_formats() -> None:
    """A channel or format that is installed beside the built-in ones is accepted when named."""
    raw = changed("people.bob.contacts.0.channel", "pager")
    assert find_problems(raw, channels=("email", "sms", "pager")) == []
    problems = find_problems(a_policy(), formats=("alertmanagr",))
    assert at(problems, "integrations.prometheus.format").near == ("alertmanagr",)


@pytest.mark.parametrize("junk", [None, 5, "text", [], [[]], {"x": 1}, {5: [None]}, [{"a": {}}]])
def test_no_shape_of_any_section_breaks_the_check(junk: Any) -> None:
    """Whatever stands where, the answer is a list of problems."""

    def places(value: Any, path: str = "") -> Iterator[str]:
        inside = dict(enumerate(value)) if isinstance(value, list) else value
        for key, item in inside.items() if isinstance(inside, dict) else ():
            yield f"{path}{key}"
            yield from places(item, f"{path}{key}.")

    for where in places(a_policy()):
        assert all(isinstance(one, Problem) for one in find_problems(changed(where, junk)))


UNWISE: list[tuple[str, Any, str]] = [
    ("escalation_policies.payments.steps.0.page", [], "escalation_policies.payments.steps.0"),
    ("escalation_policies.payments.steps", [], "escalation_policies.payments"),
    ("people.bob.contacts", [], "people.bob"),
    ("services.database.team", None, "services.database"),
    ("schedules.payments.rotations", [], "schedules.payments"),
    ("severities.SEV1.major", False, "severities"),
    ("teams.payments.members", [], "teams.payments"),
    ("organisation.catch_all", [], "organisation.catch_all"),
    ("stakeholders.leadership.to", [], "stakeholders.leadership"),
    (f"{ROTATION}.people", ["alice", "bob", "alice"], f"{ROTATION}.people"),
    (f"{ROTATION}.restrict", {"days": []}, f"{ROTATION}.restrict"),
]


@pytest.mark.parametrize(("where", "value", "place"), UNWISE, ids=lambda case: str(case)[:40])
def test_what_is_unwise_is_a_warning_and_no_mistake(where: str, value: Any, place: str) -> None:
    """A policy that its owner may regret loads, and says so at the place."""
    raw = changed(where, value)
    if where.startswith("severities"):
        raw["severities"] = {name: {"major": False} for name in raw["severities"]}
    assert find_problems(raw) == []
    warnings = find_warnings(Policy.model_validate(raw))
    assert at(warnings, place).warning


def test_overrides_that_overlap_are_a_warning() -> None:
    """Two overrides of one turn at one time are told; those for two people's turns are not."""
    raw = a_policy()
    second = {"from": "2026-12-25T18:00", "to": "2026-12-27T09:00", "person": "carol"}
    raw["schedules"]["payments"]["overrides"].append(second)
    warnings = find_warnings(Policy.model_validate(raw))
    assert at(warnings, "schedules.payments.overrides.1").warning
    raw["schedules"]["payments"]["overrides"][0]["instead_of"] = "alice"
    second["instead_of"] = "bob"
    assert find_warnings(Policy.model_validate(raw)) == []


def test_gaps_in_coverage_are_one_warning_for_each_schedule() -> None:
    """Hours without anybody on call are named in UTC; many of them are counted."""
    spans = [
        (datetime(2026, 3, day, 17, tzinfo=UTC), datetime(2026, 3, day, 22, tzinfo=UTC))
        for day in range(1, 6)
    ]
    found = gap_problems({"payments": spans, "night": []})
    assert at(found, "schedules.payments").warning
    assert "2026-03-01 17:00 to 2026-03-01 22:00" in found[0].detail
    assert "2 more" in found[0].detail
    assert find_warnings(Policy.model_validate(a_policy()), {"payments": spans}) == found


def test_the_schema_speaks_the_language_of_the_file() -> None:
    """Editors are offered `from` and `to`, and are told of unknown fields."""
    schema = policy_schema()
    override = schema["$defs"]["Override"]
    assert {"from", "to", "person"} <= set(override["properties"])
    assert override["additionalProperties"] is False

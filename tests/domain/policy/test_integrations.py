"""Integrations that cannot work are found, each at its place, with the name that was probably meant."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import Problem
from domain.policy.check import find_problems, find_warnings
from domain.policy.model import Policy

FORMATS = {"alertmanager": False, "grafana": True, "generic": False}


def problems(**integrations: dict[str, Any]) -> list[Problem]:
    """The mistakes of a policy with these integrations, each with format and key."""
    whole = {
        name: {"format": "alertmanager", "key": f"env:{name.upper()}", **one}
        for name, one in integrations.items()
    }
    raw = {
        "services": {"checkout": {}},
        "processes": {"security": {"external": "never"}},
        "integrations": whole,
    }
    return find_problems(raw, formats=FORMATS)


@pytest.mark.parametrize(
    ("field", "wrong", "near"),
    [
        ("service", "chekout", "checkout"),
        ("severity", "SEV12", "SEV1"),
        ("priority", "P12", "P1"),
        ("type", "securty", "security"),
    ],
)
def test_names_that_there_are_not(field: str, wrong: str, near: str) -> None:
    """In a value or default of a map, and in what a rule sets."""
    label_map = {"label": "x", "values": {"a": wrong}, "default": wrong}
    found = problems(prom={"map": {field: label_map}, "rules": [{"set": {field: wrong}}]})
    assert {one.where for one in found} == {
        f"integrations.prom.map.{field}.default",
        f"integrations.prom.map.{field}.values.a",
        f"integrations.prom.rules.0.set.{field}",
    }
    assert all(near in one.near for one in found)


def test_names_that_there_are() -> None:
    """`unknown` is a service and `default` a type, without being written down."""
    sets = {"service": "unknown", "severity": "SEV1", "priority": "P5", "type": "default"}
    assert problems(prom={"rules": [{"when": {"a": 5}, "set": sets}]}) == []


@pytest.mark.parametrize("wanted", ["/(/", ["ok", "/(a+)+/"], {"a": "b"}])
def test_a_rule_that_cannot_match(wanted: Any) -> None:
    """Found when the policy is read, at the label."""
    (found,) = problems(prom={"rules": [{"when": {"key": wanted}}]})
    assert found.where == "integrations.prom.rules.0.when.key"
    assert "secret" not in found.detail


def test_a_secret_for_a_format_without_signatures() -> None:
    """Nothing would be checked, and everybody would believe that it is."""
    (found,) = problems(
        prom={"signing_secret": "env:S"}, g={"format": "grafana", "signing_secret": "env:S"}
    )
    assert found.where == "integrations.prom.signing_secret"
    assert "these have: grafana" in found.detail


def test_two_with_one_key() -> None:
    """Of one format they cannot be told apart; of two formats they can. The key is not shown."""
    same = {"key": "env:SAME"}
    (found,) = problems(a=same, b=same, c={**same, "format": "grafana"})
    assert found.where == "integrations.b.key"
    assert "integrations.a" in found.detail
    assert "SAME" not in found.detail


def test_fields_are_for_generic_only() -> None:
    """An unknown field, and expressions that nobody reads."""
    generic = {"format": "generic", "fields": {"sumary": "title", "service": "app"}}
    wrong, unread = problems(g=generic, prom={"fields": {"service": "app"}})
    assert (wrong.where, wrong.near[0]) == ("integrations.g.fields.sumary", "summary")
    assert unread.where == "integrations.prom.fields"


def test_the_field_of_the_key_is_no_secret() -> None:
    """A wrong expression for the deduplication key is told as one: it is not the sender's key."""
    (wrong,) = problems(g={"format": "generic", "fields": {"key": 3}})
    assert wrong.where == "integrations.g.fields.key"
    assert "secret" not in wrong.detail


@pytest.mark.parametrize("name", ["pagerduty", "opsgenie"])
def test_formats_whose_senders_say_only_the_key_later(name: str) -> None:
    """A key made of labels would never clear there."""
    found = problems(p={"format": name, "map": {"key": ["host"]}})
    assert "integrations.p.map.key" in {one.where for one in found}


def test_rules_that_change_nothing() -> None:
    """One that sets nothing, and one behind rules that match every alert: warnings."""
    severity, both = {"severity": "SEV3"}, {"severity": "SEV1", "service": "checkout"}
    rules = [
        {"when": {"a": "b"}},
        {"set": severity},
        {"when": {"a": "b"}, "set": severity},
        {"when": {"a": "b"}, "set": both},
    ]
    integration = {"format": "alertmanager", "key": "env:K", "rules": rules}
    policy = Policy.model_validate(
        {"services": {"checkout": {}}, "integrations": {"p": integration}}
    )
    found = [one for one in find_warnings(policy) if one.where.startswith("integrations")]
    assert [one.where for one in found] == ["integrations.p.rules.0", "integrations.p.rules.2"]
    assert all(one.warning for one in found)

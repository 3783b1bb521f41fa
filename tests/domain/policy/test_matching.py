"""Patterns of rules: those that cannot be used are refused, and the others stay fast."""

from __future__ import annotations

import pytest

from domain.policy.matching import Condition, parse_matching, pattern_fault


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "no regular expression"),
        ("[a", "no regular expression"),
        ("(a+)+", "for ever"),
        ("(a|b)*", "for ever"),
        ("((a*))*", "for ever"),
        ("(?:ab?)+", "for ever"),
        ("(a{1,3}){20}", "for ever"),
        ("(?:a+){3}", "for ever"),
        ("(a|b){2}", "for ever"),
        (".*a.*b.*", "too long"),
        ("a?" * 25, "too long"),
        (".{1,9}" * 8, "too long"),
        ("(a|a)" * 25, "too long"),
        ("x{1,5000}" * 3, "too long"),
    ],
)
def test_a_pattern_that_cannot_be_used(pattern: str, why: str) -> None:
    """Broken, or of a kind whose time grows without bound: one alert would hold up all others."""
    assert why in (pattern_fault(pattern) or "")


@pytest.mark.parametrize(
    "pattern",
    [
        "web-.*",
        ".*timeout.*",
        "(?i)(?:foo|bar)-[0-9]+",
        r"\(a+\)+",
        "[(a+)]+",
        "[]a]+x",
        "[^]]*",
        r"[\]+]*",
        "(?P<name>[a-z]+)-(1|2)",
        "a{3}b{2,5}",
        "(ab{3}){2}",
        "(?:-[a-z]+)?(?:x|y)?",
        r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
        ".*(?:timeout|refused|reset|unreachable).*",
        "{}x{,}",
        "(ab)+?c",
    ],
)
def test_a_pattern_that_can_be_used(pattern: str) -> None:
    """Marks inside sets, escapes and groups are not taken for repetitions."""
    assert pattern_fault(pattern) is None


def test_a_list_matches_where_any_does() -> None:
    """Values and patterns may stand side by side; a pattern is for the whole value."""
    condition = Condition.of("host", ["web", "/db-.+/"])
    assert [condition.holds(value) for value in ("web", "db-1", "web-1", "")] == [
        True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("value", [None, {"a": "b"}, 1.5, ["a", ["b"]]])
def test_what_is_no_value(value: object) -> None:
    """A section or nothing at all says nothing of a label."""
    with pytest.raises(ValueError, match="expected a value"):
        parse_matching(value)

"""What labels become by an integration's rules, its map and the defaults, and what is said to decide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.mapping import Mapped, as_text, decide_fields, web_link
from domain.policy.intake import Integration
from domain.policy.model import Policy

POLICY = Policy.model_validate(
    {
        "services": {"checkout": {}, "search": {"grouping": {"labels": ["cluster", "zone"]}}},
        "processes": {"security": {"external": "never"}},
    }
)
WORDS = [
    *((word, "SEV1") for word in ("critical", "page", "fatal", "emergency", "CRITICAL")),
    *((word, "SEV2") for word in ("error", "high", "major")),
    *((word, "SEV3") for word in ("warning", "warn", "info", "low", "minor", "none", "debug")),
    ("SEV2", "SEV2"),
    ("sev3", "SEV3"),
]


def decide(
    labels: dict[str, Any],
    annotations: dict[str, Any] | None = None,
    policy: Policy = POLICY,
    **fields: Any,
) -> Mapped:
    """What an integration with such a map or rules makes of labels."""
    whole = {"format": "alertmanager", "key": "env:K", **fields}
    integration = Integration.model_validate(whole)
    return decide_fields(labels, policy, integration.map, integration.rules, annotations or {})


def by(mapped: Mapped, field: str) -> str:
    """What decided a field."""
    return next(reason.by for reason in mapped.reasons if reason.field == field)


# The defaults.


@pytest.mark.parametrize(("word", "severity"), WORDS)
def test_words_for_severities(word: str, severity: str) -> None:
    """Every word that senders use has its severity, and the reason quotes it."""
    mapped = decide({"service": "checkout", "severity": word})
    assert (mapped.severity, mapped.notes) == (severity, [])
    assert by(mapped, "severity") == f"label severity is {word!r}"


@pytest.mark.parametrize(
    "labels", [{}, {"severity": "purple"}, {"severity": None}, {"severity": []}]
)
def test_unknown_severity_is_the_default_with_a_note(labels: dict[str, Any]) -> None:
    """Missing or unreadable: the policy's default counts, and the timeline says so."""
    mapped = decide({"service": "checkout", **labels})
    assert mapped.severity is None
    assert "SEV2" in mapped.notes[0]
    assert by(mapped, "severity").startswith("organisation.default_severity")


def test_policy_with_other_severities() -> None:
    """`critical` is the worst severity, whatever the policy calls it."""
    policy = Policy.model_validate({"severities": {"bad": {}, "worse": {}}})
    assert decide({"severity": "critical"}, policy=policy).severity == "bad"
    assert decide({"severity": "debug"}, policy=policy).severity == "worse"


def test_service_by_label() -> None:
    """A service of the policy is found; any other becomes `unknown` with the nearest named."""
    sure = {"severity": "high"}
    found = decide({"service": "checkout", **sure})
    assert (found.service, found.notes) == ("checkout", [])
    missed = decide({"service": "chekout", **sure})
    assert missed.service == "unknown"
    assert missed.notes == [
        "label service names 'chekout', which is no service of the policy "
        "(the nearest is checkout): service unknown"
    ]
    assert decide(sure).notes == ["label service is missing: service unknown"]
    assert decide({"service": ["checkout"]}).service == "unknown"
    assert decide({"service": "unknown", **sure}).notes == []


def test_nothing_else_is_decided_unless_the_policy_says_so() -> None:
    """Priority, type, summary and key stay what they are without a policy."""
    mapped = decide(
        {"service": "checkout", "severity": "high", "priority": "P1", "type": "security"}
    )
    assert (mapped.priority, mapped.type, mapped.summary, mapped.key) == (None, None, None, None)
    assert (mapped.links, mapped.labels) == ([], {})
    assert by(mapped, "priority") == "severity and tier"
    assert by(mapped, "key") == "the sender's own"


# The map.


def test_map_of_severities() -> None:
    """An integration may use another label, other words and another default."""
    rule = {"severity": {"label": "level", "values": {"boom": "SEV1"}, "default": "SEV3"}}
    assert decide({"level": "boom"}, map=rule).severity == "SEV1"
    assert decide({"level": "Boom"}, map=rule).severity == "SEV1"
    assert decide({"level": "error"}, map=rule).severity == "SEV2"
    odd = decide({"service": "checkout", "level": "purple"}, map=rule)
    assert (odd.severity, odd.notes) == ("SEV3", [])
    assert by(odd, "severity") == "map.severity.default: label level is 'purple'"
    assert decide({"severity": "critical"}, map=rule).severity == "SEV3"


def test_map_of_services() -> None:
    """A map's default applies where the label is missing or names no service of the policy."""
    rule = {"service": {"label": "app", "values": {"shop": "checkout"}, "default": "search"}}
    assert decide({"app": "shop"}, map=rule).service == "checkout"
    assert decide({"app": "nope"}, map=rule).service == "search"
    assert decide({}, map=rule).service == "search"


def test_map_of_priority_and_type() -> None:
    """Both are decided where the label says one that there is; another word is noted."""
    rule = {
        "priority": {"label": "prio", "values": {"urgent": "P1"}},
        "type": {"label": "kind", "default": "default"},
    }
    known = {"service": "checkout", "severity": "high"}
    found = decide({**known, "prio": "urgent", "kind": "security"}, map=rule)
    assert (found.priority, found.type, found.notes) == ("P1", "security", [])
    assert decide({**known, "prio": "p4"}, map=rule).priority == "P4"
    odd = decide({**known, "prio": "P9", "kind": "fire"}, map=rule)
    assert (odd.priority, odd.type) == (None, "default")
    assert odd.notes == ["label prio says 'P9', which is no priority: severity and tier"]
    assert decide(known, map=rule).notes == []


def test_map_of_the_summary() -> None:
    """From another label or annotation; where it says nothing, the default, else the sender's own."""
    rule = {"summary": {"label": "headline"}}
    assert decide({}, {"headline": "Disk full"}, map=rule).summary == "Disk full"
    assert decide({}, map=rule).summary is None
    assert decide({}, map={"summary": {"label": "x", "default": "Trouble"}}).summary == "Trouble"


def test_map_of_the_key() -> None:
    """The values together are the key; which label holds what matters; all missing: the sender's own."""
    both = {"key": ["host", "check"]}
    assert decide({"host": "a", "check": "b"}, map=both).key == '["a", "b"]'
    assert decide({"host": "b", "check": "a"}, map=both).key == '["b", "a"]'
    assert decide({"host": "a"}, map=both).key == '["a", ""]'
    assert decide({}, map=both).key is None
    assert decide({"host": "a"}, map={"key": ["host"]}).key == "a"


def test_map_of_links() -> None:
    """Addresses of labels and annotations, once each; what is no address of the web is none."""
    names = {"links": ["wiki", "panel", "bad", "missing"]}
    labels = {"wiki": "https://w.example/a", "bad": "javascript:alert(1)"}
    mapped = decide(labels, {"panel": "http://p.example/b"}, map=names)
    assert mapped.links == ["https://w.example/a", "http://p.example/b"]
    assert by(mapped, "links") == "map.links: wiki"


def test_labels_for_grouping_only() -> None:
    """What an alert keeps of its labels is what its service groups by, shortened."""
    mapped = decide({"service": "search", "cluster": "c" * 500, "host": "x"})
    assert list(mapped.labels) == ["cluster"]
    assert len(mapped.labels["cluster"]) == 200
    assert decide({"service": "checkout", "cluster": "c"}).labels == {}


# Rules.


def test_the_first_rule_that_matches_decides_each_field() -> None:
    """Field by field; what no rule sets is left to the map."""
    rules = [
        {"name": "staging", "when": {"env": "staging"}, "set": {"severity": "SEV3"}},
        {"when": {}, "set": {"severity": "SEV1", "summary": "Else"}},
    ]
    staging = decide({"env": "staging", "service": "search", "severity": "critical"}, rules=rules)
    assert (staging.service, staging.severity, staging.summary) == ("search", "SEV3", "Else")
    assert by(staging, "severity") == 'rules[0] "staging"'
    assert by(staging, "summary") == "rules[1]"
    assert decide({"severity": "low"}, rules=rules).severity == "SEV1"


@pytest.mark.parametrize(
    ("wanted", "value", "matches"),
    [
        ("web", "web", True),
        ("web", "web-1", False),
        (["web", "api"], "api", True),
        (["web", "/db-.*/"], "db-7", True),
        ("/db-[0-9]+/", "my-db-7", False),
        ("/(?i)db/", "DB", True),
        ("", None, True),
        ("/.+/", None, False),
        (500, 500, True),
        (True, True, True),
        ("/", "/", True),
    ],
)
def test_ways_to_match(wanted: Any, value: Any, matches: bool) -> None:
    """Exactly, one of several, or a pattern for the whole value; a missing label is an empty one."""
    rules = [{"when": {"host": wanted}, "set": {"severity": "SEV1"}}]
    assert (decide({"host": value}, rules=rules).severity == "SEV1") is matches


def test_every_label_of_a_rule_must_match() -> None:
    """Also one that only the annotations hold."""
    rules = [{"when": {"a": "1", "b": "2"}, "set": {"priority": "P5", "type": "security"}}]
    both = decide({"a": "1"}, {"b": "2"}, rules=rules)
    assert (both.priority, both.type) == ("P5", "security")
    assert decide({"a": "1"}, rules=rules).priority is None


def test_a_label_goes_before_an_annotation_of_its_name() -> None:
    """And the usual labels are never read from annotations."""
    rule = {"service": {"label": "app"}}
    assert decide({"app": "search"}, {"app": "checkout"}, map=rule).service == "search"
    assert decide({}, {"service": "checkout"}).service == "unknown"


# Whatever is sent.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["service", "severity", "app", "env", "link", "prio"]) | st.text(max_size=8)
TEXTS = st.sampled_from(
    ["checkout", "search", "SEV1", "P1", "security", "/c.*/", "/[a-z]+/", "nonsense", ""]
)
LABEL_MAPS = st.none() | st.fixed_dictionaries(
    {"label": NAMES, "values": st.dictionaries(TEXTS, TEXTS), "default": st.none() | TEXTS}
)
RULES = st.fixed_dictionaries(
    {
        "name": st.text(max_size=10),
        "when": st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, max_size=3), max_size=3),
        "set": st.dictionaries(
            st.sampled_from(["service", "severity", "priority", "type", "summary"]), TEXTS
        ),
    }
)
MAPS = st.fixed_dictionaries(
    {
        **{f: LABEL_MAPS for f in ("service", "severity", "priority", "type", "summary")},
        "key": st.none() | st.lists(NAMES, max_size=3),
        "links": st.lists(NAMES, max_size=3),
    }
)


@settings(max_examples=200, deadline=None)
@given(
    labels=st.dictionaries(NAMES, JSON, max_size=6),
    annotations=st.dictionaries(NAMES, JSON, max_size=3),
    rules=st.lists(RULES, max_size=4),
    map_=MAPS,
)
def test_there_is_always_a_decision(
    labels: dict[str, Any], annotations: dict[str, Any], rules: list[Any], map_: dict[str, Any]
) -> None:
    """Any labels and any rules, also such that a check would refuse: nothing but names that there are."""
    mapped = decide(labels, annotations, rules=rules, map=map_)
    assert mapped.service in {*POLICY.services, "unknown"}
    assert mapped.severity in {None, *POLICY.severities}
    assert mapped.priority in {None, "P1", "P2", "P3", "P4", "P5"}
    assert mapped.type in {None, "default", *POLICY.processes}
    assert all(web_link(link) == link for link in mapped.links)
    fields = [reason.field for reason in mapped.reasons if reason.field != "links"]
    assert fields == ["service", "severity", "priority", "type", "summary", "key"]


def test_values_that_are_no_text() -> None:
    """Numbers and truth as people write them; what cannot be shown is empty; all of it is cut."""
    assert (as_text(7), as_text(True), as_text(None)) == ("7", "true", "")
    assert as_text(10**5000) == ""
    assert len(as_text("x" * 5000)) == 1000

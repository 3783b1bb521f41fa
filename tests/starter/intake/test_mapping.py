"""Labels to service and severity; nothing that was sent gets lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.policy.intake import AlertMap
from domain.policy.model import Policy
from starter.intake.mapping import (
    MAX_RAW_BYTES,
    Sender,
    instant,
    key_of,
    short_key,
    shorten,
    web_link,
)

POLICY = Policy.model_validate({"services": {"checkout": {}, "search": {}}})
AT = datetime(2026, 11, 24, tzinfo=UTC)


def sender(policy: Policy = POLICY, **map_: object) -> Sender:
    return Sender("prometheus", policy, AT, AlertMap.model_validate(map_))


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        *((word, "SEV1") for word in ("critical", "page", "fatal", "emergency", "CRITICAL")),
        *((word, "SEV2") for word in ("error", "high", "major")),
        *((word, "SEV3") for word in ("warning", "warn", "info", "low", "minor", "none", "debug")),
        ("SEV2", "SEV2"),
        ("sev3", "SEV3"),
    ],
)
def test_words_for_severities(word, severity):
    """Every word that senders use has its severity."""
    assert sender().severity_of({"severity": word}) == (severity, [])


@pytest.mark.parametrize(
    "labels", [{}, {"severity": "purple"}, {"severity": None}, {"severity": []}]
)
def test_unknown_severity_is_the_default_with_a_note(labels):
    """Missing or unreadable: the policy's default counts, and the timeline says so."""
    severity, notes = sender().severity_of(labels)
    assert severity is None
    assert "SEV2" in notes[0]


def test_policy_with_other_severities():
    """`critical` is the worst severity, whatever the policy calls it."""
    policy = Policy.model_validate({"severities": {"bad": {}, "worse": {}}})
    assert sender(policy).severity_of({"severity": "critical"}) == ("bad", [])
    assert sender(policy).severity_of({"severity": "debug"}) == ("worse", [])


def test_map_of_severities():
    """An integration may use another label, other words and another default."""
    rule = {"label": "level", "values": {"boom": "SEV1"}, "default": "SEV3"}
    mapped = sender(severity=rule)
    assert mapped.severity_of({"level": "boom"}) == ("SEV1", [])
    assert mapped.severity_of({"level": "error"}) == ("SEV2", [])
    assert mapped.severity_of({"level": "purple"}) == ("SEV3", [])
    assert mapped.severity_of({"severity": "critical"}) == ("SEV3", [])


def test_service_by_label():
    """A service of the policy is found; any other becomes `unknown` with the nearest named."""
    assert sender().service_of({"service": "checkout"}) == ("checkout", [])
    service, notes = sender().service_of({"service": "chekout"})
    assert service == "unknown"
    assert "checkout" in notes[0]
    assert sender().service_of({})[0] == "unknown"
    assert sender().service_of({"service": ["checkout"]})[0] == "unknown"


def test_map_of_services():
    """A map's default applies where the label is missing or names no service of the policy."""
    rule = {"label": "app", "values": {"shop": "checkout"}, "default": "search"}
    mapped = sender(service=rule)
    assert mapped.service_of({"app": "shop"}) == ("checkout", [])
    assert mapped.service_of({"app": "nope"}) == ("search", [])
    assert mapped.service_of({}) == ("search", [])


def test_unreadable_alert_keeps_what_was_sent():
    """Default severity on `unknown`, with the raw text; the same thing again has the same key."""
    alert = sender().unreadable({"x": "y\x00"}, "no alert")
    again = sender().unreadable({"x": "y\x00"}, "no alert")
    assert (alert.service, alert.severity, alert.status) == ("unknown", None, "firing")
    assert '"x"' in (alert.raw or "")
    assert alert.notes
    assert alert.key == again.key
    assert alert.id != again.id


def test_raw_text_is_shortened():
    """8 KiB are kept, also of wide characters, and no half of one."""
    assert len(shorten("ü" * 100_000).encode()) <= MAX_RAW_BYTES
    shorten({"half": "\ud800"}).encode()
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert "deep" in shorten(deep)


def test_keys():
    """The sender's key stays; a long one by hash; without one the labels are the key."""
    assert short_key("abc") == "abc"
    assert short_key("x" * 600) == short_key("x" * 600) != short_key("y" * 600)
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("2026-11-23T14:07:26Z", True),
        ("2026-11-23T14:07:26.123456789Z", True),
        ("0001-01-01T00:00:00Z", False),
        ("yesterday", False),
        (12, False),
        (None, False),
    ],
)
def test_times(text, is_read):
    """A time is read, and what stands for "never" is none."""
    assert (instant(text) is not None) is is_read


def test_links():
    """Only what is an address of the web is a link."""
    assert web_link("https://x.example/a?b=c")
    assert web_link("javascript:alert(1)") is None
    assert web_link("https://x.example/" + "a" * 5000) is None
    assert web_link(7) is None

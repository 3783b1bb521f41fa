"""A sender's labels as an alert; nothing that was sent gets lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.alert import Alert, AlertStatus
from domain.policy.intake import AlertMap, Integration
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


def alert(sender: Sender, labels: dict[str, object], **details: object) -> Alert:
    """A firing alert with these labels."""
    fixed = {"key": "k", "status": AlertStatus.FIRING, "summary": "own", "raw": labels}
    return sender.alert(labels, **(fixed | details))  # type: ignore[arg-type]


def test_an_integration_lends_its_rules():
    """What rules and map decide stands in the alert, before what the format read."""
    integration = Integration.model_validate(
        {
            "format": "alertmanager",
            "key": "env:K",
            "map": {"key": ["host"], "links": ["wiki"], "priority": {"label": "prio"}},
            "rules": [{"set": {"service": "search", "type": "default", "summary": "mapped"}}],
        }
    )
    labels = {"host": "web-1", "wiki": "https://w.example", "prio": "P4", "severity": "low"}
    link = "https://own.example"
    found = alert(Sender.of("x", integration, POLICY, AT), labels, links=[link], priority="P1")
    assert (found.service, found.severity, found.priority) == ("search", "SEV3", "P4")
    assert (found.type, found.summary, found.key) == ("default", "mapped", "web-1")
    assert found.links == ["https://w.example", link]
    assert (found.notes, found.raw) == ([], None)


def test_without_rules_the_alert_is_the_senders_own():
    """Key, summary, priority and type are those that the format read."""
    found = alert(sender(), {"service": "checkout", "severity": "low"}, priority="P2")
    assert (found.key, found.summary, found.priority, found.type) == ("k", "own", "P2", None)


def test_what_could_not_be_used_is_kept_with_the_alert():
    """The notes of mapping stand before the format's own, and the payload is kept as it came."""
    found = alert(sender(), {"service": "nope", "severity": "low"}, notes=["odd"])
    assert [note[:13] for note in found.notes] == ["label service", "odd"]
    assert '"nope"' in (found.raw or "")


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

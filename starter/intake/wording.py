"""What senders call the states of an alert, and how a severity stands in the words of a subject."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from domain.alert import AlertStatus
from domain.mapping import WORDS, as_text, shown

RESOLVED = frozenset({
    "resolved", "resolve", "ok", "okay", "closed", "close", "recovered", "recovery", "recover",
    "cleared", "clear", "normal", "success", "succeeded", "healthy", "up", "good", "green",
    "inactive", "ended", "fixed", "completed", "back to normal",
})  # fmt: skip
FIRING = frozenset({
    "firing", "alerting", "alert", "alarm", "triggered", "trigger", "re-triggered", "open", "opened",
    "reopened", "active", "activated", "problem", "down", "failed", "failing", "failure", "error",
    "critical", "warning", "warn", "re-warn", "new", "created", "started", "unhealthy", "degraded",
    "bad", "red", "yellow", "no data", "re-no data", "nodata", "no_data", "renotify", "unresolved",
    "insufficient_data", "pending", "true",
})  # fmt: skip
ACKNOWLEDGED = frozenset({"acknowledged", "acknowledge", "acked", "ack"})
_OVER = "resolved|ok|recovered|recovery|cleared|closed|up"
_SUBJECT_RESOLVED = re.compile(
    rf"^\W*(?:re:\s*)?[\[(]?(?:{_OVER})(?:\s*:|[\])]|\s+[-|–]\s|\s*$)"
    rf"|[\[(](?:{_OVER})(?:[\])]|:\d+\])"
    # Nagios, Zabbix, UptimeRobot.
    r"|^\W*recovery\s(?:service|host)\salert:|^resolved\sin\s[\d.smhdwy ]{1,40}:|^monitor\sis\sup:",
    re.IGNORECASE,
)
_STATE = f"{_OVER}|problem|down|firing|alerting|alert|alarm|triggered"
_LEVEL = "|".join(word for level in WORDS for word in level)
_PREFIX = re.compile(
    rf"^\s*(?:(?:re|fwd?|aw|wg)\s*:|[\[(](?:{_STATE})(?::\d+)?(?:\s[^\])]*)?[\])]|(?:{_STATE})\s*[:|-]"
    # How bad it is does not say what it is: the mail that clears it seldom repeats it.
    rf"|[\[(](?:{_LEVEL})[\])]|(?:{_LEVEL})\s*:"
    r"|\W*(?:problem|recovery|acknowledgement)\s(?:service|host)\salert:|resolved\sin\s[\d.smhdwy ]{1,40}:"
    r"|monitor\sis\s(?:up|down):)\s*",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"\sis\s(?:ok|up|down|warning|critical|unknown|unreachable)[\s!*]*$", re.IGNORECASE
)
"""The state at the end of Nagios' and Icinga's subjects, which begin with one too."""
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
MAX_PREFIXES = 10


def status_of(value: Any, notes: list[str]) -> AlertStatus:
    """The state that a word means; missing is firing, and so is a word without a meaning, with a note."""
    word = as_text(value).strip().lower()
    if word in RESOLVED:
        return AlertStatus.RESOLVED
    if word in ACKNOWLEDGED:
        return AlertStatus.ACKNOWLEDGED
    if word and word not in FIRING:
        notes.append(f"status {shown(word)} means nothing here: taken as firing")
    return AlertStatus.FIRING


def is_resolved_subject(subject: str) -> bool:
    """Whether a subject or a title says at its front, or in brackets, that it is over."""
    return _SUBJECT_RESOLVED.search(subject[:1000]) is not None


def bare_subject(subject: str) -> str:
    """What a subject is about: without the words of answers, states and severities, in small letters."""
    whole = text = " ".join(subject[:1000].split())
    for _ in range(MAX_PREFIXES):
        shorter = _PREFIX.sub("", text, count=1)
        if shorter == text:
            break
        text = shorter
    if text != whole:
        text = _SUFFIX.sub("", text)
    return text.lower()


def severity_word(text: str, own: Iterable[str] = ()) -> str | None:
    """The first word that means a severity: one of the integration's own, else one of the usual ones.

    Args:
        own: the values that the integration's map knows.
    """
    known = {word.lower() for word in own}
    words = [word.lower() for word in _WORD.findall(text[:1000])]
    usual = {word for level in WORDS for word in level}
    for meant in (known, usual):
        found: str | None = next((word for word in words if word in meant), None)
        if found is not None:
            return found
    return None

"""From a sender's labels to our service and severity; and what becomes of an alert that cannot be read.

An alert is never dropped for its shape: what is missing gets a default, and a note says so. The notes
become facts on the incident's timeline.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.alert import MAX_KEY_CHARS, Alert, AlertStatus
from domain.names import nearest
from domain.policy.intake import AlertMap, LabelMap
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from starter.unique import unique_id

MAX_RAW_BYTES = 8 * 1024
MAX_SUMMARY_CHARS = 300
MAX_DESCRIPTION_CHARS = 4_000
MAX_LINK_CHARS = 2_000
MAX_NOTES = 10
MAX_ALERTS = 2_000
"""Of one payload: more than a real sender's fit into what intake takes, few enough to be read at once."""

WORDS = (
    ("critical", "page", "fatal", "emergency"),
    ("error", "high", "major"),
    ("warning", "warn", "info", "low", "minor", "none", "debug"),
)
"""What senders call the worst, the second and the third severity."""
_LINK = re.compile(r"https?://\S+")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Sender:
    """Who sent a payload, and by which rules it is read."""

    integration: str
    policy: Policy
    received_at: datetime
    map: AlertMap = field(default_factory=AlertMap)

    def alert(
        self,
        labels: Mapping[str, Any],
        *,
        key: str,
        status: AlertStatus,
        summary: str,
        raw: Any,
        notes: list[str] | None = None,
        **details: Any,
    ) -> Alert:
        """One alert that could be read, with its service and severity found."""
        service, wrong_service = self.service_of(labels)
        severity, wrong_severity = self.severity_of(labels)
        every = [*wrong_service, *wrong_severity, *(notes or [])][:MAX_NOTES]
        return Alert(
            id=unique_id(),
            key=short_key(key),
            status=status,
            integration=self.integration,
            service=service,
            severity=severity,
            summary=clean(summary, MAX_SUMMARY_CHARS) or f"alert from {self.integration}",
            received_at=self.received_at,
            notes=[clean(note, 500) for note in every],
            raw=shorten(raw) if every else None,
            **details,
        )

    def unreadable(self, raw: Any, why: str, summary: str = "") -> Alert:
        """What becomes of something that is no alert of its format: the default severity on `unknown`."""
        text = shorten(raw)
        return Alert(
            id=unique_id(),
            key="unreadable/" + hashlib.sha256(text.encode()).hexdigest()[:32],
            status=AlertStatus.FIRING,
            integration=self.integration,
            service=UNKNOWN_SERVICE,
            severity=None,
            summary=summary or f"unreadable alert from {self.integration}",
            received_at=self.received_at,
            notes=[clean(f"{why}; raised on {UNKNOWN_SERVICE} with the default severity", 500)],
            raw=text,
        )

    def service_of(self, labels: Mapping[str, Any]) -> tuple[str, list[str]]:
        """The service that the labels name, or `unknown` with a note."""
        rule, services = self.map.service or LabelMap(label="service"), self.policy.services
        value = _word(labels.get(rule.label))
        named = rule.values.get(value, value)
        if named in services:
            return named, []
        if rule.default is not None:
            return rule.default, []
        if not value:
            return UNKNOWN_SERVICE, [f"label {rule.label} is missing: service {UNKNOWN_SERVICE}"]
        if value == UNKNOWN_SERVICE:
            return UNKNOWN_SERVICE, []
        near = nearest(value, services, 1)
        hint = f" (the nearest is {near[0]})" if near else ""
        wrong = f"label {rule.label} names {value!r}, which is no service of the policy{hint}"
        return UNKNOWN_SERVICE, [f"{wrong}: service {UNKNOWN_SERVICE}"]

    def severity_of(self, labels: Mapping[str, Any]) -> tuple[str | None, list[str]]:
        """The severity that the labels name; None with a note where the policy's default counts."""
        rule = self.map.severity or LabelMap(label="severity")
        value, levels = _word(labels.get(rule.label)), list(self.policy.severities)
        for named in (rule.values.get(value), rule.values.get(value.lower()), value, value.upper()):
            if named in levels:
                return named, []
        for index, words in enumerate(WORDS):
            if value.lower() in words:
                ours = f"SEV{index + 1}"
                return ours if ours in levels else levels[min(index, len(levels) - 1)], []
        if rule.default is not None:
            return rule.default, []
        default = self.policy.organisation.default_severity
        if not value:
            return None, [f"label {rule.label} is missing: severity {default}"]
        return None, [f"label {rule.label} says {value!r}, which means nothing here: {default}"]


def clean(value: Any, limit: int) -> str:
    """Text that can be stored anywhere: no control characters, no half characters, not too long."""
    text = _CONTROL.sub("", value if isinstance(value, str) else "").strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def web_link(value: Any) -> str | None:
    """An address that may be shown as a link; anything else is none."""
    if not value:
        return None
    text = clean(value, MAX_LINK_CHARS + 1)
    return text if _LINK.fullmatch(text) and len(text) <= MAX_LINK_CHARS else None


def instant(value: Any) -> datetime | None:
    """A time with its zone; what cannot be read, and a year that stands for "never", is None."""
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return at if 1970 < at.year < 9999 else None


def shorten(raw: Any) -> str:
    """What was sent as text, at most 8 KiB of it."""
    try:
        text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
    except RecursionError:
        text = "(nested too deeply to be shown)"
    text = _CONTROL.sub("�", text[:MAX_RAW_BYTES])
    data = text.encode()
    return text if len(data) <= MAX_RAW_BYTES else data[:MAX_RAW_BYTES].decode(errors="ignore")


def key_of(labels: Mapping[str, Any]) -> str:
    """A key for an alert whose sender gives none: the same labels are the same alert."""
    text = json.dumps(labels, sort_keys=True, default=str)
    return "labels/" + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def short_key(key: str) -> str:
    """The sender's key; a long one by its hash, since it is kept for every alert."""
    text = _CONTROL.sub("", key)
    if len(text) <= MAX_KEY_CHARS:
        return text
    return "hash/" + hashlib.sha256(text.encode()).hexdigest()


def _word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "" if value is None else clean(str(value), 100)
    return clean(str(value), 100)

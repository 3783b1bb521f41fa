"""From what a sender said to an alert, by the rules of its integration; and what cannot be read.

An alert is never dropped for its shape: what is missing gets a default, and a note says so. The notes
become facts on the incident's timeline. How the rules decide is `domain/mapping.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.alert import MAX_KEY_CHARS, Alert, AlertStatus
from domain.mapping import (
    CONTROL,
    MAX_LINK_CHARS,
    MAX_LINKS,
    MAX_SUMMARY_CHARS,
    Mapped,
    clean,
    decide_fields,
    web_link,
)
from domain.policy.intake import AlertMap, Integration, MappingRule
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from starter.unique import unique_id

__all__ = [
    "MAX_ALERTS", "MAX_DESCRIPTION_CHARS", "MAX_LINK_CHARS", "MAX_NOTES", "MAX_RAW_BYTES",
    "MAX_SUMMARY_CHARS", "Sender", "clean", "instant", "key_of", "short_key", "shorten", "web_link",
]  # fmt: skip

MAX_RAW_BYTES = 8 * 1024
MAX_DESCRIPTION_CHARS = 4_000
MAX_NOTES = 10
MAX_ALERTS = 2_000
"""Of one payload: more than a real sender's fit into what intake takes, few enough to be read at once."""


@dataclass(frozen=True)
class Sender:
    """Who sent a payload, and by which rules it is read."""

    integration: str
    policy: Policy
    received_at: datetime
    map: AlertMap = field(default_factory=AlertMap)
    rules: Sequence[MappingRule] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """JMESPath by field, for the format `generic`."""
    decided: dict[str, Mapped] | None = None
    """Where why is asked: filled in with what was decided, by the alert's id."""

    @classmethod
    def of(
        cls,
        name: str,
        integration: Integration,
        policy: Policy,
        at: datetime,
        decided: dict[str, Mapped] | None = None,
    ) -> Sender:
        """Whoever sends through an integration of the policy."""
        map_, rules, fields = integration.map, integration.rules, integration.fields
        return cls(name, policy, at, map_, rules, fields, decided)

    def alert(
        self,
        labels: Mapping[str, Any],
        *,
        key: str,
        status: AlertStatus,
        summary: str,
        raw: Any,
        notes: list[str] | None = None,
        annotations: Mapping[str, Any] | None = None,
        links: Sequence[str] = (),
        priority: str | None = None,
        type: str | None = None,
        **details: Any,
    ) -> Alert:
        """One alert that could be read; what the integration's rules decide goes before what is given.

        Args:
            labels: what rules and map see, by name; values of any JSON type.
            annotations: what they see as well, of senders that tell texts apart from labels.
            details: further fields of `Alert`.
        """
        mapped = decide_fields(labels, self.policy, self.map, self.rules, annotations or {})
        every = [*mapped.notes, *(notes or [])][:MAX_NOTES]
        text = mapped.summary or clean(summary, MAX_SUMMARY_CHARS)
        alert = Alert(
            id=unique_id(),
            key=short_key(key if mapped.key is None else mapped.key),
            status=status,
            integration=self.integration,
            service=mapped.service,
            severity=mapped.severity,
            priority=mapped.priority or priority,
            type=mapped.type or type,
            labels=mapped.labels,
            summary=text or f"alert from {self.integration}",
            received_at=self.received_at,
            links=list(dict.fromkeys((*mapped.links, *links)))[:MAX_LINKS],
            notes=[clean(note, 500) for note in every],
            raw=shorten(raw) if every else None,
            **details,
        )
        if self.decided is not None:
            self.decided[alert.id] = mapped
        return alert

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
    text = CONTROL.sub("�", text[:MAX_RAW_BYTES])
    data = text.encode()
    return text if len(data) <= MAX_RAW_BYTES else data[:MAX_RAW_BYTES].decode(errors="ignore")


def key_of(labels: Mapping[str, Any]) -> str:
    """A key for an alert whose sender gives none: the same labels are the same alert."""
    text = json.dumps(labels, sort_keys=True, default=str)
    return "labels/" + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def short_key(key: str) -> str:
    """The sender's key; a long one by its hash, since it is kept for every alert."""
    text = CONTROL.sub("", key)
    if len(text) <= MAX_KEY_CHARS:
        return text
    return "hash/" + hashlib.sha256(text.encode()).hexdigest()

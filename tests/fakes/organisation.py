"""A small organisation for the activities' tests: policy, records, channel and clock of our own."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from activities.channels.base import Capabilities, Outgoing, Receipt
from domain.messages import Announce, Announcement, Purpose
from domain.policy.model import Policy
from domain.priority import OpenIncident
from templates.renderer import BUILT_IN

NOW = datetime(2026, 11, 24, 14, 7, tzinfo=UTC)  # a Tuesday, 15:07 in Berlin


def a_view(**changes: Any) -> dict[str, Any]:
    """An incident's view; valid by default."""
    text = (BUILT_IN / "_shared" / "incident.json").read_text(encoding="utf-8")
    return json.loads(text) | changes  # type: ignore[no-any-return]


def a_policy(**changes: Any) -> Policy:
    """Checkout is watched by alice, then bob, then carol; dana has no contact."""
    mail = {
        name: {"contacts": [{"channel": "email", "to": f"{name}@example.com"}]}
        for name in ("bob", "carol")
    }
    both = [
        {"channel": "sms", "to": "+4915550001"},
        {"channel": "email", "to": "alice@example.com"},
    ]
    data: dict[str, Any] = {
        "organisation": {"catch_all": ["person:carol"]},
        "people": {"alice": {"name": "Alice Ng", "contacts": both}, **mail, "dana": {}},
        "teams": {"payments": {"members": ["alice", "bob"]}, "empty": {"members": []}},
        "escalation_policies": {
            "payments": {"steps": [{"page": ["person:alice"]}, {"page": ["team:payments"]}]}
        },
        "services": {"checkout": {"name": "Checkout", "escalation": "payments"}},
        "stakeholders": {
            "leadership": {
                "severities": ["SEV1"],
                "to": [
                    {"channel": "email", "to": "cto@example.com"},
                    {"channel": "email", "to": "coo@example.com"},
                ],
            },
            "search": {
                "severities": ["SEV1"],
                "services": ["search"],
                "to": [{"channel": "email", "to": "search@example.com"}],
            },
        },
    }
    return Policy.model_validate(data | changes)


class FixedPolicy:
    """A policy store that holds one policy, or none."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy

    def current(self) -> tuple[str, Policy]:
        if self.policy is None:
            raise OSError("the disk is gone")
        return "0123456789ab", self.policy


class FixedRecords:
    """Records with what they hold; they may be away, or hang until it is over."""

    def __init__(
        self, *incidents: OpenIncident, hang_seconds: float = 0, error: Exception | None = None
    ) -> None:
        self.incidents, self.hang_seconds, self.error = list(incidents), hang_seconds, error
        self.paged_at: dict[str, datetime] = {}
        self.over = threading.Event()

    def open_incidents(self) -> list[OpenIncident]:
        self._answer()
        return self.incidents

    def open_for_services(self, services: Collection[str]) -> list[dict[str, Any]]:
        self._answer()
        return [{"id": f"{name}-4", "service": name} for name in services]

    def incidents_of(self, person: str) -> list[OpenIncident]:
        self._answer()
        return self.incidents

    def last_page(self, person: str, incident: str) -> datetime | None:
        self._answer()
        return self.paged_at.get(incident)

    def highest_number(self, service: str) -> int:
        self._answer()
        return len(self.incidents)

    def _answer(self) -> None:
        self.over.wait(self.hang_seconds)
        if self.error is not None:
            raise self.error


class RecordingChannel:
    """A channel that keeps what it is given, or raises."""

    def __init__(self, name: str = "email", *, pages: bool = True, configured: bool = True) -> None:
        self.name, self.is_configured = name, configured
        self.capabilities = Capabilities(pages=pages)
        self.sent: list[Outgoing] = []
        self.fails: dict[str, Exception] = {}
        """Error by address."""

    async def send(self, message: Outgoing) -> Receipt:
        if message.to in self.fails:
            raise self.fails[message.to]
        self.sent.append(message)
        return Receipt()

    async def aclose(self) -> None:
        """Nothing is open."""


def a_clock() -> datetime:
    """Always now."""
    return NOW


def an_outgoing(**changes: Any) -> Outgoing:
    """A message; a page to alice by default."""
    data = {
        "key": "checkout-17/p1/r1/s1/alice/email-0",
        "incident": "checkout-17",
        "purpose": Purpose.PAGE,
        "channel": "email",
        "to": "alice@example.com",
        "recipient": "person:alice",
        "subject": "checkout-17 SEV1 P1",
        "text": "Card payments are refused",
        "html": "<p>Card payments are refused</p>",
        "severity": "SEV1",
    }
    return Outgoing.model_validate(data | changes)


def an_announcement(*recipients: str, **changes: Any) -> Announce:
    """Word that alice took the page, by default."""
    view = changes.pop("view", None) or a_view()
    data = {
        "key": "checkout-17/told/1",
        "purpose": Purpose.PAGE_UPDATE,
        "template": "page_update",
        "recipients": list(recipients),
        "context": {"taken_by": "alice"},
    }
    return Announce(incident=view, announcement=Announcement.model_validate(data | changes))

"""Desks as Temporal keeps them: each batch key counts once, in the order of arrival; away on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from domain.alert import Alert, AlertStatus
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError


class Desks:
    """A `Report`."""

    def __init__(self) -> None:
        self.is_away = False
        self.forgets_to_answer = 0
        """How many batches are taken while the caller hears that nothing is known."""
        self.refuses: dict[str, Exception] = {}
        """Error by service."""
        self.calls: list[tuple[str, str]] = []
        """Service and key of every attempt."""
        self.taken: dict[str, list[Alert]] = {}
        self.batches: list[list[str]] = []
        """Alert keys of each batch that counted."""
        self._keys: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def report(self, service: str, alerts: Sequence[Alert], key: str) -> None:
        self.calls.append((service, key))
        await self.gate.wait()
        await asyncio.sleep(0)
        if service in self.refuses:
            raise self.refuses[service]
        if self.is_away:
            raise GatewayUnavailableError("Temporal is away")
        if key not in self._keys:
            self._keys.add(key)
            self.batches.append([alert.key for alert in alerts])
            self.taken.setdefault(service, []).extend(alerts)
        if self.forgets_to_answer:
            self.forgets_to_answer -= 1
            raise NotAnsweredError("no answer in time")

    def keys(self, service: str = "checkout") -> list[str]:
        """Alert keys in the order in which they count."""
        return [alert.key for alert in self.taken.get(service, [])]


def an_alert(key: str, service: str = "checkout", **fields: Any) -> Alert:
    """A critical alert that fires; valid by default."""
    values: dict[str, Any] = {
        "id": f"id-{key}",
        "key": key,
        "status": AlertStatus.FIRING,
        "integration": "test",
        "service": service,
        "severity": "SEV1",
        "summary": f"{service} returns errors",
        "received_at": datetime(2026, 11, 24, 14, 7, tzinfo=UTC),
    }
    return Alert.model_validate(values | fields)

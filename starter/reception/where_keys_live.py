"""Which desk holds a key: a sender that says no more than "key 7 is over" names no service.

What each key was taken for is noted (`notebook.py`) before its alert is delivered, so that whatever
follows it, even at another process and after a restart, finds the same desk. Where the note is gone,
every desk with an open incident is told: one that does not know the key does nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from domain.alert import Alert, AlertStatus
from domain.policy.slice import UNKNOWN_SERVICE
from starter.reception.notebook import Notebook

HOMES_KEPT = 3
"""Services that one key is remembered for: a map that was changed moves a key, and both must hear."""

OpenServices = Callable[[], Awaitable[Collection[str]]]


class KeyHomes:
    """Where the keys of integrations live.

    Args:
        file: what is noted, shared by the processes of a data folder.
        open_services: the services that have an open incident now.
    """

    def __init__(self, file: Path, open_services: OpenServices) -> None:
        self._notes, self._open_services = Notebook(file), open_services

    def remember(self, alert: Alert, said: str) -> None:
        """Note where an alert goes that may be followed by words about its key alone.

        Args:
            said: what the sender calls the same thing.
        """
        name = _name(alert.integration, said)
        home = [alert.service, alert.key]
        known = self._notes.get(name)
        before = [one for one in known["homes"] if one != home] if known else []
        self._notes.put({name: {"homes": [home, *before][:HOMES_KEPT]}})

    async def placed(self, alert: Alert, said: str) -> list[Alert]:
        """A word about a key, once for each desk that may hold it.

        Args:
            alert: its service is where the word's own labels point, or `unknown`.
            said: what the sender calls the same thing.
        """
        known = self._notes.get(_name(alert.integration, said))
        if known is not None:
            return [
                alert.model_copy(update={"service": service, "key": key, "notes": []})
                for service, key in known["homes"]
            ]
        services = {*await self._open_services()}
        if alert.service != UNKNOWN_SERVICE or not services:
            services.add(alert.service)  # an incident of a moment ago is not in the records yet
        return [
            alert.model_copy(update={"service": service, "notes": []})
            for service in sorted(services)
        ]

    async def settle(self, alerts: list[Alert], said: str) -> list[Alert]:
        """What is to be delivered for alerts of one key: those that fire noted, all others placed."""
        found: list[Alert] = []
        for alert in alerts:
            if alert.status is AlertStatus.FIRING:
                self.remember(alert, said)
                found.append(alert)
            else:
                found += await self.placed(alert, said)
        return found


def _name(integration: str, said: str) -> str:
    return f"{integration}\n{said}"

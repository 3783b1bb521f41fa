"""What a client of Opsgenie may ask for afterwards: its alerts by id, tiny id and alias, its requests.

Only what the client itself said stands in it; what became of the incident is the incident's. Each
integration sees its own.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from starter.reception.notebook import Notebook

TINY_IDS = 10**9
_SPACE = uuid.UUID("5d3a6b86-6d0c-4f0b-9a6e-0d8f2b1f6c11")

Noted = dict[str, Any]


class OpsgenieBook:
    """Alerts and requests.

    Args:
        file: shared by the processes of a data folder.
    """

    def __init__(self, file: Path) -> None:
        self._notes = Notebook(file)

    def find(self, integration: str, identifier: str, kind: str) -> Noted | None:
        """An alert.

        Args:
            kind: what the identifier is: `id`, `tiny` or `alias`.
        """
        if kind == "alias":
            return self._notes.get(_name(integration, "alias", identifier))
        pointer = self._notes.get(_name(integration, kind, identifier))
        return pointer and self._notes.get(_name(integration, "alias", pointer["alias"]))

    def alerts(self, integration: str) -> Iterator[Noted]:
        """The alerts of an integration, the one heard of last first."""
        for _, noted in self._notes.latest(_name(integration, "alias", "")):
            yield noted

    def fired(self, integration: str, alias: str, at: datetime, said: Noted) -> Noted:
        """Note an alert that was created or came again; answers it.

        Args:
            said: message, priority and source.
        """
        known = self.find(integration, alias, "alias")
        moment = at.isoformat()
        if known is not None and known["status"] == "open":
            noted = {**known, "count": known["count"] + 1, "lastOccurredAt": moment}
            self._notes.put({_name(integration, "alias", alias): noted})
            return noted
        noted = {
            "id": alert_id(integration, alias),
            "tinyId": tiny_id(integration, alias),
            "alias": alias,
            "status": "open",
            "acknowledged": False,
            "count": 1,
            "createdAt": moment,
            "updatedAt": moment,
            "lastOccurredAt": moment,
            **said,
        }
        self._notes.put(
            {
                _name(integration, "alias", alias): noted,
                _name(integration, "id", noted["id"]): {"alias": alias},
                _name(integration, "tiny", noted["tinyId"]): {"alias": alias},
            }
        )
        return noted

    def changed(self, integration: str, alias: str, at: datetime, **changes: Any) -> None:
        """Note what was done to an alert."""
        known = self.find(integration, alias, "alias")
        if known is not None:
            noted = {**known, **changes, "updatedAt": at.isoformat()}
            self._notes.put({_name(integration, "alias", alias): noted})

    def asked(self, integration: str, request_id: str, outcome: Noted) -> None:
        """Note what became of a request."""
        self._notes.put({_name(integration, "request", request_id): outcome})

    def request(self, integration: str, request_id: str) -> Noted | None:
        return self._notes.get(_name(integration, "request", request_id))


def alert_id(integration: str, alias: str) -> str:
    """The id of the alert with this alias: the same at every process, now and later."""
    return str(uuid.uuid5(_SPACE, f"{integration}\n{alias}"))


def tiny_id(integration: str, alias: str) -> str:
    """A short number for people to say; two aliases may share one, then the later one has it."""
    digest = hashlib.sha256(f"{integration}\n{alias}".encode(errors="replace")).digest()
    return str(int.from_bytes(digest[:8], "big") % TINY_IDS)


def _name(integration: str, kind: str, said: str) -> str:
    return f"{integration}\n{kind}\n{said}"

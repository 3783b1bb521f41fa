"""The outbox: every message as a file. In `outbox` mode the files are all there is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from activities.channels.base import Outgoing
from domain.messages import DeliveryState

FILE_ONLY = frozenset({"status_page", "operator"})
"""Channels that are read from the outbox: to write the file is to send."""
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


class Outbox:
    """A folder with one JSON file per message. Blocking: call it from a thread.

    Args:
        folder: made when the first message is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def write(
        self, message: Outgoing, state: DeliveryState, at: datetime, detail: str = ""
    ) -> Path:
        """Write the file, or write it anew: one key is one file. Readers see the old or the new.

        A message with the pages of several incidents leaves a file for each.

        Raises:
            OSError: it could not be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for one in message.each():
            self._write_one(one, state, at, detail)
        return self.path_of(message)

    def _write_one(
        self, message: Outgoing, state: DeliveryState, at: datetime, detail: str
    ) -> None:
        content = {
            "id": _digest(message.key),
            "at": at.isoformat().replace("+00:00", "Z"),
            "incident": message.incident,
            "purpose": message.purpose.value,
            "channel": message.channel,
            "to": _without_secret(message.to),
            "recipient": message.recipient,
            "person": message.person,
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "severity": message.severity,
            "idempotency_key": message.key,
            "bundle": message.bundle,
            "bundle_incidents": [part.incident for part in message.parts],
            "state": state.value,
            "detail": detail,
        }
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        _replace(self.path_of(message), text)

    def state_of(self, message: Outgoing) -> DeliveryState | None:
        """What an earlier attempt noted; None when there was none, or its file cannot be understood.

        Of a message with several pages, what holds for all of them: one that has not left makes it leave.

        Raises:
            OSError: the file is there and cannot be read.
        """
        noted = {self._state_of_one(one) for one in message.each()}
        return noted.pop() if len(noted) == 1 else None

    def _state_of_one(self, message: Outgoing) -> DeliveryState | None:
        try:
            noted = json.loads(self.path_of(message).read_text(encoding="utf-8"))
            return DeliveryState(noted["state"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return None

    def path_of(self, message: Outgoing) -> Path:
        """The file of a message: `checkout-17.page.<hash of the key>.json`."""
        name = f"{_fit(message.incident)}.{message.purpose.value}.{_digest(message.key)}.json"
        return self.folder / name

    def highest_number(self, service: str) -> int:
        """The highest number of the service's incidents that any message was written for; else 0.

        Raises:
            OSError: the folder is there and cannot be read.
        """
        begins = re.compile(rf"{re.escape(_fit(service))}-(\d{{1,18}})\.")
        found = (begins.match(name) for name in self._names())
        return max((int(match[1]) for match in found if match), default=0)

    def _names(self) -> Iterable[str]:
        try:
            with os.scandir(self.folder) as entries:
                return [entry.name for entry in entries]
        except FileNotFoundError:
            return []


def _without_secret(to: str) -> str:
    """An address; of a URL only its kind, because what follows may be a password or a token."""
    kind, separator, _ = to.partition("://")
    return f"{kind}://…" if separator else to


def _fit(name: str) -> str:
    """A name that is no path: no dots, no slashes, not too long."""
    return _UNFIT.sub("_", name)[:100] or "_"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _replace(file: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o640)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename last: without it a power cut forgets that the message was begun."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""What has ended before its time: sessions that were signed out of, attempts to sign in that were used.

One small file for all API processes, noticed at the next look. Nothing stays in it for longer than the
thing itself would have held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, Field

from records.shared_files import Stamp, one_writer, replace_file, stamp_of
from starter.access.seals import SealsUnreadableError
from starter.access.store import FOLDER

FILE = "ended.json"
log = structlog.get_logger(__name__)


class EndedFile(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(1, ge=1, le=1)
    ended: dict[str, int] = {}
    """By id: until when it has to be remembered, in seconds since 1970."""


class Ended:
    """Knows what has ended.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], float]) -> None:
        self._folder = data_dir / FOLDER
        self.file = self._folder / FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: Stamp = None
        self._ids: dict[str, int] = {}
        self._fault = ""

    def has(self, name: str) -> bool:
        """Whether it has ended. Raises SealsUnreadableError: what cannot be told is not let in."""
        stamp = stamp_of(self.file)
        if stamp != self._stamp or self._fault:
            try:
                self._ids, self._stamp, self._fault = self._read(), stamp, ""
            except (OSError, ValueError) as error:
                fault = self._why(error)
                if fault != self._fault:
                    log.exception("sessions.unreadable", why=fault)
                self._fault = fault
                raise SealsUnreadableError(fault) from error
        return name in self._ids

    def add(self, name: str, until: int) -> bool:
        """End it; False where it had ended before. Of several that ask at once, one is told True.

        Raises:
            SealsUnreadableError: it has not ended.
        """
        try:
            with self._lock, one_writer(self._folder):
                now = int(self._clock())
                held = {key: end for key, end in self._read().items() if end > now}
                if name in held:
                    return False
                kept = EndedFile(ended={**held, name: until})
                replace_file(self.file, kept.model_dump_json(indent=1) + "\n")
        except (OSError, ValueError) as error:
            raise SealsUnreadableError(self._why(error)) from error
        return True

    def _read(self) -> dict[str, int]:
        """Raises OSError, ValueError."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return EndedFile.model_validate_json(text).ended

    def _why(self, error: Exception) -> str:
        kind = error.strerror if isinstance(error, OSError) else "it is damaged"
        return f"{self.file} cannot be used: {kind or type(error).__name__}"

"""Short texts that a browser keeps for us and cannot change: sessions, and attempts to sign in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from records.shared_files import Stamp, stamp_of
from starter.access.store import FOLDER
from starter.security import ensure_secret, same

SECRET = "session-secret"
MAX_CHARS = 4000
"""A browser keeps at most 4,096 bytes of one cookie. Source: RFC 6265, section 6.1."""


class SealsUnreadableError(Exception):
    """The secret, or what has ended, cannot be read: nobody can say who has signed in. Tokens go on."""


class BrokenSealError(Exception):
    """A text that is none of ours, or was changed."""


class Seals:
    """Seals texts with a secret in the data folder, which every API process on it shares.

    Args:
        data_dir: the data folder. Whoever removes `access/session-secret` in it ends every session.
    """

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FOLDER / SECRET
        self._stamp: Stamp = None
        self._secret = b""

    def seal(self, purpose: str, said: bytes) -> str:
        """The text to hand out. Raises SealsUnreadableError."""
        return f"{_encoded(said)}.{self.mark(purpose, said)}"

    def open(self, purpose: str, text: str) -> bytes:
        """What was sealed for this purpose.

        Raises:
            BrokenSealError: nothing was.
            SealsUnreadableError: nobody can say.
        """
        first, dot, mark = text.partition(".")
        if not dot or len(text) > MAX_CHARS or not text.isascii():
            raise BrokenSealError
        try:
            said = base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise BrokenSealError from None
        if _encoded(said) != first or not same(mark, self.mark(purpose, said)):
            raise BrokenSealError
        return said

    def mark(self, purpose: str, said: bytes) -> str:
        """256 bits that nobody else can tell for this. Raises SealsUnreadableError."""
        return _encoded(hmac.digest(self._key(), purpose.encode() + b"\0" + said, hashlib.sha256))

    def _key(self) -> bytes:
        """The secret. It is looked at each time, so that removing the file counts at once."""
        stamp = stamp_of(self._file)
        if stamp is None or stamp != self._stamp:
            try:
                text = ensure_secret(self._file, lambda: secrets.token_hex(32))
            except (OSError, ValueError) as error:
                kind = error.strerror if isinstance(error, OSError) else "it is damaged"
                raise SealsUnreadableError(f"{self._file} cannot be read: {kind}") from error
            self._secret, self._stamp = text.encode(), stamp_of(self._file)
        return self._secret


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

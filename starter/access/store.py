"""The tokens in the data folder: shared by every API process, and needing neither Temporal nor a database.

Each look notices a changed file, so that a token that was made or revoked counts at the next request.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from domain.access.tokens import (
    PREFIX,
    USED_EVERY,
    Token,
    TokenFile,
    TokenState,
    TokenWanted,
    digest_of,
    end_of,
)
from records.shared_files import Stamp, one_writer, replace_file, stamp_of

FOLDER = "access"
FILE = "tokens.json"
MOST_TOKENS = 10_000
log = structlog.get_logger(__name__)


class TokensUnreadableError(Exception):
    """The file is there and cannot be read: nobody but the system's token gets in, and says so."""


class TooManyTokensError(Exception):
    """No room for another one."""


class MadeAlreadyError(Exception):
    """The same request has made a token before; its text is gone with the answer to that."""

    def __init__(self, token: Token) -> None:
        self.token = token
        super().__init__(f"this request has made token {token.id} already")


def _now() -> datetime:
    return datetime.now(UTC)


class TokenStore:
    """Makes, finds, lists and revokes tokens.

    Args:
        data_dir: the data folder; `access/tokens.json` in it is readable by its owner only.
        logs: whether a damaged file is logged; a command that prints what it finds says so itself.
    """

    def __init__(
        self, data_dir: Path, clock: Callable[[], datetime] = _now, *, logs: bool = True
    ) -> None:
        self._logs = logs
        self._folder = data_dir / FOLDER
        self.file = self._folder / FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: Stamp = None
        self._by_digest: dict[str, Token] = {}
        self._fault: str = ""

    def find(self, secret: str) -> Token | None:
        """The token, whatever its state; None where it is nobody's.

        It is looked up by its digest: how long that takes tells nothing of the tokens that there are.

        Raises:
            TokensUnreadableError: nobody can say. Retried when the file has been mended.
        """
        self._look()
        if self._fault:
            raise TokensUnreadableError(self._fault)
        return self._by_digest.get(digest_of(secret))

    def all(self) -> list[Token]:
        """Every token, the oldest first. Raises TokensUnreadableError."""
        self._look()
        if self._fault:
            raise TokensUnreadableError(self._fault)
        return list(self._by_digest.values())

    def create(self, wanted: TokenWanted, by: str, key: str = "") -> tuple[str, Token]:
        """Make one: its text, which is kept nowhere, and what is kept.

        Args:
            key: the caller's own id for the request; under one key one token is made.

        Raises:
            MadeAlreadyError: under this key one was made.
            TokensUnreadableError, OSError: nothing was made.
            TooManyTokensError: too many stand already.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        token = Token(
            id=f"t_{secrets.token_hex(4)}",
            name=wanted.name,
            digest=digest_of(secret),
            roles=sorted(set(wanted.roles), key=list(type(wanted.roles[0])).index),
            owner=wanted.owner,
            act_as_any=wanted.act_as_any,
            integration=wanted.integration,
            created_at=now,
            created_by=by,
            expires_at=end_of(wanted, now),
            request=digest_of(key) if key else "",
        )

        def add(tokens: list[Token]) -> list[Token]:
            for one in tokens:
                if token.request and one.request == token.request:
                    raise MadeAlreadyError(one)
            if len(tokens) >= MOST_TOKENS:
                raise TooManyTokensError(
                    f"{MOST_TOKENS} tokens stand already: one of them was lost in a loop, probably"
                )
            return [*tokens, token]

        self._change(add)
        return secret, token

    def revoke(self, token_id: str, by: str) -> Token | None:
        """End one, at once and for good; None where there is none of that id.

        Raises:
            TokensUnreadableError, OSError: it still opens what it opened.
        """
        ended: list[Token] = []

        def end(tokens: list[Token]) -> list[Token]:
            changed = []
            for one in tokens:
                if one.id == token_id:
                    if one.state(self._clock()) is not TokenState.REVOKED:
                        more = {"revoked_at": self._clock(), "revoked_by": by}
                        one = one.model_copy(update=more)
                    ended.append(one)
                changed.append(one)
            return changed

        self._change(end)
        return ended[0] if ended else None

    def is_use_due(self, token: Token) -> bool:
        """Whether it is an hour or more since its use was written down."""
        return token.used_at is None or self._clock() - token.used_at >= USED_EVERY

    def note_use(self, token_id: str) -> None:
        """Write down that a token is in use. Never raises: nobody is kept out over this."""
        hour = self._clock().replace(minute=0, second=0, microsecond=0)

        def used(tokens: list[Token]) -> list[Token]:
            return [
                one.model_copy(update={"used_at": hour}) if one.id == token_id else one
                for one in tokens
            ]

        try:
            self._change(used)
        except (OSError, TokensUnreadableError) as error:
            log.warning("the use of a token was not written down", token=token_id, why=str(error))

    def _change(self, change: Callable[[list[Token]], list[Token]]) -> None:
        with self._lock, one_writer(self._folder):
            try:
                tokens = self._read()
            except ValueError as error:
                raise TokensUnreadableError(self._why(error)) from error
            kept = TokenFile(tokens=change(tokens))
            replace_file(self.file, kept.model_dump_json(indent=1) + "\n")

    def _look(self) -> None:
        """Read the file again where it has changed."""
        stamp = stamp_of(self.file)
        if stamp == self._stamp and not self._fault:
            return
        try:
            found = {one.digest: one for one in self._read()}
        except (OSError, ValueError) as error:
            fault = self._why(error)
            if fault != self._fault and self._logs:
                # Without the traceback: it quotes what the file holds.
                name = type(error).__name__
                log.error("tokens.unreadable", why=fault, error=name)  # noqa: TRY400
            self._fault = fault
            return
        self._by_digest, self._stamp, self._fault = found, stamp, ""

    def _read(self) -> list[Token]:
        """Raises OSError, ValueError."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return TokenFile.model_validate_json(text).tokens

    def _why(self, error: Exception) -> str:
        # What is wrong in it stays out of the answer: it may hold what it should not.
        kind = error.strerror if isinstance(error, OSError) else "it is damaged"
        return f"{self.file} cannot be read: {kind or type(error).__name__}"

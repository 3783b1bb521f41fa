"""Who may come in: the API's token, the keys of integrations, the links for people, and answers to pages.

Every comparison takes the same time whatever is compared, so that nothing can be guessed bit by bit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from domain.policy.model import Policy

TOKEN_FILE = "token"
LINK_SECRET_FILE = "link-secret"
ANSWER_SECRET_FILE = "answer-secret"
TOKEN_PREFIX = "tocsin_"
LINK_BYTES = 16  # 128 bits: nobody guesses a link in the lifetime of an incident
ANSWER_LIFE = timedelta(minutes=30)
"""How long a page can be answered by its link; later than that its readers are asked who they are."""
MAX_ANSWER_CHARS = 1000


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time. An empty one equals nothing."""
    return bool(expected) and hmac.compare_digest(
        given.encode(errors="replace"), expected.encode(errors="replace")
    )


def bearer(header: str | None, scheme: str = "Bearer") -> str:
    """The credentials in an `Authorization` header; empty when it is of another kind."""
    kind, _, value = (header or "").strip().partition(" ")
    return value.strip() if kind.lower() == scheme.lower() else ""


def password(header: str | None) -> str:
    """The password in an `Authorization` header of the kind `Basic`; empty when it is of another kind.

    Source: https://www.rfc-editor.org/rfc/rfc7617
    """
    try:
        pair = base64.b64decode(bearer(header, "Basic"), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(":")[2]


def ensure_token(data_dir: Path) -> str:
    """The token in the data folder, made when there is none. Only the owner of the file can read it."""
    return ensure_secret(
        data_dir / TOKEN_FILE, lambda: TOKEN_PREFIX + secrets.token_urlsafe(32)
    ).strip()


def resolve_key(reference: str, environ: Mapping[str, str]) -> str:
    """The secret that a policy refers to as `env:NAME` or `file:PATH`; empty when it is not there."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        return environ.get(name, "").strip()
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def closed_integrations(policy: Policy, environ: Mapping[str, str]) -> list[str]:
    """A line for each integration, and for signing in, that is closed because a secret is missing."""
    closed = [
        f"integration {name} is closed: its {what} {reference} is not set"
        for name, integration in policy.integrations.items()
        for what, reference in (
            ("key", integration.key),
            ("signing secret", integration.signing_secret),
        )
        if reference is not None and not resolve_key(reference, environ)
    ]
    oidc = policy.access.oidc
    secret = oidc.client_secret if oidc is not None else None
    if secret is not None and not resolve_key(secret, environ):
        closed.append(f"nobody can sign in: the client secret {secret} is not set")
    return closed


class LinkSigner:
    """Makes and checks the links by which people read one incident without signing in.

    Args:
        secret_file: made when missing. Whoever replaces it makes every old link invalid.
    """

    def __init__(self, secret_file: Path) -> None:
        self._file = secret_file
        self._secret: bytes | None = None

    def sign(self, incident_id: str) -> str:
        """The token that opens this incident's page and no other."""
        if self._secret is None:
            self._secret = ensure_secret(self._file, lambda: secrets.token_hex(32)).encode()
        mac = hmac.new(self._secret, f"page:{incident_id}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac[:LINK_BYTES]).decode().rstrip("=")

    def verify(self, incident_id: str, token: str) -> bool:
        """Whether the token opens this incident's page."""
        return same(token, self.sign(incident_id))

    def url_for(self, public_url: str, incident_id: str) -> str:
        """The whole link."""
        return f"{public_url.rstrip('/')}/i/{incident_id}/{self.sign(incident_id)}"


class PageRef(NamedTuple):
    """One page: of which incident, to whom, and which one."""

    incident: str
    person: str
    key: str
    """As in the delivery: `checkout-17/p1/r1/s1/alice/email-0`."""

    @property
    def place(self) -> str:
        """Run, round and step: `p1/r1/s1`; the same for every contact of the person."""
        rest = self.key.removeprefix(f"{self.incident}/")
        return rest.partition(f"/{self.person}/")[0]

    @property
    def run(self) -> str:
        """The page run: `p1`."""
        return self.place.partition("/")[0]

    @property
    def answer_key(self) -> str:
        """Idempotency key of the answer: one for each person and step, over whichever contact it came."""
        return f"answer/{self.place}/{self.person}"


class TokenState(StrEnum):
    """What an answer token is worth."""

    GOOD = "good"
    EXPIRED = "expired"
    FORGED = "forged"
    """Its signature is not ours: changed, cut short, or made with another secret."""
    MALFORMED = "malformed"


class ReadToken(NamedTuple):
    """What reading a token came to; the page only where the signature holds."""

    state: TokenState
    page: PageRef | None = None
    expires_at: datetime | None = None


class AnswerSigner:
    """Makes and reads the tokens by which people answer one page without signing in.

    A token is URL-safe text: 128 bits of HMAC-SHA256, the second it expires in, and the page. It is kept
    short, because it travels in text messages.

    Args:
        secret_file: made when missing, as the links' own. Whoever replaces it ends every open answer.
    """

    def __init__(self, secret_file: Path) -> None:
        self._file = secret_file
        self._secret: bytes | None = None

    def load(self) -> bytes:
        """Read the secret now, so that no page waits for a disk.

        Raises:
            OSError: it can be neither read nor made; the next token tries again.
        """
        self._secret = ensure_secret(self._file, lambda: secrets.token_hex(32)).encode()
        return self._secret

    def sign(self, page: PageRef, sent_at: datetime) -> str:
        """The token of a page that leaves at `sent_at`.

        Raises:
            ValueError: a part holds a character that parts the token, or the page is not the incident's.
        """
        prefix = f"{page.incident}/"
        if not page.key.startswith(prefix):
            raise ValueError(f"page {page.key!r} is none of {page.incident}")
        # The person stands in the key and in a field of their own: once is enough.
        rest = page.key.removeprefix(prefix).replace(f"/{page.person}/", "//", 1)
        parts = (page.incident, page.person, rest)
        if any("\0" in part for part in parts):
            raise ValueError("a page's key holds no NUL")
        expires = int((sent_at + ANSWER_LIFE).timestamp())
        said = expires.to_bytes(4, "big") + "\0".join(parts).encode()
        return base64.urlsafe_b64encode(self._mac(said) + said).decode().rstrip("=")

    def read(self, token: str, now: datetime) -> ReadToken:
        """What a token says; at the very second it expires in, it has expired."""
        raw = _decoded(token)
        if raw is None or len(raw) < LINK_BYTES + 4:
            return ReadToken(TokenState.MALFORMED)
        mac, said = raw[:LINK_BYTES], raw[LINK_BYTES:]
        if not hmac.compare_digest(mac, self._mac(said)):
            return ReadToken(TokenState.FORGED)
        incident, person, rest = said[4:].decode().split("\0")
        key = f"{incident}/{rest.replace('//', f'/{person}/', 1)}"
        expires_at = datetime.fromtimestamp(int.from_bytes(said[:4], "big"), UTC)
        state = TokenState.GOOD if now < expires_at else TokenState.EXPIRED
        return ReadToken(state, PageRef(incident, person, key), expires_at)

    def _mac(self, said: bytes) -> bytes:
        secret = self.load() if self._secret is None else self._secret
        return hmac.new(secret, b"answer:" + said, hashlib.sha256).digest()[:LINK_BYTES]


def _decoded(token: str) -> bytes | None:
    """The bytes of a token; None where it is no canonical base64 of a sensible length."""
    if not token or len(token) > MAX_ANSWER_CHARS or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # The last character may hold bits that mean nothing: one page has one token, not four.
    return raw if base64.urlsafe_b64encode(raw).decode().rstrip("=") == token else None


def ensure_secret(file: Path, make: Callable[[], str]) -> str:
    """Read a secret, or make it so that of several processes that start together all use the same."""
    try:
        text = file.read_text(encoding="utf-8").strip()
        if text:
            return text
    except FileNotFoundError:
        pass
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.parent / f".{file.name}.{secrets.token_hex(8)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(make() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        if file.exists() and not file.read_text(encoding="utf-8").strip():
            temporary.replace(file)  # an empty file is no secret: a crash left it
        else:
            # Fails when another process was faster, and then its secret counts.
            os.link(temporary, file)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
    return file.read_text(encoding="utf-8").strip()

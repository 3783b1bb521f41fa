"""Who may come in: the API's token, the keys of integrations, and the links for people.

Every comparison takes the same time whatever is compared, so that nothing can be guessed bit by bit.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from domain.policy.model import Policy

TOKEN_FILE = "token"
LINK_SECRET_FILE = "link-secret"
TOKEN_PREFIX = "tocsin_"
LINK_BYTES = 16  # 128 bits: nobody guesses a link in the lifetime of an incident


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time. An empty one equals nothing."""
    return bool(expected) and hmac.compare_digest(
        given.encode(errors="replace"), expected.encode(errors="replace")
    )


def bearer(header: str | None, scheme: str = "Bearer") -> str:
    """The credentials in an `Authorization` header; empty when it is of another kind."""
    kind, _, value = (header or "").strip().partition(" ")
    return value.strip() if kind.lower() == scheme.lower() else ""


def ensure_token(data_dir: Path) -> str:
    """The token in the data folder, made when there is none. Only the owner of the file can read it."""
    return _ensure_secret(
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
    """A line for each integration that takes nothing because its key is missing."""
    return [
        f"integration {name} is closed: its key {integration.key} is not set"
        for name, integration in policy.integrations.items()
        if not resolve_key(integration.key, environ)
    ]


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
            self._secret = _ensure_secret(self._file, lambda: secrets.token_hex(32)).encode()
        mac = hmac.new(self._secret, f"page:{incident_id}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac[:LINK_BYTES]).decode().rstrip("=")

    def verify(self, incident_id: str, token: str) -> bool:
        """Whether the token opens this incident's page."""
        return same(token, self.sign(incident_id))

    def url_for(self, public_url: str, incident_id: str) -> str:
        """The whole link."""
        return f"{public_url.rstrip('/')}/i/{incident_id}/{self.sign(incident_id)}"


def _ensure_secret(file: Path, make: Callable[[], str]) -> str:
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

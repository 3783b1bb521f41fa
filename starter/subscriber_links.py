"""The ways in for subscribers: links that nobody can make up, and the secret of a webhook.

A link names its subscriber and is signed; one that confirms is good for 48 hours. The links that manage and
leave last as long as the subscription, for they stand in mails of years ago.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime

from domain.subscribers import PENDING_LIFE
from domain.webhook_signing import PREFIX
from starter.security import LinkSigner

PATH = "/status/subscribe"
_ID = re.compile(r"[A-Za-z0-9_-]{8,32}")


_TOLD = "/subscribers/subscribers"
"""How the key of an update ends, for all subscribers together."""


def subscriber_of(key: str) -> str | None:
    """The subscriber whom a message with this key told an update; None where it is another message."""
    update, _, id_ = key.rpartition("/")
    return id_ if update.endswith(_TOLD) and _ID.fullmatch(id_) else None


class SubscriberLinks:
    """Makes and reads them.

    Args:
        signer: whose secret signs them; whoever replaces it makes every old link invalid.
        own_url: address at which people reach this API.
    """

    def __init__(self, signer: LinkSigner, own_url: str) -> None:
        self._signer, self._base = signer, own_url.rstrip("/") + PATH

    def confirm(self, id_: str, at: datetime) -> str:
        expires = int((at + PENDING_LIFE).timestamp())
        return f"{self._base}/confirm/{self._signed('confirm', f'{id_}.{expires}')}"

    def manage(self, id_: str) -> str:
        return f"{self._base}/manage/{self._signed('manage', id_)}"

    def leave(self, id_: str) -> str:
        """For RFC 8058: asked without a cookie and without asking back."""
        return f"{self._base}/leave/{self._signed('manage', id_)}"

    def secret(self, id_: str) -> str:
        """What a webhook verifies our posts with: 32 bytes behind `whsec_`."""
        halves = "".join(self._signer.sign(f"subscriber/{half}/{id_}") for half in ("a", "b"))
        digest = hashlib.sha256(halves.encode()).digest()
        return PREFIX + base64.b64encode(digest).decode("ascii")

    def read_confirm(self, token: str, now: datetime) -> str | None:
        """The subscriber; None where the link is not ours, or is too old."""
        said = self._read("confirm", token)
        id_, _, expires = (said or "").rpartition(".")
        if not _ID.fullmatch(id_) or not expires.isdigit():
            return None
        return id_ if now < datetime.fromtimestamp(int(expires), UTC) else None

    def read(self, token: str) -> str | None:
        """The subscriber whose link for managing or leaving this is; None where it is not ours."""
        id_ = self._read("manage", token)
        return id_ if id_ is not None and _ID.fullmatch(id_) else None

    def _signed(self, kind: str, said: str) -> str:
        return f"{said}.{self._signer.sign(f'subscriber/{kind}/{said}')}"

    def _read(self, kind: str, token: str) -> str | None:
        said, _, mac = token.rpartition(".")
        if not said or len(token) > 200:
            return None
        return said if self._signer.verify(f"subscriber/{kind}/{said}", mac) else None

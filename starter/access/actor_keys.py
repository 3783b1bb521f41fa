"""The key with which this host's API signs who gave a command, and the public keys that workers pin.

The private key is made at the first start and stays in the data folder. Its public half is added to
`actor-keys.json`, where those of earlier keys stay until somebody takes them out: what they have signed
may still be under way.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, field_validator

from domain.access.claims import kid_of, public_key_of
from records.shared_files import one_writer, replace_file
from starter.security import ensure_secret

FOLDER = "access"
PRIVATE = "actor-key"
PUBLIC = "actor-keys.json"


class PublicKeys(BaseModel):
    """The file of public keys."""

    keys: dict[str, str]

    @field_validator("keys")
    @classmethod
    def _are_public_keys(cls, value: dict[str, str]) -> dict[str, str]:
        for key in value.values():
            public_key_of(key)
        return value


class ActorKey:
    """The private key of this host.

    Args:
        data_dir: the data folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._key: Ed25519PrivateKey | None = None
        self.kid = ""

    def load(self) -> None:
        """Read the key, or make it, and have its public half known.

        Raises:
            OSError, ValueError: it can be neither read nor made; the next signature tries again.
        """
        text = ensure_secret(self._folder / PRIVATE, _new_key)
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
        public = key.public_key().public_bytes_raw()
        kid = kid_of(public)
        self._publish(kid, base64.b64encode(public).decode())
        self._key, self.kid = key, kid

    def sign(self, said: bytes) -> bytes:
        """The signature. Raises what `load` raises."""
        if self._key is None:
            self.load()
        assert self._key is not None
        return self._key.sign(said)

    def _publish(self, kid: str, public: str) -> None:
        data_dir = self._folder.parent
        if _known(data_dir).get(kid) == public:
            return
        with one_writer(self._folder):
            keys = {**_known(data_dir), kid: public}
            replace_file(
                self._folder / PUBLIC, PublicKeys(keys=keys).model_dump_json(indent=1) + "\n"
            )


def read_actor_keys(data_dir: Path) -> Mapping[str, str]:
    """The public keys of this host by their ids; empty where no API has run yet.

    Raises:
        OSError, ValueError: they cannot be read.
    """
    try:
        text = (data_dir / FOLDER / PUBLIC).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return PublicKeys.model_validate_json(text).keys


def _known(data_dir: Path) -> Mapping[str, str]:
    """As `read_actor_keys`; a damaged file holds none, and is written anew."""
    try:
        return read_actor_keys(data_dir)
    except ValueError:
        return {}


def _new_key() -> str:
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()

"""Names for the outside: they stay the same for ever and say neither a key nor how many there were."""

from __future__ import annotations

import base64
import hashlib


def public_id(kind: str, key: str) -> str:
    """Twelve small letters and digits that stand for something of ours.

    Two of a kind never share one in practice, and the same key has the same one in every process.

    Args:
        kind: `incident`, `update`, `component`, `group`, `maintenance` or `page`.
        key: ours, such as `checkout-17`.
    """
    digest = hashlib.sha256(f"tocsin/{kind}/{key}".encode(errors="backslashreplace")).digest()
    return base64.b32encode(digest).decode().lower()[:12]

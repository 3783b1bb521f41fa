"""Video bridges made by a creator of the organisation's own: asked once, and its answer is not trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from activities.egress import Egress, EgressError
from domain.addresses import Allowed

SECONDS = 5.0
"""For everything: looking the name up, connecting, and the answer."""
MAX_URL_CHARS = 500
_NOT_IN_LINKS = set(" \\\"'<>^`{|}")


class BridgeError(Exception):
    """No bridge was made; the text is for the timeline and quotes nothing of the answer."""


class BridgeCreator:
    """Asks for bridges.

    Args:
        allow: hosts that may be asked although private: the address is somebody's choice.
    """

    def __init__(self, allow: str = "", proxy: SecretStr | None = None) -> None:
        self._egress = Egress(Allowed(allow), proxy=proxy, seconds=SECONDS)

    async def make(self, address: str, incident: Mapping[str, Any]) -> str:
        """Where the call of an incident is. The same incident asked for again says so by its id.

        Raises:
            BridgeError: the creator may not be asked, does not answer, or answers no address.
        """
        asked = {
            "incident": incident.get("id"),
            "severity": incident.get("severity"),
            "service": incident.get("service"),
        }
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": str(incident.get("id") or ""),
        }
        try:
            answer = await self._egress.post(address, json.dumps(asked).encode(), headers)
        except EgressError as error:
            raise BridgeError(str(error)) from error
        if not 200 <= answer.status < 300:
            raise BridgeError(f"it answered with status {answer.status}")
        return _address_in(answer.body)


def _address_in(body: bytes) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise BridgeError("its answer is no JSON") from None
    url = said.get("url") if isinstance(said, dict) else None
    if not isinstance(url, str):
        raise BridgeError('its answer has no text under "url"')
    is_plain = url.isascii() and url.isprintable() and not set(url) & _NOT_IN_LINKS
    try:
        parts = urlsplit(url)
        is_link = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_link = False
    if not is_plain or not is_link or "@" in parts.netloc or len(url) > MAX_URL_CHARS:
        raise BridgeError('its "url" is no https address of at most 500 plain characters')
    return url

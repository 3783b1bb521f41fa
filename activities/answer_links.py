"""How a page can be answered: its link, its code, and where vendors post back, signed for one person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from activities.channels.base import Answer
from domain.messages import SendPage

TEST_INCIDENT = "test"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Sign = Callable[[str, str, str, datetime], str]
"""The token for incident, person, the page's key and the time it leaves."""


class AnswerLinks:
    """Makes the `Answer` of a page.

    Args:
        sign: makes the token.
        own_url: address of the API for links, without a slash at its end.
        public_url: the same as the operator set it; None where vendors cannot reach this API.
    """

    def __init__(self, sign: Sign, own_url: str, public_url: str | None) -> None:
        self._sign, self._url = sign, own_url
        self._takes_callbacks = takes_callbacks(public_url)

    def __call__(self, request: SendPage, at: datetime) -> Answer | None:
        """The answer part of one attempt; a test page has nothing to acknowledge."""
        if request.incident_id == TEST_INCIDENT:
            return None
        token = self._sign(request.incident_id, request.person, request.key, at)
        base = f"{self._url}/answer"
        return Answer(
            url=f"{base}/{token}",
            code=request.incident_id,
            token=token,
            receipt_url=f"{base}/receipt/{token}" if self._takes_callbacks else None,
            voice_url=f"{base}/voice/{token}" if self._takes_callbacks else None,
        )


def takes_callbacks(public_url: str | None) -> bool:
    """Whether a vendor may post here: over TLS, or on this machine, as tests and demos do."""
    if public_url is None:
        return False
    parts = urlsplit(public_url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK

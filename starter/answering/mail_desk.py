"""What takes SendGrid's events works with: its key, and what it has posted before."""

from __future__ import annotations

from starter.answering.limits import Seen
from starter.answering.sendgrid import public_key
from starter.signatures import WINDOW_SECONDS

POSTS_SECONDS = 2 * WINDOW_SECONDS
"""A post is taken from five minutes behind our clock to five ahead; so long it may be sent once more."""
EVENTS_SECONDS = 24 * 3600
"""SendGrid posts an event again for a day when it hears no answer."""


class MailEventDesk:
    """One for each process.

    Args:
        key: as SendGrid shows it; None: nothing is taken.

    Raises:
        ValueError: it is no such key.
    """

    def __init__(self, key: str | None) -> None:
        try:
            self.key = public_key(key) if key else None
        except ValueError as error:
            raise ValueError(f"SENDGRID_EVENT_KEY {error}") from None
        self.posts = Seen(POSTS_SECONDS)
        self.events = Seen(EVENTS_SECONDS)

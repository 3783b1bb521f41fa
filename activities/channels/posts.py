"""An update as one post of a network: the fullest form that fits it, never a text that is cut.

Forms, the fullest first: the short form of the templates; title, text and next update; title and text;
the text alone. The link to the status page stands in each. A text that fits in none was refused before
it was published (`domain/text_limits.py`); one of a template of the organisation's own is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from activities.channels.base import Outgoing
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.spoken_update import SpokenUpdate
from domain.text_limits import NETWORKS, quiet
from templates.filters import line, plain, when
from templates.markdown import public_text


class Post(NamedTuple):
    """What is posted."""

    text: str
    """Without the link."""
    link: str | None
    note: str = ""
    """What was left out of it."""

    @property
    def whole(self) -> str:
        """Text and link, as networks take them that find links by themselves."""
        return (
            f"{self.text}\n{self.link}" if self.link and self.link not in self.text else self.text
        )


def published(message: Outgoing, network: str) -> SpokenUpdate:
    """The update of a message that the public may read.

    Raises:
        DeliveryError: it is something else, and nothing else is ever posted.
    """
    if message.purpose is not Purpose.EXTERNAL_UPDATE or message.update is None:
        detail = f"{network} takes external updates only: everybody reads there"
        raise DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
    return message.update


def post_of(message: Outgoing, channel: str) -> Post:
    """The fullest post of an external update that the network takes.

    Raises:
        DeliveryError: it is no external update, or the text is too long in every form.
    """
    network = NETWORKS[channel]
    update = published(message, network.title)
    link = line(update.url) if update.url else None
    for text, note in _forms(message.text, update):
        post = Post(quiet(text), link, note)
        room = network.most - (network.link if link and link not in text else 0)
        if text and network.length(post.text) <= room:
            return post
    detail = f"the text is too long for {network.title}: at most {network.most} {network.unit}"
    raise DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)


def _forms(short: str, update: SpokenUpdate) -> Iterator[tuple[str, str]]:
    title, said = line(update.title), public_text(update.text)
    following = f"Next update: {when(update.next_update_at)}" if update.next_update_at else ""
    yield plain(short).strip(), ""
    parts = (part for part in (title, said, following) if part)
    yield "\n\n".join(parts), ""
    left = " and when the next one comes" if following else ""
    yield f"{title}\n\n{said}", f"posted without{left.removeprefix(' and')}" if left else ""
    yield said, f"posted without the title{left}"
    yield plain(update.text).strip(), f"posted without the title{left}"

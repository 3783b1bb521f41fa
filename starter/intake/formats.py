"""What a format is: how a request becomes alerts, and how it is told from a forged one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.alert import Alert
from domain.errors import IntakeError
from starter.egress import Egress
from starter.intake.mapping import Sender, web_link
from starter.intake.received import Received, TooDeepError

Parse = Callable[[Received, Sender], list[Alert]]
"""A request in, alerts out. What it cannot read becomes an alert that says so; none at all is `NoAlert`.

Raises only `IntakeError`, for a request that its own service would refuse too.
"""
Verify = Callable[[Received, str, datetime], bool]
"""Whether a request is signed with this secret, and fresh at this time."""
Meet = Callable[[Received, Egress, datetime], Awaitable[None]]
"""What has to be asked outside before a request is read: whose it is, or a handshake.

Raises `ForgedError`; and `EgressError` where it could not be asked, so that the sender comes again.
"""


class NoAlert(list[Alert]):
    """No alert, and why: a request that says something else, such as that a subscription has begun."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class ForgedError(Exception):
    """A request that is not from whom it says; the sender is not told why."""


@dataclass(frozen=True)
class Format:
    """One kind of sender."""

    name: str
    """As policies say it, and the last part of its address."""
    title: str
    """As people call it."""
    parse: Parse
    verify: Verify | None = None
    """Where the sender can sign; asked when the integration has a `signing_secret`."""
    meet: Meet | None = None
    """Where the sender proves itself in another way than by our secret."""
    delivery_id: Callable[[Received], str | None] | None = None
    """The sender's own name for this delivery, the same when it is repeated."""
    methods: tuple[str, ...] = ("POST",)
    media_types: tuple[str, ...] = ("application/json",)
    status: int = 202
    """Of the answer to a request that was taken."""
    has_handshake: bool = False
    """Whether it asks by OPTIONS, as CloudEvents' webhooks do, if it may send."""
    is_hook: bool = True
    """Whether it comes in at `/hooks/<name>`; some have the addresses of their own service instead."""


def from_json(parse: Callable[[Any, Sender], list[Alert]], *, or_text: bool = False) -> Parse:
    """A parser of JSON values as a parser of requests.

    Args:
        or_text: what is no JSON is an alert that cannot be read, where people write the payload's
            template themselves; otherwise it is refused.
    """

    def read(received: Received, sender: Sender) -> list[Alert]:
        try:
            payload = received.json()
        except TooDeepError:
            why = "the payload is nested too deeply to be read"
            return [sender.unreadable(received.text, why)]
        except IntakeError as error:
            if not or_text:
                raise
            return [sender.unreadable(received.text, str(error))]
        return parse(payload, sender)

    return read


def first_text(*values: Any) -> str:
    """The first that is text and not blank, on one line; empty where none is."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        text = " ".join(str(value)[:10_000].split())
        if text:
            return text
    return ""


def links_of(*values: Any) -> list[str]:
    """Those that are addresses of the web, each once."""
    found: Sequence[str | None] = [web_link(value) for value in values]
    return list(dict.fromkeys(link for link in found if link))

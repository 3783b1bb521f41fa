"""What every channel is: a way to bring one message to one address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict

from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose


class Capabilities(BaseModel):
    """What a channel can do, so that nobody asks for its type."""

    model_config = ConfigDict(frozen=True)

    pages: bool
    """Fit to wake somebody."""
    html: bool = False
    confirms_delivery: bool = False
    max_chars: int | None = None


class Outgoing(BaseModel):
    """One message to one address."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Idempotency key: the same message at every attempt."""
    incident: str
    purpose: Purpose
    channel: str
    to: str
    recipient: str
    """Who it is for, by a name of the policy: `person:alice`."""
    subject: str
    text: str
    html: str | None = None
    severity: str = ""

    @property
    def person(self) -> str | None:
        kind, _, name = self.recipient.partition(":")
        return name if kind == "person" else None

    @property
    def may_repeat(self) -> bool:
        """A duplicate beats a miss, but not in public."""
        return self.purpose is not Purpose.EXTERNAL_UPDATE


class Receipt(BaseModel):
    """A vendor has taken the message."""

    vendor_id: str | None = None
    detail: str = ""
    """Worth telling although it went out: a fallback was used."""


class AnswerLostError(DeliveryError):
    """The attempt ended without an answer after the message was handed over: it may have gone out."""

    def __init__(self, reason: DeliveryReason, detail: str) -> None:
        super().__init__(reason, detail, retryable=True)


class Channel(Protocol):
    """One way of sending."""

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def is_configured(self) -> bool: ...

    async def send(self, message: Outgoing) -> Receipt:
        """Bring it to its address.

        Raises:
            DeliveryError: it did not go out; whether it is retried stands in it.
            AnswerLostError: it may have gone out.
        """
        ...


class ChannelSettings(BaseModel):
    """Base of a channel's own settings; each field is the environment variable of that name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def variables(cls) -> list[str]:
        """The environment variables that set this channel up."""
        return [name.upper() for name in cls.model_fields]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read them; an empty variable counts as not set.

        Raises:
            ValidationError: without the values, which may be secret.
        """
        fields = {name: environment.get(name.upper(), "").strip() for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in fields.items() if value})

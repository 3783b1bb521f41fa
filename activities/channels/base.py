"""What every channel is: a way to bring one message to one address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Protocol, Self, runtime_checkable
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.spoken_update import SpokenUpdate


class Capabilities(BaseModel):
    """What a channel can do, so that nobody asks for its type."""

    model_config = ConfigDict(frozen=True)

    pages: bool
    """Fit to wake somebody."""
    html: bool = False
    confirms_delivery: bool = False
    """The vendor posts a receipt when the message has arrived."""
    form: Literal["full", "chat", "short"] = "full"
    """Which form of an update's text it carries."""
    max_chars: int | None = None
    is_paid: bool = False
    """Each message costs money: used last where nobody said otherwise."""


class Answer(BaseModel):
    """How the person can answer a page. Each channel shows it in its own way."""

    model_config = ConfigDict(frozen=True)

    url: str = Field(repr=False)
    """Opens the page with the Acknowledge button; opening it changes nothing."""
    code: str
    """To say or to type: `checkout-17`."""
    token: str = Field(repr=False)
    """Names incident, person and page, signed: the value of a button."""
    receipt_url: str | None = Field(None, repr=False)
    """Where a vendor posts what became of the message."""
    voice_url: str | None = Field(None, repr=False)
    """Where the voice vendor posts the key that was pressed."""


class Part(BaseModel):
    """One incident's page in a message that holds several."""

    model_config = ConfigDict(frozen=True)

    key: str
    incident: str
    severity: str = ""


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
    answer: Answer | None = Field(None, repr=False)
    """Only a page has one. Its links are as good as a signature: they stand in no log and no file."""

    update: SpokenUpdate | None = Field(None, repr=False)
    """Only a published update has one: what a vendor's own form of an incident asks for."""

    bundle: str | None = None
    """Id of the one message, where it holds the pages of several incidents."""
    parts: tuple[Part, ...] = ()
    """Those pages, this message's own first. Each is noted under its own key."""

    def each(self) -> list[Outgoing]:
        """The message as each of its incidents' own; one that is no bundle is itself."""
        if not self.parts:
            return [self]
        return [self.model_copy(update=dict(part)) for part in self.parts]

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
    awaits_receipt: bool = False
    """The vendor will post to `Answer.receipt_url` whether it has arrived."""


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

    async def aclose(self) -> None:
        """Give back connections and threads; nothing is sent by it any more."""
        ...


@runtime_checkable
class ReadsBack(Protocol):
    """A channel that can find out whether an earlier attempt has reached the public."""

    async def find(self, message: Outgoing) -> Receipt | None:
        """What is there under this message's key; None: sending it now makes no second one.

        Raises:
            DeliveryError: it cannot be told.
        """
        ...


def _plain_http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://host or http://host:port")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be an address only: no user, no password, no query")
    return url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_plain_http)]
"""Where a vendor is: http or https, without secrets and without a slash at its end."""
Seconds = Annotated[float, Field(gt=0, le=60)]
"""Longest wait for one call. Never without end."""


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


class HttpSettings(ChannelSettings):
    """Base of the settings of a channel that speaks HTTP."""

    tocsin_channel_proxy: SecretStr | None = None
    """Named on purpose; `HTTPS_PROXY` and its like in the environment are not used: whoever sets them
    would read every page."""

    @field_validator("tocsin_channel_proxy")
    @classmethod
    def _is_proxy(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must look like http://proxy:3128 or http://user:password@proxy:3128")
        return url

    @property
    def proxy(self) -> str | None:
        """The proxy with its password, for a client."""
        found = self.tocsin_channel_proxy
        return found.get_secret_value() if found is not None else None

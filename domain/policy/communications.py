"""Where an incident is talked about, and where the public reads of it, as the policy writes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domain.policy.base import Strict

_ADDRESS = r"^https?://[^\s/?#]+(/[^\s?#]*)?$"
_ORIGIN = r"^https?://[^\s/?#]+$"
PLACES = ("room", "bridge", "document", "status_page")
"""What opens, each of which a process can leave out."""


class Channels(Strict):
    """What opens when an incident is acknowledged.

    Texts are jinja2 with `id`, `service`, `severity`.
    """

    room: str | None = "{{ id }}"
    bridge: str | None = None
    document: str | None = None
    status_page: bool = True
    chat: Literal["slack"] | None = None
    """Where the room is made. None: it is only named, and people make it themselves."""
    private_room: bool = False
    invite: list[str] = []
    """Targets invited to each room beside its responders: `person:P`, `team:T`, `schedule:S`."""
    archive_room: Literal["never", "resolved", "closed"] = "closed"
    """When the room is archived."""
    bridge_creator: str | None = None
    """Address that makes a video bridge: it is asked with the incident's id and answers `{"url": …}`.
    Where it does not answer, `bridge` is used."""


class PublishTarget(Strict):
    """A place that the status page is written to as static files. One of the two."""

    folder: str | None = None
    store: str | None = None
    """`s3://bucket/prefix`; the keys come from the environment."""
    endpoint: str | None = None
    """Address of a storage that is not Amazon's."""
    region: str | None = None


class StatusPage(Strict):
    """The public page."""

    title: str = ""
    url: Annotated[str, Field(pattern=_ADDRESS)] | None = None
    """Where readers find it: links and feeds name this address."""
    timezone: str = "UTC"
    publish_to: list[PublishTarget] = []
    widget_origins: list[Annotated[str, Field(pattern=_ORIGIN)]] = []
    """Other sites that may embed the widget: `https://www.example.com`. Empty: all of them."""
    subscribe: bool = True
    """Whether readers can subscribe."""
    subscribe_by: list[Literal["email", "sms", "webhook"]] = ["email", "webhook"]
    """By which ways. Text messages cost money, so they are named on purpose."""
    history_days: int = Field(90, ge=1, le=365)
    """Days that uptime is shown for."""
    statuspage_components: dict[str, str] = {}
    """What Atlassian Statuspage calls each service: `checkout: 8kbf7d35c070`."""
    groups: dict[str, list[str]] = {}
    """Services shown together, under a heading."""

"""One update as a channel gets it: its text with what a vendor's own form asks for beside it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from domain.updates import Audience, UpdateStatus


class SpokenUpdate(BaseModel):
    """What was said, of which incident, by whom. Nothing internal is in one for the outside."""

    model_config = ConfigDict(frozen=True)

    incident: str
    number: int
    """Of the updates of its incident, from 1: with the incident's id it is a key."""
    side: Audience
    variant: str
    """initial, follow_up or final."""
    service: str
    service_name: str
    title: str
    """One line: `Investigating issues with Checkout`."""
    text: str
    """The author's text, without frame."""
    status: UpdateStatus | None = None
    severity: str = ""
    at: datetime
    started_at: datetime | None = None
    """When the first update of this side was published."""
    next_update_at: datetime | None = None
    component: str | None = None
    """What Atlassian Statuspage calls the service; None where the policy does not say."""
    component_status: str = ""
    """How it stands while the incident lasts, in Statuspage's words."""
    url: str | None = None
    """Where the outside reads on; None inside, and where no status page has an address."""

    @property
    def key(self) -> str:
        return f"{self.incident}/{self.side}/{self.number}"

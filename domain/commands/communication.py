"""Commands that tell an audience something."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from domain.aggregate import Fact
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import Text
from domain.errors import TransitionError
from domain.facts import UpdatePublished
from domain.incident import Incident, Status
from domain.updates import Audience, UpdateStatus


class PublishUpdate(Command):
    """Tell an audience how it stands; says when the next update comes."""

    name: ClassVar[str] = "publish_update"
    description: ClassVar[str] = "Publish an internal or external update"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    audience: Audience
    text: Text
    status: Literal["investigating", "identified", "monitoring"] | None = None
    next_update_minutes: int | None = Field(None, ge=1, le=7 * 24 * 60)

    def check(self, incident: Incident, actor: str) -> None:
        if self.audience is not Audience.EXTERNAL:
            return
        if incident.status is Status.RESOLVED:
            raise TransitionError(
                self.name,
                incident.status,
                ["publish_update {audience: internal}", "reopen"],
                why="a resolved incident has had its final external update",
            )
        if incident.policy.external == "never":
            raise TransitionError(
                self.name,
                incident.status,
                ["publish_update {audience: internal}"],
                why=f"the process {incident.type!r} never speaks to the outside",
            )

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        next_at = None
        if incident.is_open:
            cadence = getattr(
                incident.policy.level(incident.severity).update_every, self.audience.value
            )
            if self.next_update_minutes is not None:
                cadence = timedelta(minutes=self.next_update_minutes)
            next_at = at + cadence if cadence is not None else None
        status = (
            UpdateStatus(self.status) if self.status else latest_status(incident, self.audience)
        )
        return [
            UpdatePublished(
                audience=self.audience,
                text=self.text,
                status=status,
                by=actor,
                variant="follow_up" if incident.has_published(self.audience) else "initial",
                next_update_at=next_at,
            )
        ]


def latest_status(incident: Incident, audience: Audience) -> UpdateStatus | None:
    """What the audience was last told; the outside starts with `investigating`."""
    for update in reversed(incident.updates):
        if update.audience is audience and update.status is not None:
            if update.status is UpdateStatus.RESOLVED:
                break
            return update.status
    return UpdateStatus.INVESTIGATING if audience is Audience.EXTERNAL else None

"""Commands that tell an audience something."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from domain import text_limits
from domain.aggregate import Fact
from domain.audiences import hearing
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import Text
from domain.errors import CommandError, TransitionError
from domain.incident import Incident, Status
from domain.publishing import publications
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

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        """Refuse a text of which a reader would see nothing: joiners, marks and blanks only."""
        if not any(unicodedata.category(char)[0] in "LNPS" for char in text):
            raise ValueError("must say something: nothing of it can be seen")
        return text

    def check(self, incident: Incident, actor: str) -> None:
        self._check_side(incident)
        heard_by = hearing(incident.policy.audiences, self.audience, incident.severity)
        channels = [channel for one in heard_by.values() for channel in one.channels]
        if too_long := text_limits.problems(self.text, self.audience, channels):
            raise CommandError(self.name, too_long)

    def _check_side(self, incident: Incident) -> None:
        if self.audience is not Audience.EXTERNAL:
            return
        if incident.status is Status.RESOLVED:
            raise TransitionError(
                self.name,
                incident.status,
                ["publish_update {audience: internal}", "reopen"],
                why="a resolved incident has had its final external update",
            )
        if why := incident.policy.why_silent(incident.severity, incident.type):
            raise TransitionError(
                self.name, incident.status, ["publish_update {audience: internal}"], why=why
            )

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        status = (
            UpdateStatus(self.status) if self.status else latest_status(incident, self.audience)
        )
        return publications(
            incident,
            self.audience,
            self.text,
            status=status,
            by=actor,
            variant="follow_up" if incident.has_published(self.audience) else "initial",
            at=at,
            next_minutes=self.next_update_minutes,
        )


def latest_status(incident: Incident, audience: Audience) -> UpdateStatus | None:
    """What the audience was last told; the outside starts with `investigating`."""
    for update in reversed(incident.updates):
        if update.audience is audience and update.status is not None:
            if update.status is UpdateStatus.RESOLVED:
                break
            return update.status
    return UpdateStatus.INVESTIGATING if audience is Audience.EXTERNAL else None

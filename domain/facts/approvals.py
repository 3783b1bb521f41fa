"""Facts about updates that a second person approves."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Fact
from domain.incident import Incident
from domain.proposals import Proposal
from domain.updates import Audience, UpdateStatus


class UpdateProposed(Fact):
    """A text waits until somebody else has read it."""

    update: str
    audience: Audience
    audiences: list[str]
    text: str
    status: UpdateStatus | None = None
    by: str
    variant: str = "follow_up"
    next_update_minutes: int | None = None

    def sentence(self) -> str:
        whom = ", ".join(self.audiences)
        what = f"{self.audience.capitalize()} update {self.update}"
        return f"{what} for {whom} waits for approval: {self.text}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.proposed += 1
        fields = self.model_dump(exclude={"update"})
        incident.proposals.append(Proposal(id=self.update, at=at, **fields))


class ApprovalDue(Fact):
    """Nobody has read it for a while."""

    update: str
    audience: Audience
    by: str

    def sentence(self) -> str:
        return f"{self.audience.capitalize()} update {self.update} still waits for approval"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        for proposal in incident.proposals:
            if proposal.id == self.update:
                proposal.reminded = True


class UpdateWithdrawn(Fact):
    """A text that waited will not go out."""

    update: str
    audience: Audience
    reason: str = ""

    def sentence(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"{self.audience.capitalize()} update {self.update} withdrawn{why}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.proposals = [one for one in incident.proposals if one.id != self.update]

"""Facts about not too much: a page waits with others, goes past the entity of its person, is one too many."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Fact
from domain.facts.deliveries import PageFact
from domain.incident import Incident


class PageThrottled(PageFact):
    """The contact has had as many messages as the policy allows: the page goes with the next one."""

    until: datetime

    def sentence(self) -> str:
        return (
            f"Page to {self.person} by {self.channel} waits: that contact has had its limit; "
            f"it goes with the next message, at {self.until:%H:%M:%S} UTC"
        )


class PagedDirectly(PageFact):
    """Whatever bundles the pages of a person gave no word, so the page goes by itself."""

    why: str

    def sentence(self) -> str:
        return f"Page to {self.person} by {self.channel} goes directly: {self.why}"


class Overloaded(Fact):
    """The page of this incident was one more than a person can handle well in a shift."""

    person: str
    incidents: list[str]
    limit: int

    def sentence(self) -> str:
        return (
            f"{self.person} was paged for {len(self.incidents)} incidents within 12 hours; more than "
            f"{self.limit} is more than one person can handle well"
        )

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.overloaded[self.person] = self.sentence()

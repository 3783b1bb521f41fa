"""What waits at a desk to be decided, in the order in which it came."""

from __future__ import annotations

from collections import deque

from pydantic import BaseModel

from domain.alert import Alert
from domain.declaring import Declaration
from domain.triage import Fold

MERGED_ALERTS = 100
"""Alerts that are decided at once; those for one incident reach it in one signal."""


class Inbox(BaseModel):
    """One thing that waits to be decided."""

    alerts: list[Alert] = []
    fold: Fold = "service"
    related: str | None = None
    """The incident that did not take these alerts any more."""
    declaration: Declaration | None = None
    key: str = ""

    def is_alike(self, other: Inbox) -> bool:
        """Whether two reports are decided by the same rules, so that they may be decided as one."""
        if self.declaration is not None or other.declaration is not None:
            return False
        return (self.fold, self.related) == (other.fold, other.related)


def take_next(inbox: deque[Inbox]) -> Inbox:
    """Take what waits longest, with the reports right behind it that are decided alike."""
    item = inbox.popleft()
    while inbox and item.is_alike(inbox[0]):
        if len(item.alerts) + len(inbox[0].alerts) > MERGED_ALERTS:
            break
        item = item.model_copy(update={"alerts": [*item.alerts, *inbox.popleft().alerts]})
    return item

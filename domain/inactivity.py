"""An incident of which nobody has spoken for days ends by itself, only where policy says so.

Off unless `limits.close_inactive` is set: an incident that nobody has taken is loud on purpose.
"""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Clock, Deadline, Fact
from domain.durations import in_words
from domain.facts import Closed, Resolved
from domain.incident import Incident


class InactivityClock(Clock[Incident]):
    """Neither a command nor an alert for so long: it is resolved and closed, and says why."""

    def deadline(self, subject: Incident) -> Deadline | None:
        length = subject.policy.limits.close_inactive
        if length is None or not subject.is_open:
            return None
        since = subject.last_activity_at or subject.raised_at
        return Deadline(at=since + length, summary="Close: nothing has happened")

    def strike(self, subject: Incident, now: datetime) -> list[Fact]:
        length = subject.policy.limits.close_inactive
        if length is None:
            return []
        why = f"nothing has happened for {in_words(length)}, and the policy closes what is inactive"
        resolved = Resolved(
            summary=f"By itself: {why}", ended_at=now, owes_postmortem=subject.has_postmortem
        )
        # A postmortem that runs already closes the incident with its own end.
        return [resolved] if subject.has_postmortem else [resolved, Closed(reason=why)]

"""What a policy says of alerts that belong together: grouping, and alerts that flap.

How the rules are applied is `domain/triage.py`.
"""

from __future__ import annotations

from datetime import timedelta

from domain.policy.base import Strict
from domain.policy.value import Interval


class Grouping(Strict):
    """When a firing alert joins the service's open incident. Left out: always."""

    window: Interval | None = None
    """It joins when the last alert of another key joined at most so long ago."""
    at_most: Interval = timedelta(hours=24)
    """And when the incident was raised at most so long ago: a trickle must not keep one open for ever."""
    labels: list[str] = []
    """And when these labels are the same as those of the alert that raised it."""

"""Updates that wait for a second person: proposed by one, approved by another.

Which audiences ask for it is policy. The others hear at once; those hear what was approved, and only then.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from domain.updates import Audience, UpdateStatus


class Proposal(BaseModel):
    """One text that waits."""

    id: str
    """`u1`, `u2` …"""
    at: datetime
    audience: Audience
    audiences: list[str]
    """Who hears it once it is approved."""
    text: str
    status: UpdateStatus | None = None
    by: str
    variant: str = "follow_up"
    next_update_minutes: int | None = None
    reminded: bool = False

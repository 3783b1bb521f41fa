"""The answer to `PinPolicy`."""

from __future__ import annotations

from pydantic import BaseModel

from domain.policy.slice import PolicySlice


class Pinned(BaseModel):
    """The slice an incident follows, and its link for people."""

    policy: PolicySlice
    url: str = ""

"""What all parts of a policy have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Base of all parts: an unknown field is a mistake, and a policy never changes in memory."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

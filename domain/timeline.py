"""The timeline: every fact of an incident in order, as people read it and as the records keep it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

OPERATOR = "operator"
"""Whoever has the system's own token or the Temporal UI and names no person."""
SYSTEM = "tocsin"
"""What the process itself did."""


class Entry(BaseModel):
    """One fact on the timeline.

    `seq` counts from 1 and never repeats within an incident, also across continue-as-new: the records
    use it as their key, so that writing an entry twice changes nothing.
    """

    seq: int
    at: datetime
    fact: str
    actor: str
    text: str
    data: dict[str, Any] = {}

    def marked(self, unsigned: str) -> Entry:
        """The entry of a command that nobody signed; says so where people and programs read it."""
        if not unsigned:
            return self
        # Whoever says no way of acknowledging is taken to use the API, and this one has not.
        said = self.text.replace(" by the API", "", 1) if self.fact == "acknowledged" else self.text
        text = f"{said} (unsigned: {unsigned})"
        return self.model_copy(update={"text": text, "data": self.data | {"unsigned": unsigned}})

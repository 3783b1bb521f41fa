"""Which hand-overs an incident has taken, so that one that is made twice counts once.

A desk makes its hand-overs in turn, and makes the last ones again when its task is lost or Temporal did not
answer. How far back that reaches is a matter of that desk alone: in a storm hundreds of others hand over
meanwhile, and must not push it out. See docs/adr/0017.
"""

from __future__ import annotations

import hashlib

from pydantic import BaseModel

KEPT_OF_ALL = 5_000
"""Hashes of 16 characters: 100 kB at the most in the state, as long as there are fewer than 500 desks."""
KEPT_OF_ONE = 200
KEPT_AT_LEAST = 10
"""Of each desk, however many there are."""


class HandOvers(BaseModel):
    """The last hand-overs of each desk, by service."""

    taken: dict[str, list[str]] = {}

    def is_new(self, service: str, key: str) -> bool:
        """Whether the desk of a service hands over under this key for the first time; remembers it."""
        short = hashlib.sha256(key.encode()).hexdigest()[:16]
        mine = self.taken.get(service)
        if mine is not None and short in mine:
            return False
        if mine is None:
            mine = self.taken[service] = []
            for others in self.taken.values():
                del others[: -self._share]
        mine.append(short)
        del mine[: -self._share]
        return True

    @property
    def _share(self) -> int:
        """What is kept of each desk; the fewer, the more desks there are."""
        return max(KEPT_AT_LEAST, min(KEPT_OF_ONE, KEPT_OF_ALL // len(self.taken)))

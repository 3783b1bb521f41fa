"""Where a story of the replays is played: a policy, and after how many events workflows continue as new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import worker
from tests.world import EXAMPLE, World, a_world


@dataclass(frozen=True)
class Stage:
    """What a story needs beside a world."""

    limits: dict[str, int] = field(default_factory=dict)
    policy: str = ""
    """Its text; the example where there is none."""
    activities: Callable[[worker.Activities], worker.Activities] = lambda built: built
    """Replaces some of them."""

    @asynccontextmanager
    async def world(self, folder: Path, **how: Any) -> AsyncIterator[World]:
        """A running Tocsin with what the story needs."""
        policy = EXAMPLE
        if self.policy:
            policy = folder / "policy.yaml"
            policy.write_text(self.policy, encoding="utf-8")
        async with a_world(
            folder / "data", policy=policy, limits=self.limits, activities=self.activities, **how
        ) as world:
            yield world

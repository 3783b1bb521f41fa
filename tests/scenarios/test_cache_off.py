"""The whole story with a worker that keeps nothing in memory: every task replays from the beginning.

What a workflow hides outside its history, or decides by anything else, shows at once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replay.record import STORIES, Story, folding
from tests.world import a_world

CACHED = {folding: 1}
"""A workflow that runs local activities one after another, without a pause, makes no progress with no
cache at all: the SDK evicts it in the middle of its task (temporalio/sdk-rust#1482). One place helps."""


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_story_without_the_cache(story: Story, tmp_path: Path) -> None:
    """From the first page to the closed postmortem, rolled over, folded, cancelled: the same story."""
    limits = STORIES[story]
    async with a_world(tmp_path, limits=limits, max_cached_workflows=CACHED.get(story, 0)) as world:
        paths = await story(world)
        for workflow, _ in paths.values():
            assert await world.failed_tasks(workflow) == []
        keys = [message["idempotency_key"] for message in world.outbox()]
        assert len(keys) == len(set(keys))

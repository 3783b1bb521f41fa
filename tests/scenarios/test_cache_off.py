"""The whole story with a worker that keeps nothing in memory: every task replays from the beginning.

What a workflow hides outside its history, or decides by anything else, shows at once. The look-ups are
ordinary activities here: with no cache, the SDK evicts a workflow in the middle of the task that waits
for a local one, and it makes no progress (temporalio/sdk-rust#1482); the recorded histories hold them.
Now and then it loses a task that comes with a query; the server gives it out again after ten seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio import workflow

from tests.replay.record import STORIES, Story
from tests.world import a_world


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_story_without_the_cache(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first page to the closed postmortem, rolled over, folded, cancelled: the same story."""
    monkeypatch.setattr(workflow, "execute_local_activity", workflow.execute_activity)
    async with a_world(tmp_path, limits=STORIES[story], max_cached_workflows=0) as world:
        world.patience = 40.0
        paths = await story(world)
        for walked, _ in paths.values():
            assert await world.failed_tasks(walked) == []
        keys = [message["idempotency_key"] for message in world.outbox()]
        assert len(keys) == len(set(keys))

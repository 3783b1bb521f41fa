"""The whole story with a worker that keeps nothing in memory: every task replays from the beginning.

What a workflow hides outside its history, or decides by anything else, shows at once. The look-ups are
ordinary activities here: with no cache, the SDK evicts a workflow in the middle of the task that waits
for a local one, and it makes no progress (temporalio/sdk-rust#1482); the recorded histories hold them.
The SDK also drops a task that came in while it evicts ("leftover buffered tasks when evicting run" in its
log); Temporal gives it out again after the task's timeout, five seconds, which is why a story may be slow.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio import workflow

from tests.replay.record import STORIES, Story


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_story_without_the_cache(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gathering: None
) -> None:
    """From the first page to the closed postmortem, rolled over, folded, cancelled: the same story."""
    monkeypatch.setattr(workflow, "execute_local_activity", workflow.execute_activity)
    async with STORIES[story].world(tmp_path, max_cached_workflows=0) as world:
        world.patience = 60.0
        paths = await story(world)
        for walked, _ in paths.values():
            assert await world.failed_tasks(walked) == []
        keys = [message["idempotency_key"] for message in world.outbox()]
        assert len(keys) == len(set(keys))

"""One timer for the earliest deadline of all, which is never cancelled in the moment in which it fires.

What is due is begun by the clock, and another event often wakes a workflow in the millisecond of its own
timer. Temporal takes a cancel of a timer that has fired meanwhile; its time-skipping test server refuses
the whole task and never gives out another one (temporalio/sdk-java#3088). So a timer that is about to fire
is let fire: that costs one empty task, and nothing has to be cancelled that is already on its way.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows import activity_options as options

LET_FIRE = "timers-about-to-fire-are-let-fire"


class Alarm:
    """Set anew as often as one likes; the timer stays while its instant stays the same."""

    def __init__(self) -> None:
        self._timer: asyncio.Task[None] | None = None
        self._at: datetime | None = None

    @property
    def has_fired(self) -> bool:
        """Whether it is to be set anew; it may have fired a moment before the instant asked for last."""
        return self._timer is not None and self._timer.done()

    def set(self, at: datetime | None, summary: str = "") -> None:
        """Fire at this instant, or not at all."""
        if self._timer is not None and (self._timer.done() or at != self._at):
            if self._is_about_to_fire():
                if at is None or (self._at is not None and self._at <= at):
                    return
            else:
                self._timer.cancel()
            self._timer = None
        if at is not None and self._timer is None:
            self._at = at
            wait = max(at - workflow.now(), options.SHORTEST_WAIT)
            self._timer = asyncio.create_task(workflow.sleep(wait, summary=summary))

    def _is_about_to_fire(self) -> bool:
        if self._timer is None or self._timer.done() or self._at is None:
            return False
        # A run that has cancelled such a timer goes on as it began.
        return self._at - workflow.now() < options.ABOUT_TO_FIRE and workflow.patched(LET_FIRE)

"""The floor: a bare workflow with one remote activity, and an incident as a beginner writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

BARE_QUEUE = "bare"
BARE_ACTIVITIES = "bare-activities"
"""A queue of its own, as pages have one: the activity goes through the server."""
WITHIN = timedelta(seconds=15)


@dataclass
class Message:
    """What the bare activity posts."""

    key: str
    text: str


@workflow.defn
class BareWorkflow:
    """Start, one activity, end."""

    @workflow.run
    async def run(self, message: Message) -> None:
        await workflow.execute_activity(
            "post", message, task_queue=BARE_ACTIVITIES, start_to_close_timeout=WITHIN
        )


@dataclass
class Due:
    """A message, and when it is due. Units: seconds since 1970."""

    message: Message
    at: float


@workflow.defn
class BareTimer:
    """A timer, one activity, end."""

    @workflow.run
    async def run(self, due: Due) -> None:
        await workflow.sleep(max(due.at - workflow.now().timestamp(), 0.001))
        await workflow.execute_activity(
            "post", due.message, task_queue=BARE_ACTIVITIES, start_to_close_timeout=WITHIN
        )


@workflow.defn
class NaiveIncident:
    """An incident as a beginner writes it: for every step one signal, and one activity that does it."""

    def __init__(self) -> None:
        self._steps: list[str] = []

    @workflow.run
    async def run(self, steps: int) -> None:
        for done in range(steps):
            await workflow.wait_condition(lambda done=done: len(self._steps) > done)  # type: ignore[misc]
            await workflow.execute_activity(
                "do",
                self._steps[done],
                task_queue=BARE_ACTIVITIES,
                start_to_close_timeout=WITHIN,
            )

    @workflow.signal
    def step(self, what: str) -> None:
        self._steps.append(what)


@activity.defn
async def do(what: str) -> str:
    """Nothing: only the history counts."""
    return what

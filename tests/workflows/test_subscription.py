"""A wish to subscribe: asked until somebody is asked, forgotten when nobody answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain.subscribers import Invited
from tests.world import BIN
from workflows.contract import SUBSCRIPTION, TASK_QUEUE, SubscriptionInput
from workflows.converter import data_converter
from workflows.subscription import ATTEMPTS, SubscriptionWorkflow

ASKED = Invited(is_waiting=True)
AWAY = Invited(is_waiting=True, retryable=True, detail="away")
KNOWN = Invited()


class Asking:
    """What the activities do, one answer after the other."""

    def __init__(self, *answers: Invited) -> None:
        self._answers: Iterator[Invited] = iter(answers)
        self.asked, self.forgot = 0, 0

    @activity.defn(name="invite_subscriber")
    async def invite(self, id_: str) -> Invited:
        self.asked += 1
        return next(self._answers)

    @activity.defn(name="forget_unconfirmed")
    async def forget(self) -> int:
        self.forgot += 1
        return 1


@pytest.mark.parametrize(
    ("answers", "asked", "forgot", "least", "most"),
    [
        ([ASKED], 1, 1, timedelta(hours=48), timedelta(hours=49)),
        ([AWAY, AWAY, ASKED], 3, 1, timedelta(hours=48), timedelta(hours=49)),
        ([KNOWN], 1, 0, timedelta(0), timedelta(minutes=1)),
        ([AWAY] * ATTEMPTS, ATTEMPTS, 1, timedelta(hours=48), timedelta(hours=50)),
    ],
    ids=["asked once", "the vendor was away", "known already", "never reached"],
)
async def test_an_address_is_asked_and_forgotten(
    answers: list[Invited], asked: int, forgot: int, least: timedelta, most: timedelta
) -> None:
    """It is asked until that worked, a few times; nothing of it is kept longer than two days."""
    asking = Asking(*answers)
    env = await WorkflowEnvironment.start_time_skipping(
        data_converter=data_converter, test_server_existing_path=str(BIN / "temporal-test-server")
    )
    async with env:
        worker = Worker(
            env.client,
            task_queue=TASK_QUEUE,
            workflows=[SubscriptionWorkflow],
            activities=[asking.invite, asking.forget],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            handle = await env.client.start_workflow(
                SUBSCRIPTION,
                SubscriptionInput(subscriber="reader-kim"),
                id=str(uuid.uuid4()),
                task_queue=TASK_QUEUE,
            )
            await handle.result()
            seen = await handle.describe()
    assert seen.close_time is not None
    took = seen.close_time - seen.start_time
    assert (asking.asked, asking.forgot) == (asked, forgot)
    assert least <= took <= most

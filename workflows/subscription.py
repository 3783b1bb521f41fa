"""One wish to subscribe: the address is asked, and forgotten when nobody answers."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from domain.subscribers import PENDING_LIFE, Invited
    from workflows import activity_options as options
    from workflows import contract

ATTEMPTS = 10
PAUSES = (timedelta(seconds=5), timedelta(minutes=10))
MARGIN = timedelta(minutes=1)
"""The records' clock and Temporal's are two."""


@workflow.defn(name=contract.SUBSCRIPTION)
class SubscriptionWorkflow:
    """Asks, waits, forgets. No address is in its history."""

    @workflow.run
    async def run(self, start: contract.SubscriptionInput) -> Invited:
        invited = await self._invite(start.subscriber)
        if invited.is_waiting:
            await workflow.sleep(
                PENDING_LIFE + MARGIN, summary="Forget the address unless it is confirmed"
            )
            await workflow.execute_activity(
                "forget_unconfirmed",
                result_type=int,
                summary="Forget who did not confirm",
                **options.RECORDING,
            )
        return invited

    async def _invite(self, subscriber: str) -> Invited:
        """One activity is one attempt."""
        pause, invited = PAUSES[0], Invited(is_waiting=True)
        for attempt in range(ATTEMPTS):
            if attempt:
                await workflow.sleep(pause, summary="Ask again")
                pause = min(pause * 3, PAUSES[1])
            try:
                invited = await workflow.execute_activity(
                    "invite_subscriber",
                    subscriber,
                    result_type=Invited,
                    summary="Ask whether it was them",
                    **options.MESSAGE_ATTEMPT,
                )
            except FailureError as error:
                workflow.logger.warning("nobody was asked: %s", error)
                invited = Invited(is_waiting=True, retryable=True, detail=str(error)[:200])
            if not invited.retryable:
                break
        return invited

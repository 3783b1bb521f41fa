"""A test page: the very path of a real one, from the page queue to a contact, without an incident."""

from __future__ import annotations

import uuid
from datetime import timedelta

from temporalio.client import ActivityFailureError, Client
from temporalio.service import RPCError

from domain.messages import Delivery, DeliveryState, ResolvedPage, SendPage
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError
from workflows.contract import PAGE_QUEUE

WITHIN = timedelta(seconds=15)
"""For the look-up and each attempt; without a worker on the page queue that is all one waits."""


class PageCheck:
    """Sends test pages through standalone activities, as the Temporal server offers them since 1.31."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def page(self, person: str) -> tuple[list[Delivery], list[str]]:
        """Try the person's contacts in order until one is sent.

        Returns:
            What became of each attempt, and why contacts were left out.

        Raises:
            NotAnsweredError: no worker took it in time.
            GatewayUnavailableError: Temporal is away, or is too old for standalone activities.
        """
        key = f"test/{uuid.uuid4()}"
        found = await self._run("resolve_test_page", person, ResolvedPage, f"{key}/resolve")
        deliveries: list[Delivery] = []
        if not found.targets or found.text is None:
            return deliveries, [*found.skipped, *found.faults]
        for number, channel in enumerate(found.targets[0].channels):
            request = SendPage(
                key=f"{key}/{person}/{channel}-{number}",
                incident_id="test",
                severity="",
                person=person,
                channel=channel,
                contact=number,
                text=found.text,
            )
            deliveries.append(await self._run("send_page", request, Delivery, request.key))
            if deliveries[-1].state is DeliveryState.SENT:
                break
        return deliveries, [*found.skipped, *found.faults]

    async def _run(self, name: str, argument: object, result: type, key: str):  # type: ignore[no-untyped-def]
        try:
            return await self._client.execute_activity(
                name,
                argument,
                id=key,
                task_queue=PAGE_QUEUE,
                result_type=result,
                schedule_to_close_timeout=WITHIN,
                start_to_close_timeout=WITHIN,
                summary=f"Test: {name}",
            )
        except ActivityFailureError as error:
            raise NotAnsweredError(
                f"no worker took the test page in time: {error.cause}"
            ) from error
        except RPCError as error:
            raise GatewayUnavailableError(f"Temporal does not take it: {error.message}") from error

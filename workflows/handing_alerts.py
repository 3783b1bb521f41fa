"""How a desk gives alerts to open incidents: at once what is new, together what only repeats.

In a storm of one alert each report would cost the incident a task, and say nothing. What only repeats
what it heard a moment ago is therefore held back, at most `REPEATS_EVERY`, in the desk's state: it is
as durable there, and the incident counts it all the same.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.alert import AlertBatch, AlertStatus
    from domain.open_ref import OpenRef
    from domain.triage import DeskState
    from workflows import activity_options as options
    from workflows import contract
    from workflows.inbox import Given, Inbox


class HandsAlerts(ABC):
    """What a desk needs to hand alerts over; `ServiceDesk` is built on it."""

    _state: DeskState
    _inbox: deque[Inbox]
    _reminder: asyncio.Task[None] | None = None

    @abstractmethod
    def _give_back(self, ref: OpenRef | None) -> None:
        """Decide anew what was not taken."""

    async def _hand_to(self, incident: str, given: Given, item: Inbox) -> None:
        """Give alerts to an open incident; mere repeats wait a moment for company."""
        ref, batch = self._state.open.get(incident), item.batch_for(incident, given)
        now = workflow.now()
        if ref is None:
            await self._bring(incident, [batch], item)
            return
        ref.keep_firing(given.alerts)
        every = options.STORM_EVERY if ref.storm else options.REPEATS_EVERY
        if ref.may_wait(given.alerts, now, every):
            ref.waiting.append(batch)
            self._remind()
        else:
            await self._bring(incident, ref.take_waiting(batch, now), item)

    async def _hand_over_repeats(self) -> None:
        for incident, ref in list(self._state.open.items()):
            if batches := ref.take_waiting(None, workflow.now()) if ref.waiting else []:
                item = Inbox(fold=self._state.fold, rule=self._state.rule)
                await self._bring(incident, batches, item)

    async def _bring(self, incident: str, batches: list[AlertBatch], item: Inbox) -> None:
        """Signal an incident; one that is gone is forgotten and the alerts are decided again."""
        alerts = [alert for batch in batches for alert in batch.alerts]
        is_there: bool = await workflow.execute_local_activity(
            "hand_alerts",
            contract.HandAlerts(incident_id=incident, batches=batches),
            result_type=bool,
            summary=f"{len(alerts)} alerts to {incident}",
            **options.STARTING,
        )
        if not is_there:
            workflow.logger.info("incident %s is gone", incident)
            held = self._state.open.get(incident)
            self._state.settle(incident, [])
            self._give_back(held)
            # Changes are remembered by the desk: what comes next is told of them.
            again = [alert for alert in alerts if alert.status is not AlertStatus.CHANGED]
            self._inbox.appendleft(
                item.model_copy(
                    update={
                        "alerts": again,
                        "related": incident,
                        "key": item.key or batches[0].key,
                    }
                )
            )

    def _remind(self) -> None:
        """One timer at a time, and only in a storm."""
        if self._reminder is None or self._reminder.done():
            self._reminder = asyncio.create_task(self._remind_later())

    async def _remind_later(self) -> None:
        waiting = [ref for ref in self._state.open.values() if ref.waiting]
        is_storm = bool(waiting) and all(ref.storm for ref in waiting)
        every = options.STORM_EVERY if is_storm else options.REPEATS_EVERY
        await workflow.sleep(every, summary="Repeated alerts, together")
        self._inbox.append(Inbox(is_reminder=True))

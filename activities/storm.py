"""Whether a new incident is folded into a storm: counted here, decided by `storm/<integration>`.

While this process has raised fewer of an integration than `limits.storm` in the last minute it asks nobody.
Past that it asks the entity, for all who wait together, and gives up after five seconds: then the incident
is raised as usual.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.crossing import together
from activities.desk import DeskActivities
from activities.hastening import hasten
from activities.looking_up import why
from domain.policy.slice import UNKNOWN_SERVICE
from domain.storm import (
    QUIET,
    RATE,
    Admit,
    Admitted,
    Arrival,
    Asked,
    StormInput,
    StormOrder,
    storm_source,
    within_rate,
)
from workflows import contract

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
"""How long the page of one past the limit is held up by the question whether it belongs to a storm.

Twenty others of its integration have paged within the minute. Raising the storm's incident takes a few
hand-overs of a machine that has hundreds of desks to serve: 0.2 s in peace, 3 s measured in a storm of
10,000 alerts on two busy cores. Whoever asks after that waits for one hand-over only.
"""
ANSWER_SECONDS = 8.0
"""For one update: who asked may have gone on without it, and the storm is named to those behind."""
BROKEN_SECONDS = 10.0
"""After an update that failed nobody is held up for so long."""
TELLS_FROM = 3
"""Incidents in a minute from which on the entity hears of them: one alone costs it nothing."""
AT_ONCE = 200
"""Questions in one update."""
REMEMBERED = timedelta(seconds=60)
"""Where the entity does not answer in time, the storm that it named so lately is taken to last."""


@dataclass
class Watched:
    """What this process knows of one integration."""

    arrivals: dict[str, Arrival] = field(default_factory=dict)
    untold: dict[str, Arrival] = field(default_factory=dict)
    elsewhere: int = 0
    """New incidents of other processes, as the entity last said."""
    heard_at: datetime | None = None
    limit: int = 1
    storm: str = ""
    storm_at: datetime | None = None
    """When the entity last named it."""
    waiting: dict[str, tuple[Asked, asyncio.Future[str]]] = field(default_factory=dict)
    talking: asyncio.Task[None] | None = None
    broken_until: float = 0.0
    """Monotonic."""

    def count(self, arrival: Arrival) -> int:
        """New incidents of the last minute, this one with them."""
        self.arrivals.setdefault(arrival.cause, arrival)
        self.arrivals = within_rate(self.arrivals, arrival.at)
        is_fresh = self.heard_at is not None and arrival.at - self.heard_at < RATE
        return len(self.arrivals) + (self.elsewhere if is_fresh else 0)

    def storms(self, at: datetime, within: timedelta = QUIET) -> bool:
        """Whether a storm was named so lately that it may last."""
        return bool(self.storm) and self.storm_at is not None and at - self.storm_at < within

    def hear(self, answer: Admitted, at: datetime) -> None:
        self.elsewhere = max(answer.count - len(self.arrivals), 0)
        self.heard_at = at
        self.storm, self.storm_at = answer.storm, at if answer.storm else None


class StormWatch:
    """Counts for this process, asks the entity, and raises and settles a storm's incident."""

    def __init__(self, client: Client, desks: DeskActivities) -> None:
        self._client, self._desks = client, desks
        self._watched: dict[str, Watched] = {}

    def count(self, request: contract.StartIncident, limit: int | None) -> bool:
        """Count a new incident, once; tell whether the entity is to be asked before it is raised."""
        integration = storm_source(request.origin)
        if integration is None or limit is None:
            return False
        watched = self._watched.setdefault(integration, Watched())
        watched.limit = limit
        arrival = Arrival(cause=request.cause, service=request.service, at=request.at)
        is_new = request.cause not in watched.arrivals
        count = watched.count(arrival)
        if count > limit or watched.storms(request.at):
            return True
        if is_new:
            watched.untold[request.cause] = arrival
            if count >= TELLS_FROM:
                self._talk(integration, watched)
        return False

    def uncount(self, request: contract.StartIncident) -> None:
        """It pages nobody after all. What the entity has heard of it stays: it is out in a minute."""
        watched = self._watched.get(storm_source(request.origin) or "")
        if watched is not None:
            watched.arrivals.pop(request.cause, None)
            watched.untold.pop(request.cause, None)

    async def fold(self, request: contract.StartIncident, severity: str, rank: int) -> str:
        """The storm incident that takes the alerts of a new one; empty: it is raised as usual.

        Args:
            rank: of the severity in the policy, 0 for the worst.
        """
        integration = storm_source(request.origin) or ""
        watched = self._watched[integration]
        asked = Asked(
            cause=request.cause,
            service=request.service,
            at=request.at,
            severity=severity,
            rank=rank,
            not_into=request.origin.related,
        )
        if request.cause not in watched.waiting:
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            watched.waiting[request.cause] = (asked, answer)
        _, answer = watched.waiting[request.cause]
        self._talk(integration, watched)
        is_broken = time.monotonic() < watched.broken_until
        try:
            return await asyncio.wait_for(
                asyncio.shield(answer), 0.0 if is_broken else PATIENCE_SECONDS
            )
        except Exception as error:  # noqa: BLE001 - without an answer the incident is raised
            named = watched.storm if watched.storms(request.at, REMEMBERED) else ""
            into = "" if named == request.origin.related else named
            log.warning(
                "the storm entity does not answer",
                integration=integration, incident=request.incident_id, into=into, reason=why(error),
            )  # fmt: skip
            return into

    def _talk(self, integration: str, watched: Watched) -> None:
        if watched.talking is None or watched.talking.done():
            watched.talking = asyncio.create_task(self._talk_on(integration, watched))

    async def _talk_on(self, integration: str, watched: Watched) -> None:
        """One update at a time, with everything that came up meanwhile."""
        while watched.waiting or watched.untold:
            asked = dict(list(watched.waiting.items())[:AT_ONCE])
            told, watched.untold = watched.untold, {}
            request = Admit(
                limit=watched.limit,
                started=list(told.values()),
                asked=[one for one, _ in asked.values()],
            )
            at = max(one.at for one in [*request.started, *request.asked])
            try:
                answer = await self._admit(integration, request)
            except Exception as error:  # noqa: BLE001 - whoever waits goes on without
                log.warning(
                    "the storm entity is not to be reached",
                    integration=integration,
                    reason=why(error),
                )
                watched.broken_until = time.monotonic() + BROKEN_SECONDS
                _answer_all(watched, asked, {}, error)
                continue
            watched.hear(answer, at)
            _answer_all(watched, asked, answer.into)

    async def _admit(self, integration: str, request: Admit) -> Admitted:
        """One update, and another where the entity was just ending or continuing as new."""
        try:
            return await self._update(integration, request)
        except RPCError as error:
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
                raise
        return await self._update(integration, request)

    async def _update(self, integration: str, request: Admit) -> Admitted:
        start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
            contract.STORM,
            StormInput(integration=integration),
            id=contract.storm_id(integration),
            task_queue=contract.STORM_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=contract.TASK_TIMEOUT,
            static_summary=f"Storms of {integration}"[:200],
        )
        return await asyncio.wait_for(
            self._client.execute_update_with_start_workflow(
                "admit", request, start_workflow_operation=start, result_type=Admitted
            ),
            ANSWER_SECONDS,
        )

    @activity.defn(name="raise_storm")
    async def raise_storm(self, order: StormOrder) -> None:
        """Ask the desk of `unknown` to raise the incident of a storm; it does so once under its key.

        By a signal: an update's task finds no place in the queue behind hundreds of others, whatever its
        priority.

        Raises:
            RPCError: Temporal did not take it. Retried.
        """
        await hasten(self._client, contract.desk_id(UNKNOWN_SERVICE))
        await self._desks.signal_desk(
            contract.DeskSignal(
                service=UNKNOWN_SERVICE, name="raise_storm", body=order.model_dump(mode="json")
            )
        )

    @activity.defn(name="settle_storm")
    async def settle_storm(self, request: contract.SettleStorm) -> None:
        """Tell every desk that a storm's incident takes no more, and give each back its own alerts.

        Raises:
            RPCError: somebody could not be told. Retried for ever; a desk counts a word once.
        """
        settled = request.settled
        entity = self._client.get_workflow_handle(contract.storm_id(request.integration))
        try:
            await entity.signal("settled", settled.model_copy(update={"alerts": []}))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        await together(
            self._desks.signal_desk(
                contract.DeskSignal(
                    service=service,
                    name="settled",
                    body=settled.model_copy(
                        update={
                            "alerts": [a for a in settled.alerts if a.service == service],
                            "key": f"{settled.key}/{service}"[: contract.MAX_KEY_CHARS],
                        }
                    ).model_dump(mode="json"),
                )
            )
            for service in request.services
        )


def _answer_all(
    watched: Watched,
    asked: dict[str, tuple[Asked, asyncio.Future[str]]],
    into: dict[str, str],
    error: Exception | None = None,
) -> None:
    """Give an answer to everybody who asked; one who has gone away does not hear it."""
    for cause, (_, answer) in asked.items():
        watched.waiting.pop(cause, None)
        if answer.done():
            continue
        if error is None:
            answer.set_result(into.get(cause, ""))
        else:
            answer.set_exception(error)
            answer.exception()  # whoever has stopped waiting leaves no complaint in the log

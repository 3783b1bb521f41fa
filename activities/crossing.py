"""What incidents say to each other across services: causes, dependents, and the look for a likely cause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from datetime import datetime, timedelta

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.looking_up import PolicySource, RecordsLookUp, why
from domain import likely_cause as lc
from domain.policy.model import Policy
from domain.policy.slice import PolicySlice
from records.database import RecordsUnavailableError

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 1.0
"""A page is not held up for longer by the question whether it is to be held."""
FRESH = timedelta(seconds=60)
"""What this process has raised so lately may not be in the records yet."""
ASKED_AT_MOST = 5
AT_ONCE = 20
"""Signals under way together."""


class LookingForCauses:
    """Finds the open incident that a new one may be put down to. Fails open: then nothing is held."""

    def __init__(self, client: Client, records: RecordsLookUp, policy: PolicySource) -> None:
        self._client, self._records, self._policy = client, records, policy
        self._raised: dict[str, tuple[str, datetime]] = {}
        """Service and time of what this process has raised, by incident."""
        self._direct: tuple[str, dict[str, list[str]]] = ("", {})
        """Version of a policy, and who depends directly on each of its services."""
        self._running: set[asyncio.Task[None]] = set()

    async def likely_cause(
        self, service: str, severity: str, pinned: PolicySlice
    ) -> lc.LikelyCause | None:
        """The nearest open incident that `service` depends on, pages, and is at least as bad."""
        if not pinned.depends_on:
            return None
        try:
            _, policy = self._policy.current()
            if not policy.service(service).hold_for_cause:
                return None
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._look(service, severity, policy, pinned)
        except Exception as error:  # noqa: BLE001 - a page is not held for a question
            log.warning("the likely cause is not known", service=service, reason=why(error))
            return None

    async def _look(
        self, service: str, severity: str, policy: Policy, pinned: PolicySlice
    ) -> lc.LikelyCause | None:
        paths = lc.paths_to_causes(policy, service)
        candidates = await self._open_on(list(paths))
        nearest = sorted(candidates, key=lambda one: (len(paths[one[1]]), one[0]))
        for incident, _ in nearest[:ASKED_AT_MOST]:
            suspect = await self._ask(incident)
            if suspect is not None and lc.holds(suspect, severity, pinned):
                return lc.LikelyCause(
                    incident=suspect.id,
                    service=suspect.service,
                    severity=suspect.severity,
                    why=lc.why(paths[suspect.service]),
                )
        return None

    async def _open_on(self, services: list[str]) -> list[tuple[str, str]]:
        """Open incidents on some services with theirs: the records, and what this process knows better."""
        found = {one: of for one, (of, _) in self._raised.items() if of in services}
        try:
            rows = await self._records.open_for_services(services)
            found |= {str(row["id"]): str(row["service"]) for row in rows}
        except RecordsUnavailableError as error:
            log.warning("open incidents are not known", reason=str(error))
        return list(found.items())

    async def _ask(self, incident: str) -> lc.Suspect | None:
        handle = self._client.get_workflow_handle(incident)
        try:
            found: lc.Suspect = await handle.query("as_cause", result_type=lc.Suspect)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return found

    def has_raised(self, incident: str, service: str, severity: str, at: datetime) -> None:
        """Remember what was raised, and link those that depend on it and were raised before, meanwhile."""
        self._raised = {
            one: (of, when) for one, (of, when) in self._raised.items() if at - when < FRESH
        }
        self._raised[incident] = (service, at)
        task = asyncio.create_task(self._link_dependents(incident, service, at))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _link_dependents(self, incident: str, service: str, at: datetime) -> None:
        """Best effort: nothing waits for a link, and nobody is paged by one."""
        try:
            version, policy = self._policy.current()
            if self._direct[0] != version:
                self._direct = (version, lc.direct_dependents(policy))
            services = lc.dependents_of(self._direct[1], service)
            if not services:
                return
            rows = await self._records.open_for_services(services)
            cause = self._client.get_workflow_handle(incident)
            for row in rows:
                raised_at = datetime.fromisoformat(str(row["raised_at"]))
                if not timedelta(0) <= at - raised_at <= lc.RELATED_WITHIN:
                    continue
                path = lc.paths_to_causes(policy, row["service"])[service]
                word = lc.Dependent(
                    incident=row["id"], service=row["service"], why=lc.why(path), held=False
                )
                await cause.signal("dependent", word)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            log.warning("dependents are not linked", incident=incident, reason=why(error))

    @activity.defn(name="check_cause")
    async def check_cause(self, incident: str) -> lc.Suspect | None:
        """What a likely cause is now; None when it is not to be found.

        Raises:
            RPCError: Temporal, or the incident, does not answer. Retried for a while.
        """
        handle = self._client.get_workflow_handle(incident)
        try:
            described = await handle.describe()
            if described.close_time is not None:
                return None
            found: lc.Suspect = await handle.query("as_cause", result_type=lc.Suspect)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return found

    @activity.defn(name="tell_cause")
    async def tell_cause(self, request: lc.TellCause) -> bool:
        """Tell an incident what is put down to it; False when it is there no more."""
        handle = self._client.get_workflow_handle(request.cause)
        return await _unless_gone(handle.signal("dependent", request.dependent))

    @activity.defn(name="tell_dependents")
    async def tell_dependents(self, request: lc.TellDependents) -> None:
        """Tell incidents what has become of their likely cause; one that is over needs no word.

        Raises:
            RPCError: somebody could not be told. Retried for ever; an incident counts a word once.
        """
        await together(
            _unless_gone(self._client.get_workflow_handle(one).signal("cause", request.word))
            for one in request.dependents
        )


async def together(work: Iterable[Awaitable[object]]) -> None:
    """Do all of it, a few at a time; the first that failed is raised when all the others are done."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(job: Awaitable[object]) -> None:
        async with room:
            await job

    results = await asyncio.gather(*(one(job) for job in work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _unless_gone(sending: Awaitable[None]) -> bool:
    """False when whoever was told is there no more."""
    try:
        await sending
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True

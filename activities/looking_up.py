"""What the activities look up live: the policy in force, and the records within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Protocol, TypeVar

from domain.policy.model import Policy
from domain.priority import OpenIncident
from records.database import RecordsUnavailableError

RECORDS_SECONDS = 1.0
"""A page goes out without its rank after this."""
_THREADS = 8
T = TypeVar("T")


class PolicySource(Protocol):
    """Where the policy in force is read; `records.policy_store.PolicyStore` is one."""

    def current(self) -> tuple[str, Policy]:
        """Its version and the policy, with the overrides made since."""
        ...


class OpenIncidents(Protocol):
    """What is read of the records; `records.reads.RecordsReader` is one."""

    def open_incidents(self) -> list[OpenIncident]: ...
    def open_for_services(self, services: Collection[str]) -> list[dict[str, Any]]: ...
    def highest_number(self, service: str) -> int: ...
    def incidents_of(self, person: str) -> list[OpenIncident]: ...
    def last_page(self, person: str, incident: str) -> datetime | None: ...


class RecordsLookUp:
    """The records with a limit on the wait: they must never hold up a page.

    A database that hangs keeps a thread for a while, so the threads are this object's own.

    Args:
        limit_seconds: for one look-up, with the wait for a free thread.
    """

    def __init__(self, reader: OpenIncidents, limit_seconds: float = RECORDS_SECONDS) -> None:
        self._reader, self._limit = reader, limit_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="records-look-up")

    async def open_incidents(self) -> list[OpenIncident]:
        """Every open incident.

        Raises:
            RecordsUnavailableError: they did not answer, or not in time.
        """
        return await self._within_limit(self._reader.open_incidents)

    async def open_for_services(self, services: Collection[str]) -> list[dict[str, Any]]:
        """The open incidents of some services. Raises as `open_incidents`."""
        return await self._within_limit(lambda: self._reader.open_for_services(services))

    async def incidents_of(self, person: str) -> list[OpenIncident]:
        """The open incidents that a person was paged for or manages. Raises as `open_incidents`."""
        return await self._within_limit(lambda: self._reader.incidents_of(person))

    async def last_page(self, person: str, incident: str) -> datetime | None:
        """When the last page of an incident left for a person. Raises as `open_incidents`."""
        return await self._within_limit(lambda: self._reader.last_page(person, incident))

    async def highest_number(self, service: str) -> int:
        """The number of the service's latest incident. Raises as `open_incidents`."""
        return await self._within_limit(lambda: self._reader.highest_number(service))

    async def _within_limit(self, work: Callable[[], T]) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.wait_for(running, self._limit)
        except Exception as error:
            raise RecordsUnavailableError(why(error)) from error


def why(error: Exception) -> str:
    """An error as part of a sentence for people."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__
